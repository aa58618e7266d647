"""What a pool does, as counters, gauges and histograms: one object that all who look on read.

The pool's statistics, Dagster's metadata, the progress line and Prometheus's text come from it.
Not here: sampling it over time (recorder.py), showing it to Prometheus (exposition.py).

The instruments are prometheus_client's. One update takes 0.6 to 2 µs, all of a step 12; the
shortest step that was seen, of a small model on a GPU, takes 6,000.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import count
from threading import Lock
from weakref import WeakSet

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

_LABELS = ("model", "pool")
_NUMBERS = count(1)

_STEP_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 60.0)
"""Seconds. A step takes 6 ms on an H200 and 330 with 40 sessions on two cores."""

_REQUEST_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
"""Seconds, of a summary from its session until its last token."""

_OF_THE_PROCESS = ("dobby_device_memory_bytes", "dobby_device_memory_peak_bytes")

_live: "WeakSet[PoolMetrics]" = WeakSet()
_live_lock = Lock()

# A start time for each sample would double the text.
disable_created_metrics()


@dataclass(frozen=True, slots=True)
class Reading:
    """The figures of a pool, or of several together, at one moment.

    Attributes:
        requests: answered ones.
        output_tokens: written so far, those of sessions that still write included.
        read_tokens: prompt tokens that were computed; a beginning that prompts share counts once.
        prefix_hits: prompts whose beginning had been read before.
        prefix_tokens: prompt tokens that they did not cost.
        busy_seconds: with something to compute, or with a request in flight.
        prefill_seconds: of them, reading prompts.
        decode_seconds: of them, writing.
        decode_steps: a token of each session is one.
        memory_bytes: of MLX now: weights, KV cache, temporaries and freed buffers that it keeps.
        peak_memory_bytes: at most, without the freed buffers.
        queue: requests that wait for a session.
    """

    requests: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    read_tokens: int = 0
    prefix_hits: int = 0
    prefix_tokens: int = 0
    fallbacks: int = 0
    retries: int = 0
    load_seconds: float = 0.0
    busy_seconds: float = 0.0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    decode_steps: int = 0
    memory_bytes: int = 0
    peak_memory_bytes: int = 0
    sessions: int = 0
    sessions_busy: int = 0
    peak_sessions: int = 0
    queue: int = 0


class PoolMetrics:
    """The instruments of one pool. Any thread may use them.

    Attributes:
        number: of the pool in this process, from 1 on.
        registry: of this pool alone; its samples are labelled with the model and the number.
    """

    def __init__(self, model: str) -> None:
        self.registry = CollectorRegistry()
        self.number = next(_NUMBERS)
        self._labels = {"model": model, "pool": str(self.number)}
        self.requests = self._counter("requests", "Requests that were answered.")
        self._refused = Counter(
            "dobby_refused",
            "Requests that were not given to the model.",
            (*_LABELS, "reason"),
            registry=self.registry,
        )
        self.prompt_tokens = self._counter("prompt_tokens", "Tokens of answered prompts.")
        self.output_tokens = self._counter("output_tokens", "Tokens that were written.")
        self.read_tokens = self._counter("read_tokens", "Prompt tokens that were computed.")
        self.prefix_hits = self._counter(
            "prefix_cache_hits", "Prompts whose beginning had been read before."
        )
        self.prefix_tokens = self._counter(
            "prefix_cache_tokens", "Prompt tokens that need not be computed for that."
        )
        self.fallbacks = self._counter(
            "fallbacks", "Times that generation went on with fewer sessions, or on the CPU."
        )
        self.retries = self._counter("retries", "Times that a server was asked again.")
        self.load_seconds = self._counter("load_seconds", "Seconds until a model was ready.")
        self.busy_seconds = self._counter("busy_seconds", "Seconds with work under way.")
        self.prefill = self._histogram("prefill_seconds", "Reading a part of the prompts.")
        self.decode = self._histogram("decode_step_seconds", "Writing a token of each session.")
        self.request_seconds = self._histogram(
            "request_seconds", "From a session until the last token.", _REQUEST_BUCKETS
        )
        self.sessions = self._gauge("sessions", "Sessions at most.")
        self.sessions_busy = self._gauge("sessions_busy", "Sessions that have a request.")
        self.queue = self._gauge("queue_length", "Requests that wait for a session.")
        self.memory = self._gauge("device_memory_bytes", "Memory that MLX holds.")
        self._peak_sessions = self._gauge("sessions_busy_peak", "Most sessions that were busy.")
        self._peak_memory = self._gauge("device_memory_peak_bytes", "Most memory in use.")
        self._peaks = {self._peak_sessions: 0, self._peak_memory: 0}
        with _live_lock:
            _live.add(self)

    def refused(self, reason: str) -> None:
        """Count a request that was not given to the model."""
        self._refused.labels(**self._labels, reason=reason).inc()

    def busy(self, sessions: int) -> None:
        """So many sessions have a request now."""
        self.sessions_busy.set(sessions)
        self._raise(self._peak_sessions, sessions)

    def memory_used(self, now: int, peak: int) -> None:
        """What the device holds now, and held at most since its model was loaded, in bytes."""
        self.memory.set(now)
        self._raise(self._peak_memory, peak)

    def rest(self) -> None:
        """Nothing is under way and no memory held: the pool, or its worker, has ended."""
        for gauge in (self.sessions_busy, self.queue, self.memory):
            gauge.set(0)

    def reading(self) -> Reading:
        """All figures now."""
        return total([self])

    def tokens(self) -> int:
        """Prompt and output tokens so far: asked before each request, where a budget is set."""
        counters = (self.prompt_tokens, self.output_tokens)
        return round(sum(s.value for c in counters for f in c.collect() for s in f.samples))

    def _raise(self, gauge: Gauge, value: int) -> None:
        if value > self._peaks[gauge]:
            self._peaks[gauge] = value
            gauge.set(value)

    def _counter(self, name: str, text: str) -> Counter:
        made = Counter(f"dobby_{name}", text, _LABELS, registry=self.registry)
        return made.labels(**self._labels)

    def _gauge(self, name: str, text: str) -> Gauge:
        made = Gauge(f"dobby_{name}", text, _LABELS, registry=self.registry)
        return made.labels(**self._labels)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...] = _STEP_BUCKETS
    ) -> Histogram:
        made = Histogram(f"dobby_{name}", text, _LABELS, registry=self.registry, buckets=buckets)
        return made.labels(**self._labels)


def live() -> list[PoolMetrics]:
    """Those of the process's pools, closed ones included until they are garbage."""
    with _live_lock:
        return list(_live)


