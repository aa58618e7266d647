"""`dobby show`: summaries for a person to read.

Not here: the JSON of the same (read.py).
"""

import shutil
import sys
import textwrap
from itertools import groupby

import click

from dobby_pipeline.cli.setting import reading_store, settings
from dobby_pipeline.cli.terminal import shown
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.errors import UsageError
from dobby_pipeline.quality.statuses import PUBLISHED
from dobby_pipeline.sources.registry import get_repo
from dobby_pipeline.summaries.read import Found, Wanted, find_summaries


@click.command()
@click.argument("address", metavar="NAME[:PATH[::SYMBOL]]")
def show(address: str) -> None:
    """Show the summaries of a repository, of one of its files, or of one symbol."""
    store = reading_store(settings())
    name, _, rest = address.partition(":")
    path, _, symbol = rest.partition("::")
    repo = get_repo(store, name)
    wanted = Wanted(path=path, symbol=symbol)
    found = list(find_summaries(store, repo.repo, wanted))
    if not found:
        raise UsageError(
            f"{address} has no summary: see `dobby status {name}`, or make them with "
            f"`dobby summarize {name}`"
        )
    # The repository's first, and each file's before those of its symbols.
    found.sort(key=lambda one: (one.row["path"], one.row["level"] == "symbol"))
    for file, group in groupby(found, key=lambda one: one.row["path"]):
        click.echo("\n" + click.style(shown(file or repo.repo), bold=True))
        for one in group:
            _print_one(one, full=bool(symbol))


def _print_one(found: Found, *, full: bool) -> None:
    row = found.row
    lines = click.style(f"lines {row['start_line']}-{row['end_line']}", dim=True)
    marks = [] if found.fresh else [click.style("stale", fg="red")]
    if row["status"] != PUBLISHED:
        marks.append(click.style("quarantined", fg="yellow"))
    elif row["origin"] != "generated":
        marks.append(row["origin"])
    if row["level"] == "symbol":
        click.echo(f"  {click.style(shown(row['symbol']), fg='cyan')}  {lines}")
    text = row["text"] if row["status"] == PUBLISHED else "; ".join(row["reasons"])
    _print_text(f"{', '.join(marks)}: {text}" if marks else text, row["level"] == "symbol")
    if full:
        for line in _provenance(row):
            click.echo(click.style(f"    {line}", dim=True))


def _print_text(text: str, is_symbol: bool) -> None:
    """Wrapped for a terminal; on one line for whoever reads it through a pipe."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1_000_000
    indent = "    " if is_symbol else "  "
    text = shown(" ".join(text.split()))
    click.echo(textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent))


def _provenance(row: Row) -> list[str]:
    fields = ("commit", "model", "model_revision", "prompt_version", "device", "origin")
    confidence = "none" if row["confidence"] is None else f"{row['confidence']:.2f}"
    tokens = f"{row['prompt_tokens']} prompt and {row['output_tokens']} output tokens"
    return [
        *(f"{field}: {row[field]}" for field in fields),
        f"{tokens} in {row['ms']:.0f} ms, confidence {confidence}, ended by {row['finish_reason']}",
        f"made {row['created_at']}",
    ]
