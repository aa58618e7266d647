"""`dobby verify` and `dobby gc`: the database looked after.

Not here: what is verified (quality/verify.py) and what is garbage (summaries/garbage.py).
"""

import json
import sys
from dataclasses import asdict

import click

from dobby_pipeline.cli.setting import reading_store, settings
from dobby_pipeline.cli.terminal import say
from dobby_pipeline.quality.verify import verify as verify_repo
from dobby_pipeline.sources.registry import get_repo, list_repos
from dobby_pipeline.summaries.garbage import KEPT_DAYS, collect_garbage


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def verify(name: str | None, as_json: bool) -> None:
    """Recompute hashes and counts of every repository, or of NAME, and name what does not hold."""
    store = reading_store(settings())
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
    "--days", default=float(KEPT_DAYS), show_default=True, help="Keep what is younger than this."
)
def gc(days: float) -> None:
    """Remove summary texts that no repository refers to any more."""
    removed = collect_garbage(reading_store(settings()), days)
    say(f"{removed} summary bodies removed")
