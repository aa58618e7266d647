"""The schedules: every night each repository, every week the database itself.

Not here: the jobs that they launch (jobs.py, upkeep.py).
"""

from collections.abc import Iterator

import dagster as dg

from dobby_pipeline.automation.jobs import summarize_repo
from dobby_pipeline.automation.launcher import WARM_TAG
from dobby_pipeline.automation.upkeep import clean_database, verify_database
from dobby_pipeline.partitions import repo_partitions


@dg.schedule(
    job=summarize_repo,
    cron_schedule="0 3 * * *",
    description="Every night, a run for each repository: what is up to date costs no model call.",
)
def nightly_refresh(
    context: dg.ScheduleEvaluationContext,
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """A run for each partition; the schedule builder refuses dynamic partitions.

    It finds what has no commit to tell: work trees, Cozo servers, a new model or prompt.
    """
    day = context.scheduled_execution_time.date().isoformat()
    repos = context.instance.get_dynamic_partitions(repo_partitions.name or "")
    if not repos:
        yield dg.SkipReason("no repository is registered: `dobby repos add NAME LOCATION`")
    for repo in repos:
        yield dg.RunRequest(run_key=f"{day}:{repo}", partition_key=repo, tags={WARM_TAG: "nightly"})


# Sunday, when the nightly runs of a few hundred repositories have ended. First verify: what gc
# removes could no longer be looked into.
weekly_verify = dg.ScheduleDefinition(
    name="weekly_verify",
    job=verify_database,
    cron_schedule="0 6 * * 0",
    description="Every Sunday: recompute the database's hashes and counts.",
)

weekly_clean = dg.ScheduleDefinition(
    name="weekly_clean",
    job=clean_database,
    cron_schedule="0 7 * * 0",
    description="Every Sunday: remove summary texts that nothing refers to.",
)
