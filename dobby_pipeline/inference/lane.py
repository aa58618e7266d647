"""A second thread that computes with MLX on the CPU, one piece of work at a time.

Not here: what it computes (reading.py).
"""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from dobby_pipeline.inference.device import import_mlx, leave_thread

T = TypeVar("T")


class Lane(Generic[T]):
    """Works on what it is given beside the thread that gives it.

    Attributes:
        is_busy: from `give` until `done` has given it back.
    """

    def __init__(self, work: Callable[[T], None]) -> None:
        self.is_busy = False
        self._work = work
        self._given: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[T | BaseException] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="dobby-mlx-lane", daemon=True)

    def give(self, item: T) -> None:
        """Have it work on this; it must not be busy."""
        if self._thread.ident is None:
            self._thread.start()
        self.is_busy = True
        self._given.put(item)

    def done(self, *, wait: bool) -> T | None:
        """What it was given, once that is done; None before, and when there is nothing.

        Raises:
            What the work raised.
        """
        try:
            done = self._done.get(block=wait and self.is_busy)
        except queue.Empty:
            return None
        self.is_busy = False
        if isinstance(done, BaseException):
            raise done
        return done

    def close(self) -> None:
        """Wait until it is idle, and end the thread."""
        if self._thread.ident is not None:
            self._given.put(None)
            self._thread.join()

    def _run(self) -> None:
        mx = import_mlx()
        mx.set_default_device(mx.cpu)
        while (item := self._given.get()) is not None:
            try:
                self._work(item)
            except BaseException as error:  # noqa: BLE001 -- raised where it is waited for
                self._done.put(error)
            else:
                self._done.put(item)
        leave_thread()
