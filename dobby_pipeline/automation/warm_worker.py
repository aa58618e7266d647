"""The warm worker: a process that executes the runs it is handed, one after the other.

What a run needs is imported and loaded once: Python, the definitions, the model's weights. Each
run is a run like any other, with its own status, logs, checks and retry. A run that is terminated
ends alone; when the process is killed, run monitoring fails the run that was under way, and
another worker takes those that waited; when it ends by itself, they go back into the queue.

Not here: who starts it and hands over (launcher.py, hand_over.py), what outlives a run
(kept_sessions.py). Run: `python -m dobby_pipeline.automation.warm_worker DAGSTER_HOME LOCK`.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Generator

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import DagsterEventType, EngineEventData, RunFailureReason
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.storage.tags import BACKFILL_ID_TAG
from dagster._grpc.impl import core_execute_run  # what Dagster's own workers call
from dagster._utils.interrupts import (
    capture_interrupts,
    check_captured_interrupt,
    pop_captured_interrupt,
)

from dobby_pipeline.automation.hand_over import done, giver_lives, handed_over, left
from dobby_pipeline.automation.kept_sessions import let_go, let_go_for_others
from dobby_pipeline.run_lock import run_lock, settle_dead_runs

IDLE_S = 15.0
"""How long the worker waits for a further run before it ends. The next of a backfill is handed
over within the queue's interval of 2 s; a busy machine, and pauses while the daemon makes runs of
a backfill, take longer. Meanwhile the weights stay in memory, unless another run has the GPU."""

LOOK_S = 0.1
"""How often an idle worker looks for a run: listing a folder takes some 20 µs."""

WATCH_S = 1.0
"""How often a run under way is looked after; one look takes some ms."""

TELL_S = 60.0
"""How often a run that waits is told to be on its way; run monitoring gives it 180 s."""

_MODEL_STEPS = {"symbol_summaries", "file_summaries", "repo_summary"}
_DEFINITIONS = "dobby_pipeline.automation.warm_definitions"

_ENDS = {
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_CANCELED,
}


def main(home: str, lock: int) -> None:
    """Execute runs until none has come for IDLE_S, the daemon is gone, or this is interrupted.

    What waits then goes back into the queue.

    Args:
        home: of the instance; its dagster.yaml lies there.
        lock: the file descriptor of the worker's lock, which is held until the end.
    """
    os.set_inheritable(lock, False)
    os.environ["DAGSTER_HOME"] = home
    with capture_interrupts(), dg.DagsterInstance.from_config(home) as instance:
        settle_dead_runs(instance)
        idle_since = time.monotonic()
        while not check_captured_interrupt():
            waiting = handed_over(instance)
            idle = not waiting and time.monotonic() - idle_since >= IDLE_S
            if (idle or not giver_lives(instance)) and left(instance, lock):
                break
            if not waiting:
                time.sleep(LOOK_S)
            elif _take(instance, waiting[0]):
                idle_since = time.monotonic()
            else:
                left(instance, lock, anyway=True)
                break
        else:
            left(instance, lock, anyway=True)
        let_go()


def _take(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Execute a run, unless it has ended by now; False when the process is to end."""
    try:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return True
        if _is_canceled(instance, run):
            instance.report_run_canceled(run)
            return True
        watch = _Watch(instance, run_id)
        with run_lock(instance, run_id), watch.over():
            interrupted = _execute(instance, run, watch)
        if watch.interrupted:
            pop_captured_interrupt()  # it may have come after the run's last step
        return watch.interrupted or not interrupted
    finally:
        done(instance, run_id)


def _execute(instance: dg.DagsterInstance, run: dg.DagsterRun, watch: "_Watch") -> bool:
    """Execute a run; whether it was interrupted."""
    pid = os.getpid()
    text = f"The warm worker executes this run (pid: {pid})."
    instance.report_engine_event(text, run, EngineEventData.in_process(pid))
    repository = ReconstructableRepository.for_module(_DEFINITIONS, "defs")
    job = repository.get_reconstructable_job(run.job_name)
    interrupted = False
    try:
        for event in core_execute_run(job, run, instance, inject_env_vars=True):
            if event.is_step_failure and event.step_key in _MODEL_STEPS:
                let_go()  # whatever broke in it, the next run begins with a sound one
            if event.event_type in _ENDS:
                watch.ended.set()
            if event.event_type == DagsterEventType.RUN_FAILURE:
                reason = event.job_failure_data.failure_reason
                interrupted = reason == RunFailureReason.UNEXPECTED_TERMINATION
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        interrupted = True
    except Exception as error:  # noqa: BLE001 - as Dagster's own workers
        # The run's own log has it, and the run has failed; the others go on.
        sys.stderr.write(f"run {run.run_id} could not be executed: {error!r}\n")
    return interrupted


def _is_canceled(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether somebody cancels the run, or its backfill: the daemon looks at those every 30 s."""
    if run.status == dg.DagsterRunStatus.CANCELING:
        return True
    backfill_id = run.tags.get(BACKFILL_ID_TAG)
    backfill = instance.get_backfill(backfill_id) if backfill_id else None
    if backfill is None or backfill.status != BulkActionStatus.CANCELING:
        return False
    instance.report_run_canceling(run)
    return True


class _Watch:
    """Looks after the run under way, and after those that wait for it, in a thread of its own.

    Attributes:
        interrupted: whether it has interrupted the run.
        ended: set when the run has come to its end.
    """

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self.interrupted = False
        self.ended = threading.Event()
        self._instance, self._run_id = instance, run_id
        self._told: dict[str, float] = {}

    @contextlib.contextmanager
    def over(self) -> Generator[None]:
        """Look from now on."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.ended.set()
            thread.join()

    def _run(self) -> None:
        while not self.ended.wait(WATCH_S):
            # What is wrong with the instance is told by the run, which needs it as well.
            with contextlib.suppress(Exception):
                self._look()

    def _look(self) -> None:
        run = self._instance.get_run_by_id(self._run_id)
        over = run is None or run.is_finished or _is_canceled(self._instance, run)
        if over and not self.interrupted and not self.ended.is_set():
            self.interrupted = True
            os.kill(os.getpid(), signal.SIGINT)  # Dagster's own way to end a run
        let_go_for_others(self._instance, self._run_id)
        for run_id in handed_over(self._instance):
            if run_id != self._run_id:
                self._look_after(run_id)

    def _look_after(self, run_id: str) -> None:
        """Cancel a run that waits if it is to be, and tell now and then that it does wait."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            done(self._instance, run_id)
        elif _is_canceled(self._instance, run):
            self._instance.report_run_canceled(run)
            done(self._instance, run_id)
        elif time.monotonic() - self._told.setdefault(run_id, time.monotonic()) > TELL_S:
            self._told[run_id] = time.monotonic()
            kind = DagsterEventType.RUN_STARTING.value
            text = f"Waits for the run {self._run_id} in the warm worker."
            event = dg.DagsterEvent(kind, run.job_name, message=text)
            self._instance.report_dagster_event(event, run_id)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
