"""The metrics of a run over time: sampled, shown to Prometheus, and told in a few words.

Not here: the metrics (metrics.py), the buffer (series.py), Prometheus's text (exposition.py).
"""

import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from dobby_pipeline.inference.exposition import serve_text, write_text
from dobby_pipeline.inference.metrics import PoolMetrics, Reading, live, total
from dobby_pipeline.inference.series import Rate, Sample, Series

SAMPLE_EVERY_S = 0.25
"""Between two samples, at first; one takes 0.5 ms. Short runs are to have a picture too."""

WRITE_EVERY_S = 10.0
"""Between two writes of the file. Prometheus asks every 15 to 60 s."""

PULSE_S = 10.0
"""The progress line's tokens a second are over so long: a step of all sessions takes up to 1 s."""

_running: list["Recorder"] = []


class Recorder:
    """Watches all pools that this process makes from now on, in a thread of its own."""

    def __init__(
        self, folder: Path | None = None, port: int = 0, kept: Iterable[PoolMetrics] = ()
    ) -> None:
        """Make a recorder that has not started.

        Args:
            folder: for the text that Prometheus reads; None for none.
            port: on this machine, for the same text; 0 for none.
            kept: of pools that earlier runs in this process have left to this one.
        """
        self.series = Series(SAMPLE_EVERY_S)
        self._folder, self._port = folder, port
        self._pools: dict[PoolMetrics, None] = dict.fromkeys(kept)
        # Other pools of earlier runs in this process are not this run's.
        self._after = max((pool.number for pool in live()), default=0)
        self._started = self._written = 0.0
        self._unserve: Callable[[], None] | None = None
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run,),
            name="dobby-recorder",
            daemon=True,
        )

    def start(self) -> Self:
        """Watch from now on; once."""
        self._started = time.monotonic()
        self._sample()
        if self._port:
            self._unserve = serve_text(self._port, self.pools)
        self._thread.start()
        _running.append(self)
        return self

    def stop(self) -> None:
        """Take the last sample and write the last figures; once."""
        if self in _running:
            _running.remove(self)
        self._ended.set()
        self._thread.join()
        self._sample()
        self._write()
        if self._unserve:
            self._unserve()

    def pools(self) -> Sequence[PoolMetrics]:
        """The metrics of all pools that were there since the start, closed ones too."""
        with self._lock:
            for pool in live():
                if pool.number > self._after:
                    self._pools.setdefault(pool)
            return list(self._pools)

    def reading(self) -> Reading:
        """The pools' figures now."""
        return total(list(self.pools()))

    def rates(self) -> list[Rate]:
        """The run until now."""
        self._sample()
        with self._lock:
            return self.series.rates()

    def lines(self) -> Mapping[str, Sequence[tuple[float, float]]]:
        """What a chart of the run shows: by title, (minutes, value)."""
        rates = self.rates()
        shown = {
            "tokens written a second": [(r.at / 60, r.tokens_a_second) for r in rates],
            "records a minute": [(r.at / 60, r.requests_a_minute) for r in rates],
            "sessions busy": [(r.at / 60, r.busy) for r in rates],
            "device memory (MB)": [(r.at / 60, r.memory / 1e6) for r in rates],
        }
        # Of servers there is no memory to be known.
        return {title: line for title, line in shown.items() if any(value for _, value in line)}

    def pulse(self) -> str:
        """Sessions busy and tokens a second, as one would say it; empty before anything runs."""
        now = self.reading()
        if not now.sessions:
            return ""
        at = time.monotonic() - self._started
        with self._lock:
            known = self.series.samples
            past = next((s for s in reversed(known) if at - s.at >= PULSE_S), known[0])
        seconds = max(at - past.at, 1e-3)
        rate = (now.output_tokens - past.tokens) / seconds
        return f"{now.sessions_busy} of {now.sessions} sessions, {rate:.0f} tokens/s"

    def _run(self) -> None:
        while not self._ended.wait(self.series.every_s):
            self._sample()
            if time.monotonic() - self._written >= WRITE_EVERY_S:
                self._write()

    def _sample(self) -> None:
        with self._lock:
            now = self.reading()
            at = time.monotonic() - self._started
            self.series.add(
                Sample(at, now.requests, now.output_tokens, now.memory_bytes, now.sessions_busy)
            )

    def _write(self) -> None:
        self._written = time.monotonic()
        if self._folder:
            write_text(self._folder, self.pools)


def pulse() -> str:
    """What the run that is recorded in this process is at; empty where there is none."""
    return _running[-1].pulse() if _running else ""
