"""Files' rows in order, read by several processes where there is much to read.

Parsing holds the interpreter's lock, so threads would bring nothing. Not here: what a file's
content gives (reader.py, file_rows.py), nor the rows' way into the store (ingest.py).
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self

from dobby_pipeline.sources.file_rows import FileRows, file_rows
from dobby_pipeline.sources.records import UNPARSABLE, FileContent, ListedFile, Source

PROCESSES = min(4, os.cpu_count() or 1)
"""Four readers keep up with one writer: a file takes them 4.5 ms, its rows 2 ms to write. Each has
some 80 MB."""

WORTH_BYTES = 2 * 2**20
"""Of files to be read from which on processes are started, which takes half a second."""

_FILES_A_TASK = 16


class ReadAhead:
    """Reads one source's files. A context manager, which ends its processes."""

    def __init__(self, repo: str, source: Source, processes: int = PROCESSES) -> None:
        self._repo = repo
        self._source = source
        self._processes = processes if source.portable else 1
        self._executor: Any = None

    def contents(self, files: Sequence[ListedFile]) -> Iterator[tuple[ListedFile, FileRows]]:
        """Each file with its rows, in order; only so many are held as are being read.

        A file that brings its process down is `unparsable`, and the others are read.

        Raises:
            SourceError: while iterating, when the source itself cannot be read.
        """
        size = sum(file.bytes for file in files if not file.reason)
        if self._processes < 2 or (self._executor is None and size < WORTH_BYTES):
            return ((file, _read(self._repo, self._source, file)) for file in files)
        return self._side_by_side(files)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)

    def _side_by_side(
        self, files: Sequence[ListedFile]
    ) -> Iterator[tuple[ListedFile, FileRows]]:
        pending: deque[tuple[Sequence[ListedFile], Future[list[FileRows]]]] = deque()
        for first in range(0, len(files), _FILES_A_TASK):
            task = files[first : first + _FILES_A_TASK]
            pending.append((task, self._submit(task)))
            if len(pending) > 2 * self._processes:
                yield from self._results(*pending.popleft())
        while pending:
            yield from self._results(*pending.popleft())

    def _results(
        self, task: Sequence[ListedFile], future: Future[list[FileRows]]
    ) -> Iterator[tuple[ListedFile, FileRows]]:
        try:
            yield from zip(task, future.result(), strict=True)
        except BrokenProcessPool:
            for file in task:
                yield file, self._alone(file)

    def _alone(self, file: ListedFile) -> FileRows:
        """One of the files among which there may be one that a parser does not survive."""
        self._executor = None  # what broke serves no more, and has ended its processes
        try:
            return self._submit([file]).result()[0]
        except BrokenProcessPool:
            self._executor = None
            return file_rows(self._repo, file, FileContent(reason=UNPARSABLE))

    def _submit(self, task: Sequence[ListedFile]) -> Future[list[FileRows]]:
        if self._executor is None:
            # Unlike the standard library's, its processes do not import the main module again,
            # which for a run of Dagster takes longer than most repositories do.
            from loky import ProcessPoolExecutor

            self._executor = ProcessPoolExecutor(self._processes)
        return self._executor.submit(_read_all, self._repo, self._source, task)


def _read_all(repo: str, source: Source, files: Sequence[ListedFile]) -> list[FileRows]:
    return [_read(repo, source, file) for file in files]


def _read(repo: str, source: Source, file: ListedFile) -> FileRows:
    content = FileContent(reason=file.reason) if file.reason else source.read(file)
    return file_rows(repo, file, content)
