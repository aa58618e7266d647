"""`dobby export`: a repository's summaries as files.

Not here: the files (summaries/export.py).
"""

from pathlib import Path

import click

from dobby_pipeline.cli.setting import reading_store, settings
from dobby_pipeline.cli.terminal import say
from dobby_pipeline.schema.audit import record_event
from dobby_pipeline.sources.registry import get_repo
from dobby_pipeline.summaries.export import FORMATS
from dobby_pipeline.summaries.export import export as write_export

_LEVELS = (("symbol", "symbols"), ("file", "files"), ("directory", "directories"))


@click.command()
@click.argument("name")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="markdown", show_default=True,
    help="Pages to browse, one JSON document, one JSON object a line, or llms.txt with pages.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR",
    help="A folder of the export's own; an earlier export in it is replaced as a whole.",
)  # fmt: skip
@click.option("--include-quarantined", is_flag=True, help="Also what the gate refused, marked.")
def export(name: str, form: str, out: Path, include_quarantined: bool) -> None:
    """Write the fresh summaries of NAME to a folder: the same bytes for the same state."""
    store = reading_store(settings())
    repo = get_repo(store, name)
    rows = write_export(store, repo, form, out, include_quarantined=include_quarantined)
    told = {"format": form, "to": str(out.resolve()), "rows": rows.shown.total()}
    record_event(store, "exported", name, told)
    counts = ", ".join(f"{rows.shown[level]} {what}" for level, what in _LEVELS)
    say(f"{name}: summaries of {counts} written to {out}")
    if rows.stale:
        say(f"{name}: {rows.stale} stale summaries left out: refresh with `dobby summarize {name}`")
