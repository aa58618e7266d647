"""The sensor on new commits: it keeps the partitions equal to the registry and requests runs.

Not here: what it remembers (commit_cursor.py), and how it looks at many (side_by_side.py).
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import dagster as dg

from dobby_pipeline.automation.commit_cursor import CommitCursor
from dobby_pipeline.automation.jobs import summarize_repo
from dobby_pipeline.automation.side_by_side import Lane, Look
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.schema.audit import Event, record_events
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.open_source import latest_version
from dobby_pipeline.sources.registry import Repo, last_read, list_repos

BUDGET_S = 20.0
"""A tick begins no look after this. After 60 s Dagster gives up on it and keeps the old cursor."""

GRACE_S = 12.0
"""How long looks under way are waited for: git's own answer to a dead URL takes 10 s."""

LOCK_WAIT_S = 10.0
"""How long a tick waits for the database; the next one comes in a minute anyway."""

THREADS = {"local": 2, "remote": 8}
"""Of each lane. A local ref is read in a fraction of a millisecond; a remote one is waited for."""

NAMED = 5
"""Repositories that are named in the tick's line; the log names all."""

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

PARTITION_TAG = "dagster/partition"


@dataclass
class Tick:
    """What one tick found.

    Attributes:
        requests: by repository the run's key and the version.
        problems: a line for each repository that could not be looked at.
        left: how many were not looked at before the budget was spent.
        waiting: how many wait after failures.
    """

    requests: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    problems: dict[str, str] = field(default_factory=dict[str, str])
    left: int = 0
    waiting: int = 0


@dg.sensor(
    job=summarize_repo,
    minimum_interval_seconds=60,
    description="A run for each registered repository whose ref names a commit not yet read.",
)
def new_commits(context: dg.SensorEvaluationContext, cozo: CozoResource) -> dg.SensorResult:
    """Keep the partitions equal to the registry, and request a run for each new commit.

    A repository that cannot be read is told in the tick's log and does not stop the others. A
    tick that cannot look at all in its time goes on where it stopped at the next.
    """
    store = replace(cozo.store(), lock_wait_s=LOCK_WAIT_S)
    if not store.exists:
        return dg.SensorResult(skip_reason=f"nothing is registered in {cozo.home} yet")
    migrate(store)
    # Before the registry: a repository that is registered in between would count as removed.
    present = set(context.instance.get_dynamic_partitions(repo_partitions.name or ""))
    with store.held("read the registry") as held:
        repos, read = list_repos(held), last_read(held)
    cursor = CommitCursor.from_json(context.cursor)
    tick = look_at(repos, read, cursor, BUDGET_S, GRACE_S)
    for problem in tick.problems.values():
        context.log.warning(problem)
    requests = sorted(tick.requests.items())
    record_events(store, _events(requests))
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=key, partition_key=repo) for repo, (key, _) in requests
        ],
        dynamic_partitions_requests=_partitions(context, present, {repo.repo for repo in repos}),
        skip_reason=None if requests else _told(len(repos), tick),
        cursor=cursor.to_json(),
    )


def look_at(
    repos: Sequence[Repo],
    read: dict[str, tuple[str, str]],
    cursor: CommitCursor,
    budget_s: float,
    grace_s: float,
) -> Tick:
    """Look at the repositories whose turn it is, and remember in the cursor what came out.

    Args:
        read: as `last_read`.
        cursor: is changed.
        budget_s: seconds after which no look is begun.
        grace_s: seconds that looks under way are then waited for.
    """
    by_name = {repo.repo: repo for repo in repos}
    cursor.forget_all_but(by_name)
    tick, now, deadline = Tick(), time.time(), time.monotonic() + budget_s
    due: dict[str, list[str]] = {}
    lanes: dict[str, Lane[str | None]] = {}
    for lane, threads in THREADS.items():
        names = sorted(repo.repo for repo in repos if _lane(repo) == lane)
        due[lane] = cursor.due(lane, names, now)
        tick.waiting += len(names) - len(due[lane])
        lanes[lane] = Lane(due[lane], lambda name: latest_version(by_name[name]), threads)
    for lane, running in lanes.items():
        looked = 0
        for look in running.looks(deadline, grace_s):
            looked += 1
            _conclude(look, by_name[look.name], read, cursor, tick)
        tick.left += len(due[lane]) - looked
        cursor.after.pop(lane, None)
        # Looks are begun in order, so those that were are the first ones.
        if 0 < looked < len(due[lane]):
            cursor.after[lane] = due[lane][looked - 1]
    return tick


def _lane(repo: Repo) -> str:
    return "remote" if repo.is_url else "local"


def _conclude(
    look: Look[str | None],
    repo: Repo,
    read: dict[str, tuple[str, str]],
    cursor: CommitCursor,
    tick: Tick,
) -> None:
    """A run to be requested, a problem to be told, or nothing."""
    if look.ended and look.error is None:
        # A work tree and a Cozo server have no version: the nightly refresh reads them.
        key = look.result and cursor.run_key(repo, look.result, read.get(repo.repo))
        if key and look.result:
            tick.requests[repo.repo] = (key, look.result)
        return
    # A local path that is gone is found so at once; only what takes time has to wait.
    cursor.failed(repo.repo, time.time(), waits=repo.is_url or not look.ended)
    if not look.ended:
        reason = f"{repo.location} did not answer in time: check the disk or the network"
    elif isinstance(look.error, SourceError):
        reason = str(look.error)
    else:
        reason = f"{repo.location} cannot be looked at ({type(look.error).__name__})"
    tick.problems[repo.repo] = f"{repo.repo}: {reason}"


def _events(requests: Sequence[tuple[str, tuple[str, str]]]) -> Iterator[Event]:
    for repo, (_, version) in requests:
        yield Event("requested", repo, {"version": version}, actor="sensor:new_commits")


def _partitions(
    context: dg.SensorEvaluationContext, present: set[str], wanted: set[str]
) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    """What makes the partitions equal to the registry; one with a run under way waits for it.

    A run whose partition is gone cannot report what it did.
    """
    stale = present - wanted
    if stale:
        busy = busy_partitions(context.instance) & stale
        for repo in sorted(busy):
            context.log.info(f"{repo}: removed from the registry; its partition goes with its run")
        stale -= busy
    changes: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if wanted - present:
        changes.append(repo_partitions.build_add_request(sorted(wanted - present)))
    if stale:
        changes.append(repo_partitions.build_delete_request(sorted(stale)))
    return changes


def busy_partitions(instance: dg.DagsterInstance) -> set[str]:
    """Repositories that a run is queued or under way for."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(UNFINISHED)))
    return {run.tags[PARTITION_TAG] for run in runs if PARTITION_TAG in run.tags}


def _told(count: int, tick: Tick) -> str:
    parts = [f"{count} repositories, no new commit"]
    if tick.problems:
        names = sorted(tick.problems)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        parts.append(f"{len(names)} cannot be read ({', '.join(names[:NAMED])}{more})")
    if tick.waiting:
        parts.append(f"{tick.waiting} wait after failures")
    if tick.left:
        parts.append(f"{tick.left} are left for the next tick")
    return "; ".join(parts)
