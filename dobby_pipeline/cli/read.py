"""`dobby status`, `records`, `skipped` and `summaries`: what the store holds, for programs.

Not here: the same for reading by people (show.py).
"""

import json
from collections.abc import Iterable
from typing import Any

import click

from dobby_pipeline.cli.setting import reading_store, settings
from dobby_pipeline.cozo.partition import read_partition
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.counts import count_records, count_skipped, count_verdicts, snapshot
from dobby_pipeline.quality.gate import PUBLISHED, QUARANTINED
from dobby_pipeline.schema.relations import SOURCE_FILES, SOURCE_RECORDS
from dobby_pipeline.sources.registry import Repo, get_repo, list_repos
from dobby_pipeline.summaries.read import read_summaries

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
    store = reading_store(settings())
    repos = [get_repo(store, name)] if name else list_repos(store)
    statuses = [status_of(store, repo) for repo in repos]
    if as_json:
        _print_json(statuses)
        return
    for row in statuses:
        symbol = row["symbol"]
        click.echo(
            f"{row['repo']}  {(row['commit'] or 'not read yet')[:12]}  {row['files']} files, "
            f"{row['records']} records; summaries: {symbol['published']} published, "
            f"{symbol['quarantined']} quarantined, {symbol['missing']} missing"
        )


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
        click.echo(f"{row['path']}:{row['start_line']}  {row['kind']} {row['symbol']}")


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
        click.echo(f"{row['reason']:12} {row['bytes']:>10}  {row['path']}")


@click.command()
@_NAME
@click.option("--level", type=click.Choice(["symbol", "file", "repo"]), help="Only this level's.")
@click.option("--status", type=click.Choice([PUBLISHED, QUARANTINED]), help="Only this verdict's.")
@_JSON
def summaries(name: str, level: str | None, status: str | None, as_json: bool) -> None:
    """The summaries of NAME with their provenance."""
    store = reading_store(settings())
    repo = get_repo(store, name).repo
    wanted = level in (None, "symbol")
    rows = read_summaries(store, repo, status=status or "") if wanted else iter(())
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        text = row["text"] if row["status"] == PUBLISHED else "; ".join(row["reasons"])
        click.echo(f"{row['path']}::{row['symbol']}  [{row['status']}] {text}")


def status_of(store: CozoStore, repo: Repo) -> dict[str, Any]:
    """The status object of the public contract."""
    read = snapshot(store, repo.repo)
    records, files_with_records = count_records(store, repo.repo)
    verdicts = count_verdicts(store, repo.repo)
    return {
        "repo": repo.repo,
        "location": repo.location,
        "kind": repo.kind,
        "commit": read.commit if read else None,
        "files": read.files if read else 0,
        "records": records,
        "skipped": count_skipped(store, repo.repo),
        "symbol": _counts(verdicts.published, verdicts.quarantined, verdicts.missing),
        "file": _counts(0, 0, files_with_records),
        "repo_summary": _counts(0, 0, 1 if files_with_records else 0),
        "updated_at": read.updated_at if read else None,
    }


def _counts(published: int, quarantined: int, missing: int) -> dict[str, int]:
    return {"published": published, "quarantined": quarantined, "missing": missing}


def _print_json(rows: Iterable[Row]) -> None:
    for row in rows:
        click.echo(json.dumps(row))
