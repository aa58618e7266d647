"""`dobby verify`, `dobby gc` and `dobby audit`: the database looked after.

Not here: what is verified (quality/verify.py), what is garbage (summaries/garbage.py), and what
is recorded (schema/audit.py).
"""

import json
import sys
from dataclasses import asdict

import click

from dobby_pipeline.cli.options import FiniteRange
from dobby_pipeline.cli.setting import reading_store, settings
from dobby_pipeline.cli.terminal import say
from dobby_pipeline.quality.verify import verify as verify_repo
from dobby_pipeline.schema import audit as audit_log
from dobby_pipeline.sources.registry import get_repo, list_repos
from dobby_pipeline.summaries.garbage import KEPT_DAYS, collect_garbage


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def verify(name: str | None, as_json: bool) -> None:
    """Recompute hashes and counts of every repository, or of NAME, and name what does not hold."""
    store = reading_store(settings(), of_all=not name)
    repos = [get_repo(store, name)] if name else list_repos(store)
    found = 0
    for repo in repos:
        for problem in verify_repo(store, repo.repo):
            found += 1
            where = f"{problem.repo} {problem.relation} {problem.key}"
            click.echo(json.dumps(asdict(problem)) if as_json else f"{where}: {problem.problem}")
    if found:
        say(f"dobby: {found} rows do not hold: `dobby ingest NAME` reads a repository's anew")
        sys.exit(1)
    say(f"{len(repos)} repositories hold")


@click.command()
@click.option(
    "--days",
    type=FiniteRange(0),
    default=float(KEPT_DAYS),
    show_default=True,
    help="Keep what is younger than this.",
)
def gc(days: float) -> None:
    """Remove summary texts that no repository refers to, and audit events older than a year."""
    store = reading_store(settings(), of_all=True)
    removed = collect_garbage(store, days)
    events = audit_log.prune_events(store)
    audit_log.record_event(store, "cleaned", detail={"bodies": removed, "events": events})
    say(f"{removed} summary bodies removed")


@click.command()
@click.argument("name", required=False, default="")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="Events.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def audit(name: str, limit: int, as_json: bool) -> None:
    """Print who did what and when, the newest first: to NAME, or to every repository.

    NAME may be a repository that is no longer registered.
    """
    store = reading_store(settings(), of_all=not name)
    for event in audit_log.read_events(store, name, limit):
        detail = " ".join(f"{key}={value}" for key, value in event.detail.items())
        line = f"{event.time[:19]}  {event.actor}  {event.action}  {event.repo or '-'}  {detail}"
        click.echo(json.dumps(asdict(event)) if as_json else line.rstrip())
