"""The embedded database, kept open for a moment after an operation for this process's next one.

To open it takes some 11 ms, as long as a small operation; a run has a hundred of those. So it is
closed when nothing came for LINGER_S, or after TURN_S in any case: the other processes, which
wait with a back-off, have their turn then.

Not here: opening, and what an operation is (store.py).
"""

import atexit
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

LINGER_S = 0.05
"""How long the next operation is waited for. Between a check and the next one Dagster writes
events for 20 to 30 ms."""

TURN_S = 0.25
"""How long one process keeps the database before it lets others in."""


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
    until: float


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
        """Close the database soon, unless it is taken before."""
        now = time.monotonic()
        until = min(now + LINGER_S, since + TURN_S)
        if until <= now:
            connection.close()
            return
        with self._changed:
            self._kept[path.absolute()] = _Kept(connection, since, until)
            if self._closer is None or not self._closer.is_alive():
                self._closer = threading.Thread(target=self._close_in_time, daemon=True)
                self._closer.start()
            self._changed.notify()

    def close_all(self) -> None:
        """Let go of all now."""
        self._close(math.inf)

    def _close_in_time(self) -> None:
        while True:
            with self._changed:
                ends = [kept.until for kept in self._kept.values()]
                self._changed.wait(max(0.0, min(ends) - time.monotonic()) if ends else None)
            self._close(time.monotonic())

    def _close(self, now: float) -> None:
        with self._changed:
            over = [path for path, kept in self._kept.items() if kept.until <= now]
            closed = [self._kept.pop(path) for path in over]
        for kept in closed:
            kept.connection.close()


KEPT_OPEN = KeptOpen()
atexit.register(KEPT_OPEN.close_all)