def total(pools: list[PoolMetrics]) -> Reading:
    """The pools' figures together; for the peaks, which need not be of one moment, their sum.

    Of the memory it is the largest figure: what each pool tells is MLX's of the whole process.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for pool in pools:
        for family in pool.registry.collect():
            for sample in family.samples:
                if sample.name in _OF_THE_PROCESS:
                    found[sample.name] = max(found[sample.name], sample.value)
                elif "le" not in sample.labels:
                    found[sample.name] += sample.value

    def whole(name: str) -> int:
        return round(found[f"dobby_{name}"])

    return Reading(
        requests=whole("requests_total"),
        refused=whole("refused_total"),
        prompt_tokens=whole("prompt_tokens_total"),
        output_tokens=whole("output_tokens_total"),
        read_tokens=whole("read_tokens_total"),
        prefix_hits=whole("prefix_cache_hits_total"),
        prefix_tokens=whole("prefix_cache_tokens_total"),
        fallbacks=whole("fallbacks_total"),
        retries=whole("retries_total"),
        load_seconds=found["dobby_load_seconds_total"],
        busy_seconds=found["dobby_busy_seconds_total"],
        prefill_seconds=found["dobby_prefill_seconds_sum"],
        decode_seconds=found["dobby_decode_step_seconds_sum"],
        decode_steps=whole("decode_step_seconds_count"),
        memory_bytes=whole("device_memory_bytes"),
        peak_memory_bytes=whole("device_memory_peak_bytes"),
        sessions=whole("sessions"),
        sessions_busy=whole("sessions_busy"),
        peak_sessions=whole("sessions_busy_peak"),
        queue=whole("queue_length"),
    )
