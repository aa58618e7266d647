"""Workers one after another: when one fails or stands still, another takes its jobs.

First with half of the sessions, because memory is what fails most often; then on the CPU; then it
is an error. Not here: the thread that computes (worker.py), requests and their texts (pool.py).
"""

import queue
import time
from collections.abc import Callable
from dataclasses import replace

from dobby_pipeline.errors import DobbyError
from dobby_pipeline.inference.admission import Job
from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.device import Kind
from dobby_pipeline.inference.metrics import PoolMetrics
from dobby_pipeline.inference.requests import Finished, PoolError
from dobby_pipeline.inference.worker import AUTO_SESSIONS, Died, Plan, Worker
from dobby_pipeline.logs import logger

_log = logger(__name__)

_POLL_S = 0.5
"""How often a waiting consumer looks whether the worker still lives."""

STALL_S = 300.0
"""A step that takes longer counts as hanging. The longest that was seen is 40 s: compiling the
first one on CUDA."""


class Supervisor:
    """Keeps one worker at work on the jobs that were submitted.

    Attributes:
        worker: the present one.
        fallbacks: workers that were replaced.
    """

    def __init__(
        self,
        plan: Plan,
        chat: Callable[[], Chat],
        stall_s: float = STALL_S,
        metrics: PoolMetrics | None = None,
    ) -> None:
        self._metrics = metrics or PoolMetrics(plan.name)
        self.worker = Worker(plan, chat, self._metrics)
        self.fallbacks = 0
        self._plan = plan
        self._chat = chat
        self._stall_s = stall_s
        self._jobs: dict[int, Job] = {}
        self._started = False
        self._error: DobbyError | None = None

    def start(self) -> None:
        """Start the worker; a second call does nothing."""
        if not self._started:
            self._started = True
            self.worker.start()

    def submit(self, job: Job) -> None:
        """Hand over a job."""
        self._jobs[job.uid] = job
        self.worker.submit(job)

    def cancel(self) -> None:
        """Drop all jobs."""
        self._jobs.clear()
        self.worker.cancel()

    def result(self) -> Finished:
        """The next job that is done.

        Raises:
            PoolError: when no worker can go on; never waits for ever.
            ModelError: when the weights cannot be loaded or do not fit.
        """
        while True:
            if self._error is not None:
                raise self._error
            try:
                result = self.worker.results.get(timeout=_POLL_S)
            except queue.Empty:
                result = self._silence()
            if isinstance(result, Died):
                self._replace(result.error)
            elif result is not None and self._jobs.pop(result.uid, None):
                return result  # otherwise of jobs that were dropped

    def close(self) -> None:
        """End the worker, unless it hangs, and free the weights."""
        self.worker.close(wait_s=self._stall_s)

    def _silence(self) -> Died | None:
        """What it means that nothing comes."""
        worker = self.worker
        if not worker.alive:
            return Died(RuntimeError("the generation thread ended without a word"))
        since = worker.busy_since
        if since is not None and time.monotonic() - since > self._stall_s:
            return Died(TimeoutError(f"no step ended for {self._stall_s:g} s"))
        return None

    def _replace(self, error: Exception) -> None:
        kind = self.worker.kind
        plan = self._next_plan(kind)
        if isinstance(error, DobbyError) or plan is None:
            self._error = error if isinstance(error, DobbyError) else self._told(error)
            _log.error(
                "generation cannot go on",
                model=self._plan.name,
                device=kind,
                error=_reason(error),
                jobs=len(self._jobs),
            )
            return
        _log.warning(
            "generation failed, going on with less",
            model=self._plan.name,
            device=kind,
            error=_reason(error),
            sessions=plan.sessions,
            next_device="cpu" if plan.device == "cpu" else kind,
            jobs=len(self._jobs),
        )
        self.fallbacks += 1
        self._metrics.fallbacks.inc()
        self.worker.close(wait_s=0)
        self._plan = plan
        self.worker = Worker(plan, self._chat, self._metrics)
        self.worker.start()
        for job in self._jobs.values():
            self.worker.submit(job)

    def _next_plan(self, kind: Kind) -> Plan | None:
        sessions = self._plan.sessions or AUTO_SESSIONS[kind]
        if self.fallbacks == 0 and sessions > 1:
            return replace(self._plan, sessions=sessions // 2)
        if kind != "cpu":
            return replace(self._plan, device="cpu")
        return None

    def _told(self, error: Exception) -> PoolError:
        told = PoolError(
            f"model {self._plan.name} on {self.worker.kind}: generation failed "
            f"({_reason(error)}): what was finished is kept; run it again"
        )
        told.__cause__ = error
        return told


def _reason(error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
