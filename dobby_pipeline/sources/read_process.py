"""A process that reads files for another one, asked and answering over pipes.

Not here: which files, and how many processes (read_ahead.py). Neither of the libraries' pools: the
standard one imports the main module again, which for a run of Dagster takes longer than most
repositories do; loky's imports took as long as a fifth of the reading.
"""

import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, cast

from dobby_pipeline.sources.file_rows import FileRows, file_rows
from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.records import FileContent, ListedFile, Source

_OWN_MODULES_ONLY = "-P"
"""Python looks for modules in the folder that one stands in first. That is often the repository
that is read: its `logging.py` would run in place of Python's own."""

_PROGRAM = """
import pickle, sys
sys.path = pickle.load(sys.stdin.buffer)
from dobby_pipeline.sources.read_process import serve
serve()
"""


class ReaderDiedError(Exception):
    """The process ended before it answered, as a grammar may have it do."""


class ReadProcess:
    """The asking side; used by one thread at a time."""

    def __init__(self) -> None:
        # A session of its own: an interrupt is for the one that asked, which then ends this.
        self._process = subprocess.Popen(
            [sys.executable, _OWN_MODULES_ONLY, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._is_ready = False

    def read(self, repo: str, source: Source, files: Sequence[ListedFile]) -> list[FileRows]:
        """The files' rows, in order.

        Raises:
            ReaderDiedError: when the process does not survive it; then it is of no more use.
            SourceError: when the source itself cannot be read.
            RuntimeError: for any other error there.
        """
        requests = cast("IO[bytes]", self._process.stdin)
        try:
            if not self._is_ready:
                pickle.dump(sys.path, requests)
                self._is_ready = True
            pickle.dump((repo, source, files), requests, pickle.HIGHEST_PROTOCOL)
            requests.flush()
            answer = pickle.load(cast("IO[bytes]", self._process.stdout))  # noqa: S301 - our own
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise ReaderDiedError from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        """End the process, whatever it is doing; who waits for it is told that it died."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was not yet sent cannot be
                cast("IO[bytes]", pipe).close()


def serve() -> None:
    """Answer requests until there are no more, or nobody to hear the answer."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        while True:
            pickle.dump(_answer(*pickle.load(sys.stdin.buffer)), answers, pickle.HIGHEST_PROTOCOL)  # noqa: S301
            answers.flush()
    except (EOFError, BrokenPipeError):
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
