"""How many threads OpenBLAS spreads a product over: tried out again and again while it runs.

Not here: loading it (blas.py).
"""

import time
from typing import Any

from dobby_pipeline.inference.blas import available_cores, openblas, use_fast_blas
from dobby_pipeline.inference.device import import_mlx

EVERY_S = 4.0
"""Between two trials. One takes 40 ms on two cores, so 1 % of the time."""

MUCH_FASTER = 1.5
"""Times that fewer threads must be faster: on an idle machine a trial is off by a third now and
then, and a wrong choice costs half the speed until the next one."""

_ROWS, _INNER, _COLUMNS = 256, 576, 1536
"""A product as prefill makes them by the hundred: 2 ms on two cores."""

_PRODUCTS = 5


class BlasThreads:
    """Keeps OpenBLAS at the number of threads that is fastest just now.

    Its threads wait for each other by spinning. With a core to each thread two cores gave 194
    GFLOP/s where one gave 120; with one other busy process on them they gave 10 to 40, and a
    prompt that took 1.1 s on one thread took 8.6 s on two. So neither is right for good.
    """

    def __init__(self) -> None:
        mx = import_mlx()
        cores = available_cores()
        self._adjustable = use_fast_blas().name == "OpenBLAS" and cores > 1
        self._choices = sorted({cores, max(1, cores // 2), 1}, reverse=True)
        self._left: Any = mx.random.normal((_ROWS, _INNER))
        self._right: Any = mx.random.normal((_INNER, _COLUMNS))
        mx.eval(self._left, self._right)
        self._next = 0.0

    def adjust(self) -> None:
        """Try the choices if it is time to, and keep the fastest."""
        if self._adjustable and time.monotonic() >= self._next:
            seconds = {threads: self._seconds(threads) for threads in self._choices}
            most = self._choices[0]
            best = min(self._choices, key=seconds.__getitem__)
            _set_threads(best if MUCH_FASTER * seconds[best] < seconds[most] else most)
            self._next = time.monotonic() + EVERY_S

    def _seconds(self, threads: int) -> float:
        mx = import_mlx()
        _set_threads(threads)
        mx.eval(self._left @ self._right)  # wakes the threads
        started = time.perf_counter()
        for _ in range(_PRODUCTS):
            mx.eval(self._left @ self._right)
        return time.perf_counter() - started


def _set_threads(threads: int) -> None:
    openblas().scipy_openblas_set_num_threads(threads)
