"""The job `summarize_many`: many small repositories, a run for each, the weights loaded once.

Not here: the flow that each run goes through. A backfill of the UI starts a process for each
repository, which takes 5 to 11 s and loads the model anew: right for large repositories, and a
waste for twenty that take seconds each. Here the runs follow one another in one process. Each is
a run like any other, with its own status in the partition's history, its own checks and logs.
"""

import contextlib
import threading
from collections.abc import Generator, Sequence
from uuid import uuid4

import dagster as dg
from pydantic import Field

from dobby_pipeline.automation.jobs import summarize_repo
from dobby_pipeline.automation.kept_sessions import KeptSessions
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.errors import UsageError
from dobby_pipeline.inference.resource import MlxSessionsResource
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.progress import Reporter
from dobby_pipeline.run_lock import run_lock
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.sources.registry import list_repos
from dobby_pipeline.summaries.assets import GPU_POOL

BATCH_TAG = "dobby/batch"
"""On each run of a batch: the id of the run that started it."""

WATCH_S = 1.0
"""How often a batch looks whether another run got the GPU. That one needs some seconds to start
loading its weights."""

_MODEL_STEPS = {"symbol_summaries", "file_summaries", "repo_summary"}
_INTERRUPTED = "DagsterExecutionInterruptedError"


class BatchConfig(dg.Config):
    """Which repositories a batch takes."""

    repos: list[str] = Field(
        default=[], description="Names of registered repositories; none for all of them."
    )


@dg.op(description="Runs the whole flow for one repository after the other, with one model.")
def summarize_each(
    context: dg.OpExecutionContext,
    config: BatchConfig,
    cozo: CozoResource,
    mlx: MlxSessionsResource,
    progress: dg.ResourceParam[Reporter],
) -> None:
    """A run of `summarize_repo` for each repository; one that fails does not stop the others.

    Raises:
        UsageError: for a name that is not registered; then no run was started.
        Failure: when runs failed, at the end; its metadata name them. Each can be run again by
            itself: from the run's page, or `dobby summarize NAME`.
    """
    repos = _chosen(config.repos, cozo)
    context.instance.add_dynamic_partitions(repo_partitions.name or "", repos)
    failed: list[str] = []
    with KeptSessions.over(mlx) as kept:
        for number, repo in enumerate(repos, 1):
            context.log.info(f"{repo}: {number} of {len(repos)}")
            if not _run(context, repo, {"cozo": cozo, "mlx": kept, "progress": progress}, kept):
                failed.append(repo)
                context.log.warning(f"{repo}: failed; the others go on")
    if failed:
        raise dg.Failure(
            f"{len(failed)} of {len(repos)} repositories failed: {', '.join(failed[:20])}",
            metadata={"failed": failed, "repositories": len(repos)},
            allow_retries=False,
        )
    context.add_output_metadata({"repositories": len(repos)})


@dg.job(description="Many small repositories in one process: a run for each, one model for all.")
def summarize_many() -> None:
    """The backfill for many small repositories."""
    summarize_each()


def _chosen(names: Sequence[str], cozo: CozoResource) -> list[str]:
    store = cozo.store()
    migrate(store)
    known = [repo.repo for repo in list_repos(store)]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise UsageError(
            f"not registered: {', '.join(unknown)}: add them with `dobby repos add NAME LOCATION`, "
            "or leave them out"
        )
    return list(dict.fromkeys(names)) or known


def _run(
    context: dg.OpExecutionContext, repo: str, resources: dict[str, object], kept: KeptSessions
) -> bool:
    """One repository's own run, here, and whether it succeeded."""
    # The definitions hold this job, so they are imported when it runs.
    from dobby_pipeline.definitions import build_defs

    job = build_defs(resources).resolve_job_def(summarize_repo.name)
    run_id = str(uuid4())
    with run_lock(context.instance, run_id), _giving_way(context.instance, run_id, kept):
        result = job.execute_in_process(
            instance=context.instance,
            partition_key=repo,
            run_id=run_id,
            tags={BATCH_TAG: context.run_id, "dagster/max_retries": "0"},
            raise_on_error=False,
        )
    failures = [event for event in result.all_events if event.is_step_failure]
    for event in failures:
        error = event.step_failure_data.error
        if error and _INTERRUPTED in (error.cls_name or ""):
            raise KeyboardInterrupt
    if any(event.step_key in _MODEL_STEPS for event in failures):
        kept.let_go()  # whatever broke in it, the next repository begins with a sound one
    return result.success


@contextlib.contextmanager
def _giving_way(instance: dg.DagsterInstance, run_id: str, kept: KeptSessions) -> Generator[None]:
    """Free the weights when another run gets the GPU while ours waits for it.

    Between two of its runs a batch has no place in the pool, and one that waited gets it.
    """
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(WATCH_S):
            info = instance.event_log_storage.get_concurrency_info(GPU_POOL)
            owners = {slot.run_id for slot in info.claimed_slots}
            if owners and run_id not in owners:
                kept.let_go()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
