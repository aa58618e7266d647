"""`dobby summarize` and `dobby ingest`: targets through the flow.

Not here: Dagster's side of it (runs.py).
"""

import json
import sys
from pathlib import Path

import click

from dobby_pipeline.cli.read import status_of
from dobby_pipeline.cli.setting import settings, writing_store
from dobby_pipeline.cli.terminal import TerminalReporter, say
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.errors import DobbyError
from dobby_pipeline.settings import Settings
from dobby_pipeline.sources.open_source import check_source, detect_kind
from dobby_pipeline.sources.registry import (
    Repo,
    add_repo,
    checked_location,
    database_location,
    find_repo,
    is_url,
    list_repos,
    name_for,
)

_TARGETS = click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
_WORKTREE = click.option(
    "--worktree", is_flag=True, help="Read the folder's files as they lie there, committed or not."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print each target's status as JSON.")


@click.command()
@_TARGETS
@click.option("--limit", type=click.IntRange(1), help="Only the first N records of each target.")
@click.option(
    "--level", type=click.Choice(["symbol"]), default="symbol", help="How far up to summarise."
)
@_WORKTREE
@_JSON
def summarize(
    targets: tuple[str, ...], limit: int | None, level: str, worktree: bool, as_json: bool
) -> None:
    """Summarise each TARGET: a path, a git URL, or a registered name."""
    _ = level
    found = settings()
    _check_model(found)
    _flow(found, "summarize_repo", targets, worktree, as_json, limit)


@click.command()
@_TARGETS
@_WORKTREE
@_JSON
def ingest(targets: tuple[str, ...], worktree: bool, as_json: bool) -> None:
    """Read each TARGET's source records; no model is needed."""
    _flow(settings(), "ingest_repo", targets, worktree, as_json, None)


def _flow(
    found: Settings,
    job: str,
    targets: tuple[str, ...],
    worktree: bool,
    as_json: bool,
    limit: int | None,
) -> None:
    """Each target in turn; one that fails does not stop the others."""
    store = writing_store(found)
    statuses = [_one(found, store, job, target, worktree, as_json, limit) for target in targets]
    if any(statuses):
        sys.exit(max(statuses))


def _one(
    found: Settings,
    store: CozoStore,
    job: str,
    target: str,
    worktree: bool,
    as_json: bool,
    limit: int | None,
) -> int:
    try:
        repo = register(store, target, found.home, worktree=worktree)
    except DobbyError as error:
        say(f"dobby: {error}")
        return error.exit_status
    # Dagster takes seconds to import; what can be refused without it has been.
    from dobby_pipeline.cli.runs import dagster_instance, run_job

    with dagster_instance(found) as instance, TerminalReporter() as reporter:
        outcome = run_job(instance, found, job, repo.repo, reporter, limit)
    for problem in outcome.problems:
        say(f"dobby: {repo.repo}: {problem}")
    for note in outcome.notes:
        say(f"{repo.repo}: {note}")
    status = status_of(store, repo)
    if as_json:
        click.echo(json.dumps(status))
    elif outcome.success:
        say(_done(job, repo.repo, status))
    return 0 if outcome.success else 1


def register(store: CozoStore, target: str, home: Path, *, worktree: bool = False) -> Repo:
    """The registered repository that the target means, registered now if need be, and readable.

    Raises:
        UsageError: when the target's own name belongs to another location.
        SourceError: when it is neither a registered name nor a repository, or cannot be read.
    """
    repo = _meant(store, target, worktree=worktree)
    check_source(repo, home)
    return repo if repo.added_at else add_repo(store, repo)


def _meant(store: CozoStore, target: str, *, worktree: bool) -> Repo:
    """The registered repository, or one that is not registered yet."""
    registered = find_repo(store, target)
    if registered and not is_url(target) and not Path(target).exists():
        return registered
    kind = "git" if worktree else detect_kind(target)
    if kind == "git":
        location = checked_location(target, worktree=worktree)
    else:
        location = database_location(target)
    if registered and registered.location == location:
        return registered
    for repo in list_repos(store):
        if repo.location == location and repo.worktree == worktree:
            return repo
    return Repo(name_for(location), location, kind, worktree=worktree)


def _check_model(found: Settings) -> None:
    """Refuse before a run is started what would fail in it after the ingest."""
    from dobby_pipeline.inference.manifests import load_manifest
    from dobby_pipeline.inference.pull import require_pulled
    from dobby_pipeline.inference.remote_address import parse_addresses

    manifest = load_manifest(found.model)
    if not parse_addresses(found.mlx_url):  # servers have their own weights
        require_pulled(manifest)


def _done(job: str, repo: str, status: dict[str, object]) -> str:
    if job == "ingest_repo":
        counts = f"{status['records']} records of {status['files']} files"
        return f"{repo}: {counts}. Read them: dobby records {repo}"
    symbol = status["symbol"]
    assert isinstance(symbol, dict)
    return (
        f"{repo}: {symbol['published']} summaries published, {symbol['quarantined']} quarantined, "
        f"{symbol['missing']} missing. Read them: dobby show {repo}"
    )
