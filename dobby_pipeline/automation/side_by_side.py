"""Many looks at things that may hang, several at a time, within a budget of seconds.

Not here: what is looked at, and Dagster.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Look(Generic[T]):
    """One look that ended, or did not.

    Attributes:
        result: what it gave; None when it did not end.
        error: what it raised; None when it ended well, or not at all.
        ended: False for one that was still under way when the budget and the grace were spent.
    """

    name: str
    result: T | None = None
    error: Exception | None = None
    ended: bool = True


class Lane(Generic[T]):
    """Names in their order, looked at by a few threads of their own.

    Threads are daemons, since one that hangs in a dead network file system can be neither
    stopped nor waited for; it only keeps its own lane from ending in time.
    """

    def __init__(self, names: Iterable[str], look: Callable[[str], T], threads: int) -> None:
        self._names = iter(names)
        self._look = look
        self._lock = threading.Lock()
        self._open = True
        self._under_way: set[str] = set()
        self._done: queue.SimpleQueue[Look[T] | None] = queue.SimpleQueue()
        self._threads = threads
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()

    def looks(self, deadline: float, grace_s: float) -> Iterator[Look[T]]:
        """Each look as it ends, until all have, or until `grace_s` after the deadline.

        Args:
            deadline: of `time.monotonic()`; no look is begun after it.
            grace_s: how long those under way are then waited for; what has not ended is told
                as such.
        """
        running = self._threads
        while running:
            now = time.monotonic()
            if now >= deadline:
                self._open = False
            try:
                end = deadline if now < deadline else deadline + grace_s
                done = self._done.get(timeout=max(0.0, end - now))
            except queue.Empty:
                if now < deadline:
                    continue
                break
            if done is None:
                running -= 1
            else:
                yield done
        with self._lock:
            hanging = sorted(self._under_way)
        yield from (Look(name, ended=False) for name in hanging)

    def _work(self) -> None:
        while (name := self._take()) is not None:
            try:
                done = Look(name, self._look(name))
            except Exception as error:  # noqa: BLE001 -- handed to the one who asked
                done = Look[T](name, error=error)
            with self._lock:
                self._under_way.discard(name)
            self._done.put(done)
        self._done.put(None)

    def _take(self) -> str | None:
        with self._lock:
            name = next(self._names, None) if self._open else None
            if name is not None:
                self._under_way.add(name)
            return name
