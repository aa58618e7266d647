"""Processes that read files for another one, asked and answering over sockets.

Not here: which files, and how many processes (read_ahead.py). Neither of the libraries' pools: the
standard one imports the main module again, which for a run of Dagster takes longer than most
repositories do; loky's imports took as long as a fifth of the reading.
"""

import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import IO, NoReturn, cast

from dobby_pipeline.sources.file_rows import FileRows, file_rows
from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.records import FileContent, ListedFile, Source

_OWN_MODULES_ONLY = "-P"
"""Python looks for modules in the folder that one stands in first. That is often the repository
that is read: its `logging.py` would run in place of Python's own."""

_STANDARD_ERROR = 2

_PROGRAM = """
import pickle, sys
sys.path = pickle.load(sys.stdin.buffer)
from dobby_pipeline.sources.read_process import serve
serve([int(descriptor) for descriptor in sys.argv[1:]])
"""

_READING = "dobby_pipeline.sources.reader"
"""What a reader needs for any file of a repository."""

GARBAGE = 100_000
"""Objects after which garbage is looked for: 900 files left 26 in all, and looking as often as
Python does took 2 to 4 % of the reading."""


class ReaderDiedError(Exception):
    """The process ended before it answered, as a grammar may have it do."""


class ReadProcesses:
    """Several of them, forked from one that has imported what they need and waits for their end.

    Imports take as long as reading seventy files.

    Attributes:
        readers: each to be asked by one thread at a time.
    """

    def __init__(self, count: int) -> None:
        pairs = [socket.socketpair() for _ in range(count)]
        descriptors = [theirs.fileno() for _, theirs in pairs]
        # A session of its own: an interrupt is for the one that asked, which then ends this.
        self._parent = subprocess.Popen(
            [sys.executable, _OWN_MODULES_ONLY, "-c", _PROGRAM, *map(str, descriptors)],
            stdin=subprocess.PIPE,
            stdout=_STANDARD_ERROR,  # what a library prints is no answer
            pass_fds=descriptors,
            start_new_session=True,
        )
        self.readers: list[ReadProcess] = []
        for ours, theirs in pairs:
            theirs.close()
            self.readers.append(ReadProcess(ours))
        with suppress(OSError):  # if it has died so have the readers, which those who ask are told
            pickle.dump(sys.path, self._requests)
            self._requests.flush()

    @property
    def _requests(self) -> IO[bytes]:
        return cast("IO[bytes]", self._parent.stdin)

    def end(self) -> None:
        """End the processes, whatever they are doing; who waits for one is told that it died."""
        with suppress(OSError):  # what was not yet sent cannot be
            self._requests.close()
        self._parent.wait()
        for reader in self.readers:
            reader.close()


class ReadProcess:
    """The asking side of one process."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rwb")
        connection.close()  # the stream keeps it open

    def read(self, repo: str, source: Source, files: Sequence[ListedFile]) -> list[FileRows]:
        """The files' rows, in order.

        Raises:
            ReaderDiedError: when the process does not survive it; then it is of no more use.
            SourceError: when the source itself cannot be read.
            RuntimeError: for any other error there.
        """
        try:
            pickle.dump((repo, source, files), self._stream, pickle.HIGHEST_PROTOCOL)
            self._stream.flush()
            answer = pickle.load(self._stream)  # noqa: S301 - our own
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise ReaderDiedError from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(OSError):  # what was not yet sent cannot be
            self._stream.close()


def serve(descriptors: list[int]) -> None:
    """Fork a reader for each socket; end them when the one that started this closes its input."""
    import_module(_READING)
    gc.freeze()
    gc.set_threshold(GARBAGE)
    readers: list[int] = []
    while descriptors:
        descriptor = descriptors.pop()
        reader = os.fork()
        if not reader:
            os.setsid()  # Linux shares a busy processor among sessions: one share for each
            # Kept open by another one, the end of a socket would not be noticed.
            for other in descriptors:
                os.close(other)
            _serve(descriptor)
        os.close(descriptor)
        readers.append(reader)
    sys.stdin.buffer.read()
    for reader in readers:
        os.kill(reader, signal.SIGKILL)
        os.waitpid(reader, 0)


def _serve(descriptor: int) -> NoReturn:
    """Answer requests until there are no more, or nobody to hear the answer."""
    try:
        with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as stream:
            while True:
                answer = _answer(*pickle.load(stream))  # noqa: S301 - our own
                pickle.dump(answer, stream, pickle.HIGHEST_PROTOCOL)
                stream.flush()
    except (EOFError, OSError):
        os._exit(0)


def _answer(repo: str, source: Source, files: Sequence[ListedFile]) -> list[FileRows] | Exception:
    try:
        return [read_rows(repo, source, file) for file in files]
    except SourceError as error:
        return error
    except Exception as error:  # noqa: BLE001 - raised where it was asked
        # Any error can be sent as text; its own might hold some of the file's.
        where = "".join(traceback.format_tb(error.__traceback__))
        return RuntimeError(f"{type(error).__name__} while files were read\n{where}")


def read_rows(repo: str, source: Source, file: ListedFile) -> FileRows:
    """One file's rows."""
    content = FileContent(reason=file.reason) if file.reason else source.read(file)
    return file_rows(repo, file, content)
