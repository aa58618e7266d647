"""`dobby show`: summaries for a person to read.

Not here: the JSON of the same (read.py).
"""

import sys
from itertools import groupby

import click
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from dobby_pipeline.cli.setting import reading_store, settings
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.errors import UsageError
from dobby_pipeline.quality.gate import PUBLISHED
from dobby_pipeline.sources.registry import get_repo
from dobby_pipeline.summaries.read import read_summaries


@click.command()
@click.argument("address", metavar="NAME[:PATH[::SYMBOL]]")
def show(address: str) -> None:
    """Show the summaries of a repository, of one of its files, or of one symbol."""
    store = reading_store(settings())
    name, _, rest = address.partition(":")
    path, _, symbol = rest.partition("::")
    repo = get_repo(store, name)
    rows = list(read_summaries(store, repo.repo, path=path, symbol=symbol))
    if not rows:
        raise UsageError(
            f"{address} has no summary: see `dobby status {name}`, or make them with "
            f"`dobby summarize {name}`"
        )
    console = Console(file=sys.stdout, soft_wrap=not sys.stdout.isatty(), highlight=False)
    for file, group in groupby(rows, key=lambda row: row["path"]):
        console.print(f"\n[bold]{escape(file)}[/bold]")
        for row in group:
            _print_one(console, row, full=bool(symbol))


def _print_one(console: Console, row: Row, *, full: bool) -> None:
    lines = f"{row['start_line']}-{row['end_line']}"
    console.print(f"  [cyan]{escape(row['symbol'])}[/cyan] [dim]lines {lines}[/dim]")
    if row["status"] == PUBLISHED:
        console.print(Padding(escape(row["text"]), (0, 0, 0, 4)))
    else:
        reasons = escape("; ".join(row["reasons"]))
        console.print(Padding(f"[yellow]quarantined[/yellow] {reasons}", (0, 0, 0, 4)))
    if full:
        for field in ("commit", "model", "model_revision", "prompt_version", "device"):
            console.print(f"    [dim]{field}: {escape(str(row[field]))}[/dim]")
        console.print(
            f"    [dim]{row['prompt_tokens']} prompt and {row['output_tokens']} output tokens, "
            f"{row['ms']:.0f} ms, confidence {_number(row['confidence'])}, "
            f"{row['finish_reason']}, {row['created_at']}[/dim]"
        )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
