"""The jobs that look after the database: verify and gc, as the commands of these names do.

Not here: what is verified (quality/verify.py), what is garbage (summaries/garbage.py).
"""

import dagster as dg

from dobby_pipeline.automation.commits import busy_partitions
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.quality.verify import Problem, verify
from dobby_pipeline.schema.audit import prune_events, record_event
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.sources.registry import list_repos
from dobby_pipeline.summaries.garbage import collect_garbage

SHOWN_PROBLEMS = 50
"""Rows that a failed run names; `dobby verify` prints all."""


@dg.op(description="Recomputes hashes and counts of every repository; rows that do not hold fail.")
def verify_repos(context: dg.OpExecutionContext, cozo: CozoResource) -> None:
    """As `dobby verify`.

    A repository that a run is changing right now looks damaged without being so: it is left out
    and told.

    Raises:
        Failure: when rows do not hold; its metadata name them.
    """
    store = cozo.store()
    migrate(store)
    repos = [repo.repo for repo in list_repos(store)]
    problems: list[Problem] = []
    busy = busy_partitions(context.instance)
    left_out = [repo for repo in repos if repo in busy]
    for repo in repos:
        found = [] if repo in busy else list(verify(store, repo))
        if found and repo in busy_partitions(context.instance):
            left_out.append(repo)
            continue
        problems += found
    metadata = {
        "repositories": len(repos) - len(left_out),
        "rows that do not hold": len(problems),
        "left out, a run is under way": ", ".join(left_out) or "none",
    }
    if problems:
        raise dg.Failure(
            f"{len(problems)} rows do not hold, in {', '.join(sorted({p.repo for p in problems}))}:"
            " `dobby ingest NAME` reads a repository's anew",
            metadata={**metadata, "problems": _table(problems)},
            allow_retries=False,
        )
    context.add_output_metadata(metadata)


def _table(problems: list[Problem]) -> dg.TableMetadataValue:
    rows = [
        dg.TableRecord({"repo": p.repo, "relation": p.relation, "key": p.key, "problem": p.problem})
        for p in problems[:SHOWN_PROBLEMS]
    ]
    return dg.MetadataValue.table(rows)


@dg.op(description="Removes summary texts that no repository refers to, and audit events of old.")
def collect_unreferred(context: dg.OpExecutionContext, cozo: CozoResource) -> None:
    """As `dobby gc`."""
    store = cozo.store()
    migrate(store)
    removed = {"bodies": collect_garbage(store), "events": prune_events(store)}
    record_event(store, "cleaned", detail=removed, actor=f"dagster:run:{context.run_id}")
    context.add_output_metadata(removed)


@dg.job(description="Recomputes every hash and count of the database, and names what is wrong.")
def verify_database() -> None:
    """`dobby verify` as a run: red when something does not hold."""
    verify_repos()


@dg.job(description="Removes what nothing refers to any more from the database.")
def clean_database() -> None:
    """`dobby gc` as a run."""
    collect_unreferred()
