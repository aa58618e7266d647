"""The embedded database, kept open after an operation for this process's next one.

To open it takes some 11 ms, as long as a small operation, and 30 and more where much was written;
a run has a hundred operations. So it is kept until another process waits for it, which that one
tells by a lock on the folder, or until nothing came for IDLE_S.

Not here: opening, and what an operation is (store.py).
"""

import atexit
import fcntl
import os
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

IDLE_S = 2.0
"""How long the next operation is waited for while nobody else waits: an ingest commits each second
or so."""

LINGER_S = 0.05
"""How long it is waited for while others wait. Between a check and the next one Dagster writes
events for 20 to 30 ms."""

TURN_S = 0.25
"""How long one process keeps the database while others wait, and at most leaves it to them then."""

KEEP_S = 5.0
"""How long one process keeps the database while nobody seems to wait: other programs know nothing
of the lock."""

_LOOK_S = 0.02
"""How often it is looked whether others wait, which takes some 10 us."""

_STEP_S = 0.005
"""How often it is looked whether those who waited have had their turn."""


class Connection(Protocol):
    """What an open database can do."""

    def run(self, script: str, params: Mapping[str, Any], immutable: bool) -> Any:
        """Run one script, one transaction; returns `headers` and `rows`."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


@dataclass(frozen=True)
class _Kept:
    connection: Connection
    since: float
    used: float


class KeptOpen:
    """The databases that this process keeps open, by folder. Each is one owner's at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._kept: dict[Path, _Kept] = {}
        self._closer: threading.Thread | None = None

    def take(self, path: Path) -> tuple[Connection, float] | None:
        """The open database at a path and since when it is open (monotonic clock), if it is kept.

        It is the caller's now, to keep again or to close.
        """
        with self._changed:
            kept = self._kept.pop(path.absolute(), None)
        return (kept.connection, kept.since) if kept else None

    def keep(self, path: Path, connection: Connection, since: float) -> None:
        """Close the database once it is wanted or idle, unless it is taken before.

        If it is to be closed now, those who wait have it before this one can go on: it would open
        it again while they sleep.
        """
        kept = _Kept(connection, since, time.monotonic())
        if _is_over(path, kept):
            connection.close()
            end = time.monotonic() + TURN_S
            while _is_wanted(path) and time.monotonic() < end:
                time.sleep(_STEP_S)
            return
        with self._changed:
            self._kept[path.absolute()] = kept
            if self._closer is None or not self._closer.is_alive():
                self._closer = threading.Thread(target=self._close_in_time, daemon=True)
                self._closer.start()
            self._changed.notify()

    def close_all(self) -> None:
        """Let go of all now."""
        with self._changed:
            closed = list(self._kept.values())
            self._kept.clear()
        for kept in closed:
            kept.connection.close()

    def _close_in_time(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(_LOOK_S if self._kept else None)
                over = [path for path, kept in self._kept.items() if _is_over(path, kept)]
                closed = [self._kept.pop(path) for path in over]
            for kept in closed:
                kept.connection.close()


@contextmanager
def wanting(path: Path) -> Generator[None]:
    """Tell the process that keeps the database open that this one waits for it.

    Raises:
        OSError: when the folder cannot be opened.
    """
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_SH)
        yield
    finally:
        os.close(folder)


def _is_over(path: Path, kept: _Kept) -> bool:
    now = time.monotonic()
    if now - kept.used >= IDLE_S or now - kept.since >= KEEP_S:
        return True
    return now >= min(kept.used + LINGER_S, kept.since + TURN_S) and _is_wanted(path)


def _is_wanted(path: Path) -> bool:
    """Whether others wait, or it cannot be told: the folder is gone, too many files are open."""
    try:
        folder = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(folder)
    except OSError:
        return True
    return False


KEPT_OPEN = KeptOpen()
atexit.register(KEPT_OPEN.close_all)
