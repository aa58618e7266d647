"""The one thread that owns MLX: device, weights, sessions, and every step of generation.

Not here: the consumer's side (pool.py). Orders come in and results go out by queues, so nothing
of MLX is ever touched by two threads or destroyed on a thread that is not its own.
"""

import contextvars
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dobby_pipeline.inference.admission import Admission, Job
from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.device import (
    Kind,
    choose_device,
    import_mlx,
    leave_thread,
    limit_memory,
)
from dobby_pipeline.inference.metrics import PoolMetrics
from dobby_pipeline.inference.models.manifests import ModelError
from dobby_pipeline.inference.requests import Finished, Sampling
from dobby_pipeline.inference.work import Work
from dobby_pipeline.logs import logger

if TYPE_CHECKING:
    from dobby_pipeline.inference.sessions import Sessions
    from dobby_pipeline.inference.weights import Model

_log = logger(__name__)

CPU_SESSION_TOKENS = 1_024
"""On the CPU the KV cache has room for sessions x this: 20 sessions of SmolLM2 in float32 take
940 MB. Longer prompts get fewer sessions."""

SHORT_PROMPT_TOKENS = 512

LEAST_TOKENS = 2 * SHORT_PROMPT_TOKENS
"""Tokens of KV cache without which a model does not fit: one short prompt, and its copy while a
batch grows or shrinks."""

AUTO_SESSIONS: dict[Kind, int] = {"cpu": 40, "metal": 64, "cuda": 1024}
"""What `auto` means where the memory limit allows it. On two cores 100 summaries took 105 s with
40 sessions, 129 with 64 and 131 with 20. On an H200 a 135M model made 51,900, 58,300 and 58,700
records a minute with 512, 1,024 and 2,048 sessions, and a 1.5B model 23,800 and 26,800."""

REFILL_SHARE, REFILL_MOST = 0.2, 256
"""Sessions that must be free before a running batch is refilled, as a share of all, and at most:
prompts are read faster together, and a session that waits costs no more than its place."""


