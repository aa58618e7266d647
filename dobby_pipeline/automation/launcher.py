"""Dagster's own launcher, which also tells run monitoring of workers that are dead.

A code server notices the end of the workers that it started. Where it dies along with them (the
machine goes down, a container is killed), a run would stay `started`, and keep its place in the
GPU pool and its repository, until somebody ends it.

Not here: the lock that a worker keeps (executor.py), what follows a failure (dagster.yaml).
"""

import dagster as dg
from dagster._core.launcher import (  # no public name has them
    CheckRunHealthResult,
    LaunchRunContext,
    WorkerStatus,
)

from dobby_pipeline.run_lock import held_if_dead, settle_dead_runs


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Launches runs on code servers; run monitoring asks it whether their processes live."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """As Dagster's; first the locks are removed that ended runs have left."""
        settle_dead_runs(self._instance)
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Makes run monitoring ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """`FAILED` for a run of this machine whose process is dead, also one of `dobby`."""
        with held_if_dead(self._instance, run.run_id) as dead:
            if dead:
                return CheckRunHealthResult(WorkerStatus.FAILED, "its process ended without a word")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
