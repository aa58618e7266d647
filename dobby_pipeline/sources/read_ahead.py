"""Files' rows in order, read by several processes where there is much to read.

Parsing holds the interpreter's lock, so threads would bring nothing. Not here: the processes
(read_process.py), what a file's content gives (reader.py, file_rows.py), nor the rows' way into
the store (ingest.py).
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Self

from dobby_pipeline.sources.file_rows import FileRows, file_rows
from dobby_pipeline.sources.read_process import (
    ReaderDiedError,
    ReadProcess,
    ReadProcesses,
    read_rows,
)
from dobby_pipeline.sources.records import UNPARSABLE, FileContent, ListedFile, Source

PROCESSES = min(4, os.cpu_count() or 1)
"""Four readers keep up with one writer: a file takes them 2.2 ms, its rows 0.7 ms to write. Each
has some 70 MB."""

WORTH_BYTES = 2 * 2**20
"""Of files asked for until now from which on processes are started, which takes a quarter of a
second."""

_FILE_BYTES = 700
"""What a file takes to read beside its bytes, 0.2 ms."""

_FILES_A_TASK = 16

_TASKS_AHEAD = 4
"""For each process, waiting or read: 1 MB of rows. While one batch of rows is written others are
read, and with two tasks the readers ran out of them."""


class ReadAhead:
    """Reads one source's files. A context manager, which ends its processes."""

    def __init__(self, repo: str, source: Source, processes: int = PROCESSES) -> None:
        self._repo = repo
        self._source = source
        self._count = processes if source.portable else 1
        self._threads: ThreadPoolExecutor | None = None
        self._idle: SimpleQueue[ReadProcess] = SimpleQueue()
        self._started: list[ReadProcesses] = []
        self._has_ended = False
        self._asked = 0
        self._starting = Lock()

    def contents(self, files: Sequence[ListedFile]) -> Iterator[tuple[ListedFile, FileRows]]:
        """Each file with its rows, in order; only so many are held as are being read.

        A file that brings its process down is `unparsable`, and the others are read.

        Raises:
            SourceError: while iterating, when the source itself cannot be read.
        """
        self._asked += sum(_FILE_BYTES + file.bytes for file in files if not file.reason)
        if self._count < 2 or (self._threads is None and self._asked < WORTH_BYTES):
            return ((file, read_rows(self._repo, self._source, file)) for file in files)
        return self._side_by_side(files)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._threads is None:
            return
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._starting:
            self._has_ended = True
            for processes in self._started:
                processes.end()
        self._threads.shutdown()

    def _side_by_side(self, files: Sequence[ListedFile]) -> Iterator[tuple[ListedFile, FileRows]]:
        # A thread waits for a process.
        threads = self._threads = self._threads or ThreadPoolExecutor(self._count)
        pending: deque[tuple[Sequence[ListedFile], Future[list[FileRows]]]] = deque()
        for first in range(0, len(files), _FILES_A_TASK):
            task = files[first : first + _FILES_A_TASK]
            pending.append((task, threads.submit(self._read, task)))
            if len(pending) > _TASKS_AHEAD * self._count:
                yield from _results(*pending.popleft())
        while pending:
            yield from _results(*pending.popleft())

    def _read(self, task: Sequence[ListedFile]) -> list[FileRows]:
        """The files' rows, by a process; one alone that brings its process down is unparsable."""
        process = self._process()
        try:
            found = process.read(self._repo, self._source, task)
        except ReaderDiedError:
            if len(task) > 1:
                return [rows for file in task for rows in self._read([file])]
            return [file_rows(self._repo, task[0], FileContent(reason=UNPARSABLE))]
        self._idle.put(process)
        return found

    def _process(self) -> ReadProcess:
        with suppress(Empty):
            return self._idle.get_nowait()
        with self._starting:
            with suppress(Empty):  # another thread has just started them
                return self._idle.get_nowait()
            if self._has_ended:
                raise CancelledError
            # Later ones stand in for one that died.
            self._started.append(ReadProcesses(1 if self._started else self._count))
            first, *others = self._started[-1].readers
            for process in others:
                self._idle.put(process)
            return first


def _results(
    task: Sequence[ListedFile], future: Future[list[FileRows]]
) -> Iterator[tuple[ListedFile, FileRows]]:
    return zip(task, future.result(), strict=True)
