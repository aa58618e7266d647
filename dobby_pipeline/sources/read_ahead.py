"""Files' contents in order, read by several processes where there is much to read.

Parsing holds the interpreter's lock, so threads would bring nothing. Not here: what a file's
content gives (reader.py), nor the rows' way into the store (ingest.py).
"""

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from dobby_pipeline.sources.records import UNPARSABLE, FileContent, ListedFile, Source

PROCESSES = min(4, os.cpu_count() or 1)
"""Four readers keep up with one writer: a file takes them 4.5 ms, its rows 2 ms to write. Each has
some 80 MB."""

WORTH_BYTES = 2 * 2**20
"""Of files to be read from which on processes are started, which takes half a second."""

_FILES_A_TASK = 16

_OWN_MODULES_ONLY = {"PYTHONSAFEPATH": "1"}
"""Python looks for modules in the folder that one stands in first. That is often the repository
that is read: its `logging.py` would run in place of Python's own."""


class ReadAhead:
    """Reads one source's files. A context manager, which ends its processes."""

    def __init__(self, source: Source, processes: int = PROCESSES) -> None:
        self._source = source
        self._processes = processes if source.portable else 1
        self._executor: Any = None

    def contents(self, files: Sequence[ListedFile]) -> Iterator[tuple[ListedFile, FileContent]]:
        """Each file with its content, in order; only so many are held as are being read.

        A file that brings its process down is `unparsable`, and the others are read.

        Raises:
            SourceError: while iterating, when the source itself cannot be read.
        """
        size = sum(file.bytes for file in files if not file.reason)
        if self._processes < 2 or (self._executor is None and size < WORTH_BYTES):
            return ((file, _read(self._source, file)) for file in files)
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
    ) -> Iterator[tuple[ListedFile, FileContent]]:
        pending: deque[tuple[Sequence[ListedFile], Future[list[FileContent]]]] = deque()
        for first in range(0, len(files), _FILES_A_TASK):
            task = files[first : first + _FILES_A_TASK]
            pending.append((task, self._submit(task)))
            if len(pending) > 2 * self._processes:
                yield from self._results(*pending.popleft())
        while pending:
            yield from self._results(*pending.popleft())

    def _results(
        self, task: Sequence[ListedFile], future: Future[list[FileContent]]
    ) -> Iterator[tuple[ListedFile, FileContent]]:
        try:
            yield from zip(task, future.result(), strict=True)
        except BrokenProcessPool:
            for file in task:
                yield file, self._alone(file)

    def _alone(self, file: ListedFile) -> FileContent:
        """One of the files among which there may be one that a parser does not survive."""
        self._executor = None  # what broke serves no more, and has ended its processes
        try:
            return self._submit([file]).result()[0]
        except BrokenProcessPool:
            self._executor = None
            return FileContent(reason=UNPARSABLE)

    def _submit(self, task: Sequence[ListedFile]) -> Future[list[FileContent]]:
        if self._executor is None:
            # Unlike the standard library's, its processes do not import the main module again,
            # which for a run of Dagster takes longer than most repositories do.
            from multiprocessing import resource_tracker as standard_tracker

            from loky import ProcessPoolExecutor
            from loky.backend import resource_tracker

            with _own_modules_only():  # both start theirs, from this process' environment
                standard_tracker.ensure_running()
                resource_tracker.ensure_running()
            self._executor = ProcessPoolExecutor(self._processes, env=_OWN_MODULES_ONLY)
        return self._executor.submit(_read_all, self._source, task)


@contextmanager
def _own_modules_only() -> Generator[None]:
    """The same for a process that takes its environment from this one."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ.update(_OWN_MODULES_ONLY)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def _read_all(source: Source, files: Sequence[ListedFile]) -> list[FileContent]:
    return [_read(source, file) for file in files]


def _read(source: Source, file: ListedFile) -> FileContent:
    return FileContent(reason=file.reason) if file.reason else source.read(file)
