"""Pages of a partition: every row once, whole paths, and the same cost wherever a page lies."""

import random
import tracemalloc

import pytest

from dobby_pipeline.cozo.partition import page_borders, read_partition
from dobby_pipeline.cozo.store import HeldStore
from dobby_pipeline.schema.relations import SYMBOL_SUMMARIES as RELATION

PARTS = ["a", "A", "a.py", "b c", "é", "ü/x", "日本", "\U0001f600", "~", "z" * 40, "0", "-", "a/b"]


def put(store, repo: str, counts: dict[str, int]) -> None:
    """So many rows of each path."""
    values = {"summary_key": "k", "content_hash": "h", "commit": "c", "run": "r"}
    rows = [
        {"repo": repo, "path": path, "symbol": f"s{n}", "start_line": 1, "end_line": 2, **values}
        for path, count in counts.items()
        for n in range(count)
    ]
    for start in range(0, len(rows), 5000):
        params = {"rows": RELATION.rows(rows[start : start + 5000])}
        store.run("put", RELATION.put(), params, write=True)


def keys(rows) -> list[tuple[str, str]]:
    return [(row["path"], row["symbol"]) for row in rows]


@pytest.mark.parametrize("seed", range(6))
def test_any_paths_come_once_in_whole_paths_in_one_order(store, seed):
    chance = random.Random(seed)
    paths = {"/".join(chance.choices(PARTS, k=chance.randint(1, 3))) for _ in range(60)}
    counts = {path: chance.choice([1, 1, 2, 7, 30]) for path in paths}
    put(store, "r", counts)
    put(store, "q", {"a": 3})  # repositories beside it, on both sides
    put(store, "s", {"a": 3})
    every = {(path, f"s{n}") for path, count in counts.items() for n in range(count)}
    whole = keys(store.run("all", "?[path, symbol] := *symbol_summaries{repo: 'r', path, symbol}"))
    assert set(whole) == every
    for page_rows in (1, 2, 7, 30, len(every), len(every) + 1, 10_000):
        pages = [keys(page) for page in read_partition(store, RELATION, ["r"], (), page_rows)]
        assert [key for page in pages for key in page] == whole
        seen = [path for page in pages for path in {path for path, _ in page}]
        assert len(seen) == len(set(seen)), "a path stands in two pages"
        assert all(len(page) >= page_rows for page in pages[:-1])
        borders = list(page_borders(store, RELATION, "r", page_rows))
        order = list(dict.fromkeys(path for path, _ in whole))
        cut = [order.index(border) for pair in borders for border in pair]
        assert cut[0] == 0
        assert cut[-1] == len(order) - 1
        assert [b - a for a, b in zip(cut[1::2], cut[2::2], strict=False)] == [1] * (
            len(borders) - 1
        )


@pytest.mark.parametrize("rows", [0, 10, 20])
def test_a_partition_that_ends_with_a_page_has_no_empty_one_behind_it(store, rows):
    put(store, "r", {f"{n:02}": 1 for n in range(rows)})
    assert [len(page) for page in read_partition(store, RELATION, ["r"], (), 10)] == [10] * (
        rows // 10
    )
    assert len(list(page_borders(store, RELATION, "r", 10))) == rows // 10


def test_a_page_costs_the_same_number_of_rows_and_queries_in_a_large_partition(store, monkeypatch):
    read: list[int] = []
    once = HeldStore.rows

    def counted(self, *args, **kwargs):
        rows = once(self, *args, **kwargs)
        read.append(len(rows))
        return rows

    costs = []
    for repo, files in (("small", 100), ("large", 1600)):
        put(store, repo, {f"f{n:05}": 10 for n in range(files)})
        monkeypatch.setattr(HeldStore, "rows", counted)
        read.clear()
        pages = sum(1 for _ in read_partition(store, RELATION, [repo], ("path",), 100))
        costs.append((len(read) / pages, sum(read) / pages))
        read.clear()
        pages = sum(1 for _ in page_borders(store, RELATION, repo, 100))
        costs.append((len(read) / pages, sum(read) / pages))
        monkeypatch.undo()
    small, large = costs[:2], costs[2:]
    for (queries, rows), (more_queries, more_rows) in zip(small, large, strict=True):
        assert more_queries <= queries + 0.01
        assert more_rows <= 1.05 * rows


def test_reading_a_partition_of_sixteen_times_the_files_takes_no_more_memory(store):
    peaks = []
    for repo, files in (("small", 1000), ("large", 16_000)):
        put(store, repo, {f"folder/f{n:05}": 1 for n in range(files)})
        tracemalloc.start()
        for _ in read_partition(store, RELATION, [repo], ("path",), 500):
            pass
        for _ in page_borders(store, RELATION, repo, 500):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A page or two that the collector has not come to yet make 1.35 of it.
    assert peaks[1] < 1.6 * peaks[0]
