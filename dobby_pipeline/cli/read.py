"""`dobby status`, `records`, `skipped` and `summaries`: what the store holds, for programs.

Not here: the same for reading by people (show.py).
"""

import json
from collections.abc import Iterable
from typing import Any

import click

from dobby_pipeline.cli.setting import reading_store, settings
from dobby_pipeline.cli.terminal import shown
from dobby_pipeline.cozo.partition import read_partition
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.counts import (
    Verdicts,
    count_file_verdicts,
    count_records,
    count_repo_verdicts,
    count_skipped,
    count_verdicts,
    snapshot,
)
from dobby_pipeline.quality.statuses import PUBLISHED, QUARANTINED
from dobby_pipeline.schema.relations import SOURCE_FILES, SOURCE_RECORDS
from dobby_pipeline.sources.checkout import latest_commit
from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.registry import Repo, get_repo, is_url, list_repos
from dobby_pipeline.summaries.read import LEVELS, Wanted, find_summaries

_NAME = click.argument("name")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")

_RECORD_FIELDS = (
    "repo",
    "path",
    "symbol",
    "kind",
    "language",
    "start_line",
    "end_line",
    "content_hash",
    "code",
)
_SKIPPED_FIELDS = ("repo", "path", "reason", "bytes")


@click.command()
@click.argument("name", required=False)
@_JSON
def status(name: str | None, as_json: bool) -> None:
    """How far each repository, or NAME, is."""
    store = reading_store(settings(), of_all=not name)
    repos = [get_repo(store, name)] if name else list_repos(store)
    statuses = [status_of(store, repo) for repo in repos]
    if as_json:
        _print_json(statuses)
        return
    for row in statuses:
        for line in _lines(row):
            click.echo(line)


@click.command()
@_NAME
@_JSON
def records(name: str, as_json: bool) -> None:
    """The source records of NAME."""
    store = reading_store(settings())
    repo = get_repo(store, name).repo
    pages = read_partition(store, SOURCE_RECORDS, [repo], _RECORD_FIELDS)
    rows = (row for page in pages for row in page)
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        click.echo(shown(f"{row['path']}:{row['start_line']}  {row['kind']} {row['symbol']}"))


@click.command()
@_NAME
@_JSON
def skipped(name: str, as_json: bool) -> None:
    """The files of NAME that gave no record, with the reason."""
    store = reading_store(settings())
    repo = get_repo(store, name).repo
    pages = read_partition(store, SOURCE_FILES, [repo], _SKIPPED_FIELDS)
    rows = (row for page in pages for row in page if row["reason"])
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        click.echo(shown(f"{row['reason']:12} {row['bytes']:>10}  {row['path']}"))


@click.command()
@_NAME
@click.option("--level", type=click.Choice(LEVELS), help="Only this level's; all by default.")
@click.option("--status", type=click.Choice([PUBLISHED, QUARANTINED]), help="Only this verdict's.")
@click.option("--stale", is_flag=True, help="Those of what was there before, in their place.")
@_JSON
def summaries(name: str, level: str | None, status: str | None, stale: bool, as_json: bool) -> None:
    """The summaries of NAME with their provenance: symbols, then files, then the repository."""
    store = reading_store(settings())
    repo = get_repo(store, name).repo
    wanted = Wanted(level=level or "", status=status or "")
    rows = (f.row for f in find_summaries(store, repo, wanted) if f.fresh != stale)
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        text = row["text"] if row["status"] == PUBLISHED else "; ".join(row["reasons"])
        place = "::".join(part for part in (row["path"] or row["repo"], row["symbol"]) if part)
        click.echo(shown(f"{place}  [{row['status']}{', stale' if stale else ''}] {text}"))


def status_of(store: CozoStore, repo: Repo) -> dict[str, Any]:
    """The status object of the public contract."""
    read = snapshot(store, repo.repo)
    records, _ = count_records(store, repo.repo)
    levels = {
        "symbol": count_verdicts(store, repo.repo),
        "file": count_file_verdicts(store, repo.repo),
        "repo_summary": count_repo_verdicts(store, repo.repo),
    }
    return {
        "repo": repo.repo,
        "location": repo.location,
        "kind": repo.kind,
        "commit": read.commit if read else None,
        "files": read.files if read else 0,
        "records": records,
        "skipped": count_skipped(store, repo.repo),
        **{level: _verdicts(counts) for level, counts in levels.items()},
        "updated_at": read.updated_at if read else None,
        "extractive": {level: counts.extractive for level, counts in levels.items()},
        "stale": {level: counts.stale for level, counts in levels.items()},
        "latest_commit": _latest(repo),
    }


def _lines(row: dict[str, Any]) -> list[str]:
    """A status for a person: a line, one for each level, and one where the code has moved on."""
    commit, latest = row["commit"], row["latest_commit"]
    at = (commit or "not read yet")[:12]
    lines = [f"{row['repo']}  {at}  {row['files']} files, {row['records']} records"]
    if commit and latest and commit != latest:
        lines.append(f"  stale: the repository is at {latest[:12]} by now")
    for level, name in (("symbol", "symbols"), ("file", "files"), ("repo_summary", "repository")):
        counts = row[level]
        told = [f"{counts[verdict]} {verdict}" for verdict in counts]
        told[0] += f" ({row['extractive'][level]} extractive)" if row["extractive"][level] else ""
        told[2] += f" ({row['stale'][level]} stale)" if row["stale"][level] else ""
        lines.append(f"  {name}: {', '.join(told)}")
    return lines


def _verdicts(counts: Verdicts) -> dict[str, int]:
    return {
        "published": counts.published,
        "quarantined": counts.quarantined,
        "missing": counts.missing,
    }


def _latest(repo: Repo) -> str | None:
    """The commit that the ref names today; None where asking takes a network, or cannot be done."""
    if repo.kind != "git" or is_url(repo.location):
        return None
    try:
        return latest_commit(repo)
    except SourceError:
        return None


def _print_json(rows: Iterable[Row]) -> None:
    for row in rows:
        click.echo(json.dumps(row))
