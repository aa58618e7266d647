"""What an ingest costs does not grow with what is there already, nor its memory with the source."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dobby_pipeline.cozo.partition import write_partition
from dobby_pipeline.cozo.store import CozoStore, HeldStore
from dobby_pipeline.schema.relations import SOURCE_RECORDS
from dobby_pipeline.sources import ingest, meanings, resolve
from dobby_pipeline.sources.ingest import Ingest
from dobby_pipeline.sources.reader import content_of
from dobby_pipeline.sources.records import FileContent, ListedFile


@dataclass(frozen=True)
class ManyFiles:
    """So many small files, made when they are asked for: nothing of them is held.

    Attributes:
        edited: the number of one whose code is another one.
    """

    count: int
    edited: int = -1
    portable = True

    @property
    def version(self) -> str:
        return f"v{self.count}.{self.edited}"

    content = version

    def files(self) -> Iterator[ListedFile]:
        for number in range(self.count):
            text = self._text(number)
            yield ListedFile(f"f{number:06}.py", hashlib.sha1(text.encode()).hexdigest(), len(text))

    def read(self, file: ListedFile) -> FileContent:
        return content_of(file.path, self._text(int(file.path[1:7])).encode())

    def _text(self, number: int) -> str:
        added = "\n\ndef added():\n    return 1\n" if number == self.edited else ""
        return f"def f{number}(x):\n    return f{(number * 7) % self.count}(x)\n{added}"


def put(store: CozoStore, repo: str, source: ManyFiles, run: str) -> Ingest:
    work = Ingest(store, repo, run, source, lambda _: None)
    batches = work.batches()
    write_partition(store, SOURCE_RECORDS, repo, run, batches, whole=batches.whole)
    batches.finish()
    return work


def test_one_changed_file_costs_the_same_operations_and_rows_in_a_larger_repository(
    store, monkeypatch
):
    operations, read = [], []
    open_, rows_ = CozoStore._open, HeldStore.rows

    def opening(self, name):
        operations.append(name)
        return open_(self, name)

    def reading(self, name, *args, **kwargs):
        rows = rows_(self, name, *args, **kwargs)
        if name != "read source_files":  # each listed file is compared with what is stored of it
            read.append(len(rows))
        return rows

    costs = []
    for repo, count in (("small", 20), ("large", 400)):
        put(store, repo, ManyFiles(count), "first")
        with monkeypatch.context() as patch:
            patch.setattr(CozoStore, "_open", opening)
            patch.setattr(HeldStore, "rows", reading)
            work = put(store, repo, ManyFiles(count, edited=3), "second")
        assert (work.tally.read, work.tally.unchanged) == (1, count - 1)
        costs.append((len(operations), sum(read)))
        operations.clear()
        read.clear()
    assert costs[0] == costs[1]
    assert costs[0][0] <= 10


@pytest.mark.parametrize("kind", ["first", "nothing but one file"])
def test_an_ingest_of_four_times_the_files_takes_no_more_memory(store, monkeypatch, kind):
    monkeypatch.setattr(ingest, "FILES_A_LOOK", 200)
    monkeypatch.setattr(ingest, "RECORDS_A_CHANGE", 200)
    monkeypatch.setattr(resolve, "PAGE_ROWS", 200)
    monkeypatch.setattr(meanings, "MAX_TARGETS", 200)
    monkeypatch.setattr(meanings, "MAX_SEEN", 200)
    put(store, "warm", ManyFiles(400), "first")  # grammars and caches
    peaks = []
    for repo, count in (("small", 800), ("large", 3200)):
        if kind != "first":
            put(store, repo, ManyFiles(count), "first")
        tracemalloc.start()
        put(store, repo, ManyFiles(count, edited=3), "second")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_many_changed_files_are_not_all_remembered(store, monkeypatch):
    monkeypatch.setattr(resolve, "MAX_PATHS", 5)
    put(store, "r", ManyFiles(20), "first")
    work = put(store, "r", ManyFiles(21), "second")  # each file calls another one
    assert (work.tally.read, work._changed) == (18, None)
    put(store, "fresh", ManyFiles(21), "first")
    edges = "?[path, to_path] := *dependencies{repo: $repo, path, to_path}"
    found = [store.run("edges", edges, {"repo": repo}) for repo in ("r", "fresh")]
    assert found[0] == found[1] != []
