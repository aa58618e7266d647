"""The embedded database, kept open for a moment after an operation for this process's next one.

To open it takes some 11 ms, as long as a small operation; a run has a hundred of those. So it is
closed when nothing came for LINGER_S, or after TURN_S in any case: the other processes, which
wait with a back-off, have their turn then.

Not here: opening, and what an operation is (store.py).
"""

import atexit
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass
class _Kept:
    connection: Connection
    since: float
    timer: threading.Timer = field(init=False)


class KeptOpen:
    """The databases that this process keeps open, by folder. Each is one owner's at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Path, _Kept] = {}

    def take(self, path: Path) -> tuple[Connection, float] | None:
        """The open database at a path and since when it is open (monotonic clock), if it is kept.

        It is the caller's now, to keep again or to close.
        """
        with self._lock:
            kept = self._kept.pop(path.absolute(), None)
        if kept is None:
            return None
        kept.timer.cancel()
        return kept.connection, kept.since

    def keep(self, path: Path, connection: Connection, since: float) -> None:
        """Close the database soon, unless it is taken before."""
        left = min(LINGER_S, since + TURN_S - time.monotonic())
        if left <= 0:
            connection.close()
            return
        kept = _Kept(connection, since)
        kept.timer = threading.Timer(left, self._close, (path.absolute(), kept))
        kept.timer.daemon = True
        with self._lock:
            self._kept[path.absolute()] = kept
        kept.timer.start()

    def close_all(self) -> None:
        """Let go of all now."""
        with self._lock:
            kept = list(self._kept.items())
        for path, each in kept:
            self._close(path, each)

    def _close(self, path: Path, kept: _Kept) -> None:
        with self._lock:
            if self._kept.get(path) is not kept:
                return
            del self._kept[path]
        kept.connection.close()


KEPT_OPEN = KeptOpen()
atexit.register(KEPT_OPEN.close_all)
