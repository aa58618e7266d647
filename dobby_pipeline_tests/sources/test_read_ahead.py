"""Reading by several processes gives what reading by one gives, whatever becomes of them."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dobby_pipeline.sources import read_ahead
from dobby_pipeline.sources.file_rows import FileRows
from dobby_pipeline.sources.git_tree import SourceError, open_repository, resolve_commit
from dobby_pipeline.sources.read_ahead import ReadAhead
from dobby_pipeline.sources.reader import GitSource
from dobby_pipeline.sources.records import FileContent, ListedFile


@dataclass(frozen=True)
class Told:
    """A source that says which process read a file, and does not survive some of them."""

    deadly: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    error: type[Exception] = SourceError
    portable: bool = True
    version: str = "1"
    content: str = "1"
    names: tuple[str, ...] = field(default_factory=lambda: tuple(f"f{n:03}.py" for n in range(60)))

    def files(self) -> Iterator[ListedFile]:
        return (ListedFile(name, f"blob of {name}", 10) for name in self.names)

    def read(self, file: ListedFile) -> FileContent:
        if file.path in self.deadly:
            os._exit(1)
        if file.path in self.broken:
            raise self.error(f"{file.path} cannot be read")
        sys.stdout.write("a library's word is no answer")
        return FileContent(language=f"process {os.getpid()}")


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "WORTH_BYTES", 1)


def contents(source: Told, processes: int) -> list[tuple[ListedFile, FileRows]]:
    with ReadAhead("r", source, processes) as reader:
        return list(reader.contents(list(source.files())))


def pids(found: list[tuple[ListedFile, FileRows]]) -> set[str]:
    return {content.language for _, content in found if content.language}


def test_a_repository_reads_the_same_by_two_processes(git_repo: Callable[..., Path]) -> None:
    code = {f"d{n % 7}/f{n}.py": f"def f{n}():\n    return {n}\n" for n in range(70)}
    repository = open_repository(git_repo({**code, "logo.png": "\0", "link.lock": "x"}))
    source = GitSource(repository, resolve_commit(repository, "HEAD"))
    files = list(source.files())
    with ReadAhead("r", source, 1) as one, ReadAhead("r", source, 2) as two:
        expected = list(one.contents(files))
        assert list(two.contents(files)) == expected
    assert sum(rows.records for _, rows in expected) == 70


def test_files_come_in_order_from_other_processes() -> None:
    found = contents(Told(), 2)
    assert [file for file, _ in found] == list(Told().files())
    assert f"process {os.getpid()}" not in pids(found)


def test_a_file_that_ends_its_process_is_unparsable_and_the_others_are_read() -> None:
    deadly = frozenset({"f005.py", "f006.py", "f059.py"})
    found = contents(Told(deadly), 2)
    assert [file for file, _ in found] == list(Told().files())
    assert {file.path for file, content in found if content.reason == "unparsable"} == deadly
    assert all(content.language for file, content in found if file.path not in deadly)


def test_a_source_that_cannot_be_read_says_so_from_another_process() -> None:
    with pytest.raises(SourceError, match="f007.py"):
        contents(Told(broken=frozenset({"f007.py"})), 2)


def test_a_defect_in_another_process_is_told_without_what_it_says() -> None:
    with pytest.raises(RuntimeError, match="KeyError while files were read") as told:
        contents(Told(broken=frozenset({"f007.py"}), error=KeyError), 2)
    assert "f007" not in str(told.value)


def test_a_source_that_cannot_travel_is_read_here() -> None:
    assert pids(contents(Told(portable=False), 2)) == {f"process {os.getpid()}"}


def test_a_few_small_files_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "WORTH_BYTES", (10 + read_ahead._FILE_BYTES) * 60 + 1)
    assert pids(contents(Told(), 2)) == {f"process {os.getpid()}"}


def test_small_files_that_come_to_many_start_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "WORTH_BYTES", (10 + read_ahead._FILE_BYTES) * 60 + 1)
    files = list(Told().files())
    with ReadAhead("r", Told(), 2) as reader:
        first, second = list(reader.contents(files)), list(reader.contents(files))
    assert pids(first) == {f"process {os.getpid()}"}
    assert f"process {os.getpid()}" not in pids(second)


def test_processes_end_with_the_reader() -> None:
    for process in pids(contents(Told(), 2)):
        with pytest.raises(ProcessLookupError):
            os.kill(int(process.removeprefix("process ")), 0)
