"""`dobby summarize` and `dobby ingest`: targets through the flow.

Not here: Dagster's side of it (runs.py).
"""

import json
import sys
from pathlib import Path

import click

from dobby_pipeline.cli.options import FiniteRange, RunOptions
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
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Only N records of each target: of the files that most others rely on, for their size.",
)
@click.option(
    "--level",
    type=click.Choice(["symbol", "file", "repo"]),
    default="repo",
    help="How far up to summarise: symbols, files as well, or the repository too (the default).",
)
@click.option(
    "--max-tokens-total",
    type=click.IntRange(1),
    help="Stop asking after so many tokens of each target; the next run goes on.",
)
@click.option(
    "--max-minutes",
    type=FiniteRange(0, min_open=True),
    help="Stop asking after so many minutes of each target; the next run goes on.",
)
@click.option(
    "--with-callees",
    is_flag=True,
    help="Show the model what a symbol calls, by its summary; an edit then costs the callers too.",
)
@click.option("--estimate", is_flag=True, help="Only tell what it would cost; nothing is made.")
@_WORKTREE
@_JSON
def summarize(
    targets: tuple[str, ...],
    limit: int | None,
    level: str,
    max_tokens_total: int | None,
    max_minutes: float | None,
    with_callees: bool,
    estimate: bool,
    worktree: bool,
    as_json: bool,
) -> None:
    """Summarise each TARGET: a path, a git URL, or a registered name."""
    found = settings()
    _check_model(found)
    options = RunOptions(level, limit, with_callees, max_tokens_total, max_minutes)
    if estimate:
        _estimate(found, targets, options, worktree=worktree, as_json=as_json)
        return
    _flow(found, "summarize_repo", targets, worktree, as_json, options)


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
    options: RunOptions | None,
) -> None:
    """Each target in turn; one that fails does not stop the others."""
    store, worst = writing_store(found), 0
    for target in targets:
        exit_status, repo = _one(found, store, job, target, worktree, options)
        worst = max(worst, exit_status)
        if repo is None:
            continue
        # Of a run that failed nothing is read: what it failed of (a full disk, a database that
        # is held) would fail this too, and be told twice.
        if as_json:
            click.echo(json.dumps(status_of(store, repo)))
        elif not exit_status:
            say(_done(job, repo.repo, status_of(store, repo)))
    if worst:
        sys.exit(worst)


def _estimate(
    found: Settings, targets: tuple[str, ...], options: RunOptions, *, worktree: bool, as_json: bool
) -> None:
    """Read each target's records, and tell what the rest of the flow would cost."""
    from dobby_pipeline.cli.estimate import estimate_of, print_estimate

    if found.routes:
        say(f"estimated as if {found.model} wrote every summary: DOBBY_ROUTES is left out of it")
    store, worst = writing_store(found), 0
    for target in targets:
        status, repo = _one(found, store, "ingest_repo", target, worktree, None)
        worst = max(worst, status)
        if repo and not status:
            told = estimate_of(found, store, repo.repo, options)
            print_estimate(repo.repo, told, as_json=as_json)
    if worst:
        sys.exit(worst)


def _one(
    found: Settings,
    store: CozoStore,
    job: str,
    target: str,
    worktree: bool,
    options: RunOptions | None,
) -> tuple[int, Repo | None]:
    """The exit status, and the repository that the target means."""
    try:
        repo = register(store, target, found.home, worktree=worktree)
    except DobbyError as error:
        say(f"dobby: {error}")
        return error.exit_status, None
    # Dagster takes seconds to import; what can be refused without it has been.
    from dobby_pipeline.cli.runs import dagster_instance, run_job
    from dobby_pipeline.inference.recorder import pulse

    with dagster_instance(found) as instance, TerminalReporter(pulse=pulse) as reporter:
        outcome = run_job(instance, job, repo.repo, reporter, options)
    for problem in outcome.problems:
        say(f"dobby: {repo.repo}: {problem}")
    for note in outcome.notes:
        say(f"{repo.repo}: {note}")
    return 0 if outcome.success else 1, repo


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
    from dobby_pipeline.inference.models.manifests import load_manifest
    from dobby_pipeline.inference.models.pull import require_pulled
    from dobby_pipeline.inference.remote.address import parse_addresses
    from dobby_pipeline.summaries.routing import read_router

    has_servers = bool(parse_addresses(found.mlx_url))  # they have their own weights
    for model in read_router(found.routes, found.model).models:
        manifest = load_manifest(model)
        if not has_servers:
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