def _nothing() -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker is to serve; None sessions for AUTO_SESSIONS.

    Attributes:
        memory_limit: for all that MLX holds in this process, in bytes.
        beside: tells how many of them other models hold now.
    """

    name: str
    folder: Path
    device: str
    sessions: int | None
    memory_limit: int
    sampling: Sampling
    beside: Callable[[], int] = _nothing


@dataclass(frozen=True, slots=True)
class _Cancel:
    """Drop everything that was submitted before this."""


@dataclass(frozen=True, slots=True)
class _Close:
    """Free everything and end the thread."""


@dataclass(frozen=True, slots=True)
class Died:
    """The last result of a worker that failed."""

    error: Exception


class Worker:
    """The thread and its two queues.

    Attributes:
        results: finished jobs; the last one is Died if the thread fails.
        loaded: set once the weights are in memory.
        busy_since: when the step that is being computed began (monotonic clock); None between.
    """

    def __init__(
        self, plan: Plan, chat: Callable[[], Chat], metrics: PoolMetrics | None = None
    ) -> None:
        """Make a worker that has not started; `chat` is called on its thread."""
        self.results: queue.SimpleQueue[Finished | Died] = queue.SimpleQueue()
        self.loaded = threading.Event()
        self.busy_since: float | None = None
        self.kind: Kind = "cpu"
        self._plan = plan
        self._chat = chat
        self._metrics = metrics or PoolMetrics(plan.name)
        self._replaced = False
        self._orders: queue.SimpleQueue[Job | _Cancel | _Close] = queue.SimpleQueue()
        self._placed = threading.Event()
        # A daemon, so that a pool that was never closed does not keep the interpreter from
        # ending; pool.py closes it before the interpreter is taken down.
        # What it logs belongs to the run that made it.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._run,), name="dobby-mlx", daemon=True
        )

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, which tries the device at once and loads at the first job."""
        self._thread.start()

    def wait_for_device(self) -> Kind:
        """The device in use; waits until it has been tried."""
        while not self._placed.wait(0.2) and self.alive:
            pass
        return self.kind

    def submit(self, job: Job) -> None:
        """Hand over a job."""
        self._orders.put(job)

    def cancel(self) -> None:
        """Drop all jobs that were submitted; results that are out already stay in the queue."""
        self._orders.put(_Cancel())

    def close(self, wait_s: float | None = None) -> None:
        """Free everything and wait until the thread has ended, at most so many seconds."""
        self._replaced = wait_s == 0
        self._orders.put(_Close())
        if self._thread.ident is not None:
            self._thread.join(wait_s)

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as error:  # noqa: BLE001 - handed to the consumer, who raises it
            self.results.put(Died(error))
        finally:
            self._placed.set()
            if not self._replaced:
                self._metrics.rest()
            leave_thread()

    def _serve(self) -> None:
        self.kind = choose_device(self._plan.device).kind
        self._placed.set()
        first = self._orders.get()
        while isinstance(first, _Cancel):
            first = self._orders.get()
        if isinstance(first, _Close):
            return
        serving = self._load()
        serving.admission.add(first)
        try:
            while self._take_orders(serving):
                self._advance(serving)
        finally:
            serving.sessions.close()

    def _load(self) -> "_Serving":
        # Imported here, with all that computes: a process that only names a pool stays light.
        from dobby_pipeline.inference.sessions import Sessions
        from dobby_pipeline.inference.weights import load_weights

        plan = self._plan
        started = time.monotonic()
        limit_memory(self.kind, plan.memory_limit)
        import_mlx().reset_peak_memory()  # another pool of this process may have had its own
        model = load_weights(plan.folder, self.kind)
        most = plan.sessions or AUTO_SESSIONS[self.kind]
        sessions = Sessions(
            model,
            self._chat(),
            self.kind,
            plan.sampling,
            sessions=most,
            memory_limit=plan.memory_limit,
        )
        seconds = time.monotonic() - started
        self._metrics.load_seconds.inc(seconds)
        self._metrics.sessions.set(most)
        _log.info(
            "model loaded",
            model=plan.name,
            device=self.kind,
            sessions=most,
            weights_mb=round(model.nbytes / 1e6),
            seconds=round(seconds, 2),
        )
        self.loaded.set()
        tokens = kv_tokens(plan, model, self.kind)
        admission = Admission(most, tokens, max(1, min(REFILL_MOST, int(REFILL_SHARE * most))))
        return _Serving(model, sessions, admission, replace(sessions.work))

    def _take_orders(self, serving: "_Serving") -> bool:
        """Take what was ordered, waiting when there is nothing to do; False to end."""
        while True:
            try:
                order = self._orders.get(block=serving.idle)
            except queue.Empty:
                return True
            match order:
                case Job():
                    serving.admission.add(order)
                case _Cancel():
                    serving.admission.clear()
                    serving.sessions.clear()
                    self._metrics.busy(0)
                    self._metrics.queue.set(0)
                case _Close():
                    return False

    def _advance(self, serving: "_Serving") -> None:
        started = self.busy_since = time.monotonic()
        active = serving.sessions.active
        if len(serving.admission):  # models beside this one come and go
            serving.admission.kv_tokens = kv_tokens(self._plan, serving.model, self.kind)
        jobs = serving.admission.take(active)
        if jobs:
            serving.sessions.admit(jobs)
        self._metrics.busy(len(active) + len(jobs))
        finished = serving.sessions.step(filling=len(serving.admission) > 0)
        self._count(serving, time.monotonic() - started)
        self.busy_since = None
        for result in finished:
            self.results.put(result)

    def _count(self, serving: "_Serving", seconds: float) -> None:
        """Tell the metrics of a step; not of one that woke after the worker was replaced."""
        if self._replaced:
            return
        metrics, work, before = self._metrics, serving.sessions.work, serving.counted
        (metrics.prefill if work.parts > before.parts else metrics.decode).observe(seconds)
        metrics.busy_seconds.inc(seconds)
        metrics.read_tokens.inc(work.read - before.read)
        metrics.prefix_hits.inc(work.hits - before.hits)
        metrics.prefix_tokens.inc(work.spared - before.spared)
        metrics.output_tokens.inc(work.written - before.written)
        serving.counted = replace(work)
        metrics.busy(len(serving.sessions.active))
        metrics.queue.set(len(serving.admission) + self._orders.qsize())
        mx = import_mlx()
        metrics.memory_used(mx.get_active_memory() + mx.get_cache_memory(), mx.get_peak_memory())


@dataclass(slots=True)
class _Serving:
    model: "Model"
    sessions: "Sessions"
    admission: Admission
    counted: Work

    @property
    def idle(self) -> bool:
        return not self.sessions.active and not len(self.admission)


def kv_tokens(plan: Plan, model: "Model", kind: Kind) -> int:
    """Tokens of KV cache that fit: what the memory limit leaves beside the weights.

    Half of it is left for the copy that is made when a batch grows or shrinks. Beside other models
    it is what these leave, and never less than one short prompt: that much fleet.py sees to.

    Raises:
        ModelError: when not even one short prompt fits.
    """
    left = plan.memory_limit - model.nbytes
    room = max((left - plan.beside()) // 2 // model.kv_bytes, SHORT_PROMPT_TOKENS)
    if left < LEAST_TOKENS * model.kv_bytes:
        needed = model.nbytes + LEAST_TOKENS * model.kv_bytes
        raise ModelError(
            f"model {plan.name} needs {needed / 1e9:.1f} GB on this device and the memory limit "
            f"is {plan.memory_limit / 1e9:g}: raise DOBBY_MEMORY_LIMIT_GB or take a smaller model"
        )
    most = plan.sessions or AUTO_SESSIONS[kind]
    return min(room, most * CPU_SESSION_TOKENS) if kind == "cpu" else room
