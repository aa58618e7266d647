"""`dobby show`: summaries for a person to read.

Not here: the JSON of the same (read.py).
"""

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import click

from dobby_pipeline.cli.setting import reading_store, settings
from dobby_pipeline.cli.terminal import shown
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.errors import UsageError
from dobby_pipeline.quality.statuses import PUBLISHED
from dobby_pipeline.sources.registry import get_repo
from dobby_pipeline.summaries.read import Found, Wanted, find_summaries

_KINDS = ("by the model", "from the code in its place", "quarantined", "stale")


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
    if not symbol:
        click.echo("\n" + click.style(_counted(found), dim=True))


def _print_one(found: Found, *, full: bool) -> None:
    row = found.row
    lines = click.style(f"lines {row['start_line']}-{row['end_line']}", dim=True)
    is_symbol, reasons = row["level"] == "symbol", "; ".join(row["reasons"])
    is_served = row["status"] == PUBLISHED
    marks = [*([] if found.fresh else ["stale"]), *([] if is_served else ["quarantined"])]
    if is_symbol:
        click.echo(f"  {click.style(shown(row['symbol']), fg='cyan')}  {lines}")
    text = row["text"] if is_served else reasons
    color = "yellow" if not is_served else None if found.fresh else "red"
    _print_text(": ".join([*([", ".join(marks)] if marks else []), text]), is_symbol, fg=color)
    if is_served and row["origin"] == "extractive":
        why = f"from the code, in the place of the model's, which was refused: {reasons}"
        _print_text(why, is_symbol, dim=True)
    if full:
        for line in _provenance(row):
            click.echo(click.style(f"    {line}", dim=True))


def _counted(found: Iterable[Found]) -> str:
    """How many there are of each kind, in one line; what is stale counts as that alone."""
    counts = Counter(_kind(one) for one in found)
    told = ", ".join(f"{counts[kind]} {kind}" for kind in _KINDS if counts[kind])
    return f"{counts.total()} summaries: {told}"


def _kind(found: Found) -> str:
    model, code, quarantined, stale = _KINDS
    if not found.fresh:
        return stale
    if found.row["status"] != PUBLISHED:
        return quarantined
    return code if found.row["origin"] == "extractive" else model


def _print_text(text: str, is_symbol: bool, **style: Any) -> None:
    """Wrapped for a terminal; on one line for whoever reads it through a pipe."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1_000_000
    indent = "    " if is_symbol else "  "
    text = shown(" ".join(text.split()))
    filled = textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)
    click.echo(click.style(filled, **style))


def _provenance(row: Row) -> list[str]:
    fields = ("commit", "model", "model_revision", "prompt_version", "device", "origin")
    confidence = "none" if row["confidence"] is None else f"{row['confidence']:.2f}"
    tokens = f"{row['prompt_tokens']} prompt and {row['output_tokens']} output tokens"
    return [
        *(f"{field}: {row[field]}" for field in fields),
        f"{tokens} in {row['ms']:.0f} ms, confidence {confidence}, ended by {row['finish_reason']}",
        f"made {row['created_at']}",
    ]
