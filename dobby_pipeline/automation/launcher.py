"""Dagster's own launcher, with a warm worker for runs that belong together, and an eye on workers.

The runs of a backfill or of a nightly refresh would each start a process, which takes 5 to 11 s
and loads the model anew. They go one after the other to the warm worker instead.

A code server notices the end of the workers that it started. Where it dies along with them (the
machine goes down, a container is killed), a run would stay `started`, and keep its place in the
GPU pool and its repository, until somebody ends it. So run monitoring asks this launcher.

Not here: the lock that a worker keeps (executor.py), what follows a failure (dagster.yaml), the
worker (warm_worker.py).
"""

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import (  # no public name has them
    CheckRunHealthResult,
    LaunchRunContext,
    WorkerStatus,
)
from dagster._core.storage.tags import BACKFILL_ID_TAG

from dobby_pipeline.automation.hand_over import hand_over, handed_over, wake
from dobby_pipeline.executor import CONFIG_ENV
from dobby_pipeline.run_lock import held_if_dead, settle_dead_runs

if TYPE_CHECKING:
    from dagster._core.remote_representation.code_location import CodeLocation

WARM_TAG = "dobby/warm"
"""On a run that is to go to the warm worker although it is no backfill's; any value."""

_OURS = "dobby_pipeline.definitions"
_WORKER = "dobby_pipeline.automation.warm_worker"


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Launches runs on code servers or in the warm worker; tells whether their processes live."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """As Dagster's, or to the warm worker; first the locks of ended runs are removed."""
        settle_dead_runs(self._instance)
        if _is_warm(context):
            hand_over(self._instance, context.dagster_run.run_id, self._start)
        else:
            super().launch_run(context)

    def terminate(self, run_id: str) -> bool:
        """As Dagster's; the warm worker sees by itself that a run of its is being canceled."""
        if run_id not in handed_over(self._instance):
            return super().terminate(run_id)
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Makes run monitoring ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """`FAILED` for a run of this machine whose process is dead, also one of `dobby`."""
        with held_if_dead(self._instance, run.run_id) as dead:
            if dead:
                wake(self._instance, self._start)  # if it was the warm one, others wait for it
                return CheckRunHealthResult(WorkerStatus.FAILED, "its process ended without a word")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _start(self, lock: int) -> None:
        # In the group of the daemon, like other runs: an interrupt in the terminal ends them all.
        command = [sys.executable, "-m", _WORKER, self._instance.root_directory, str(lock)]
        worker = subprocess.Popen(command, pass_fds=[lock], stdin=subprocess.DEVNULL)
        threading.Thread(target=self._replace_if_killed, args=[worker], daemon=True).start()

    def _replace_if_killed(self, worker: "subprocess.Popen[bytes]") -> None:
        """Have another worker take what waited for one that was killed.

        Run monitoring looks at runs that have begun, and not at one that is still to begin.
        """
        if worker.wait() < 0:
            wake(self._instance, self._start)


def _is_warm(context: LaunchRunContext) -> bool:
    """Whether the run is one of many of ours, on this machine, whose steps stay in its process."""
    run, workspace = context.dagster_run, context.workspace
    if not {BACKFILL_ID_TAG, WARM_TAG} & run.tags.keys() or os.environ.get(CONFIG_ENV):
        return False
    if run.job_code_origin is None or run.remote_job_origin is None or workspace is None:
        return False
    pointer = run.job_code_origin.repository_origin.code_pointer
    if not isinstance(pointer, ModuleCodePointer) or pointer.module != _OURS:
        return False
    name = run.remote_job_origin.repository_origin.code_location_origin.location_name
    return _is_here(workspace.get_code_location(name))


def _is_here(location: "CodeLocation") -> bool:
    """Whether the code server is on this machine: it is then reached by a socket."""
    from dagster._core.remote_representation.code_location import GrpcServerCodeLocation

    return isinstance(location, GrpcServerCodeLocation) and location.client.socket is not None
