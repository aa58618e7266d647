"""What starts runs: the jobs, the nightly schedule, and the sensor on new commits.

Not here: the assets that a run materialises. A backfill needs nothing of ours: the UI launches
the job over the partitions that a person ticks.
"""

from collections.abc import Iterator

import dagster as dg

from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.quality.counts import snapshot
from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.open_source import latest_version
from dobby_pipeline.sources.registry import Repo, list_repos

ingest_repo = dg.define_asset_job(
    "ingest_repo",
    selection=["cozo_schema", "source_records"],
    description="Reads a repository's records; no model is needed.",
)

summarize_repo = dg.define_asset_job(
    "summarize_repo",
    selection=["cozo_schema", "source_records", "symbol_summaries"],
    description="Moves a repository through the whole flow.",
)


@dg.schedule(
    job=summarize_repo,
    cron_schedule="0 3 * * *",
    description="Every night, a run for each repository: what is up to date costs no model call.",
)
def nightly_refresh(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """A run for each partition; the schedule builder refuses dynamic partitions."""
    day = context.scheduled_execution_time.date().isoformat()
    for repo in context.instance.get_dynamic_partitions(repo_partitions.name or ""):
        yield dg.RunRequest(run_key=f"{day}:{repo}", partition_key=repo)


@dg.sensor(
    job=summarize_repo,
    minimum_interval_seconds=60,
    description="A run for each registered repository whose ref names a commit not yet read.",
)
def new_commits(context: dg.SensorEvaluationContext, cozo: CozoResource) -> dg.SensorResult:
    """Keep the partitions equal to the registry, and request a run for each new commit.

    The commit is in the run key, so each is requested once. A repository that cannot be read is
    told in the tick's log and does not stop the others.
    """
    store = cozo.store()
    repos = list_repos(store) if store.exists else []
    requests = [r for repo in repos if (r := _request(context, store, repo))]
    present = set(context.instance.get_dynamic_partitions(repo_partitions.name or ""))
    wanted = {repo.repo for repo in repos}
    changes = [
        repo_partitions.build_add_request(sorted(wanted - present)),
        repo_partitions.build_delete_request(sorted(present - wanted)),
    ]
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[change for change in changes if change.partition_keys],
        skip_reason=None if requests else f"{len(repos)} repositories, no new commit",
    )


def _request(
    context: dg.SensorEvaluationContext, store: CozoStore, repo: Repo
) -> dg.RunRequest | None:
    try:
        version = latest_version(repo)
    except SourceError as error:
        context.log.warning(str(error))
        return None
    read = snapshot(store, repo.repo)
    if version is None or (read and read.commit == version):
        return None
    # The key names the version, so that one version is requested once.
    return dg.RunRequest(run_key=f"{repo.repo}@{version}", partition_key=repo.repo)
