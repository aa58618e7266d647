"""Partitions on a real store: atomic batches, stale rows, pages."""

from itertools import pairwise

import pytest

from dobby_pipeline.cozo.partition import in_batches, read_partition, write_partition
from dobby_pipeline.cozo.relation import Relation, checked_name
from dobby_pipeline.cozo.store import StoreError
from dobby_pipeline.schema.relations import SYMBOL_SUMMARIES


def row(path: str, symbol: str, key: str = "k") -> dict[str, object]:
    return {
        "path": path,
        "symbol": symbol,
        "summary_key": key,
        "content_hash": "h",
        "commit": "c",
        "start_line": 1,
        "end_line": 2,
    }


def symbols(store, repo="r", **options):
    pages = read_partition(store, SYMBOL_SUMMARIES, [repo], ["path", "symbol"], **options)
    return [[(r["path"], r["symbol"]) for r in page] for page in pages]


def test_rows_that_the_last_run_did_not_write_are_removed_at_the_end(store):
    first = [row("a.py", "f"), row("a.py", "g"), row("b.py", "h")]
    write_partition(store, SYMBOL_SUMMARIES, "r", "run1", [first])
    write_partition(store, SYMBOL_SUMMARIES, "other", "run1", [first])
    write_partition(store, SYMBOL_SUMMARIES, "r", "run2", [[row("a.py", "g")]])
    assert symbols(store) == [[("a.py", "g")]]
    assert len(symbols(store, "other")[0]) == 3


def test_batches_before_a_failing_one_are_kept_and_nothing_is_removed(store):
    write_partition(store, SYMBOL_SUMMARIES, "r", "run1", [[row("old.py", "f")]])

    def batches():
        yield [row("new.py", "f")]
        yield [row("new.py", "g"), {**row("new.py", "h"), "start_line": "not a number"}]

    with pytest.raises(StoreError):
        write_partition(store, SYMBOL_SUMMARIES, "r", "run2", batches())
    assert symbols(store) == [[("new.py", "f"), ("old.py", "f")]]


def test_pages_hold_whole_paths_in_key_order_and_every_row_once(store):
    rows = [row(f"p{i // 7:02}.py", f"s{i:03}") for i in range(100)]
    write_partition(store, SYMBOL_SUMMARIES, "r", "run", in_batches(rows, 30))
    pages = symbols(store, page_rows=10)
    assert [key for page in pages for key in page] == [(r["path"], r["symbol"]) for r in rows]
    paths = [{path for path, _ in page} for page in pages]
    assert all(a.isdisjoint(b) for a, b in pairwise(paths))
    assert all(len(page) >= 10 for page in pages[:-1])


def test_an_empty_partition_has_no_pages(store):
    assert symbols(store) == []


def test_a_row_without_a_column_is_refused_because_put_would_reset_it(store):
    incomplete = row("a.py", "f")
    del incomplete["commit"]
    with pytest.raises(KeyError):
        write_partition(store, SYMBOL_SUMMARIES, "r", "run", [[incomplete]])


def test_batches_are_cut_to_size():
    rows = [{"k": i} for i in range(5)]
    assert [len(batch) for batch in in_batches(rows, 2)] == [2, 2, 1]


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "a}", "é", "a\n"])
def test_a_name_that_could_change_a_query_is_refused(name):
    with pytest.raises(ValueError, match="no relation or column name"):
        checked_name(name)
    with pytest.raises(ValueError, match="no relation or column name"):
        Relation(name, ("k",), ("v",))
