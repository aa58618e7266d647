"""An export as JSON: one document, or the rows of the public contract, one a line.

ASCII alone, so that nothing in it is hidden or turns text around. Not here: reading them
(export_rows.py).
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.summaries.export_links import Forge
from dobby_pipeline.summaries.export_markdown import About
from dobby_pipeline.summaries.export_rows import FileRows

LINES = "summaries.jsonl"
DOCUMENT = "summaries.json"


def write_lines(folder: Path, rows: Iterable[Row]) -> None:
    """`summaries.jsonl`: a row of read.FIELDS a line, in the order of `dobby summaries --json`."""
    with (folder / LINES).open("w", encoding="ascii", newline="\n") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def write_document(folder: Path, about: About, files: Iterable[FileRows]) -> None:
    """`summaries.json`: the repository, its directories, and each file with its symbols.

    Each summary is a row of read.FIELDS (a directory's has no symbol and no lines) and `url`, where
    its source can be looked at, or null.
    """
    head = {
        "repo": about.repo,
        "commit": about.commit,
        "web": about.forge.url if about.forge else None,
        "summary": _with_url(about.summary, about.forge) if about.summary else None,
    }
    directories = (_with_url(row, about.forge) for row in about.directories.values())
    with (folder / DOCUMENT).open("w", encoding="ascii", newline="\n") as file:
        file.write(json.dumps(head, indent=1).removesuffix("\n}") + ",\n")
        for name, items, end in (
            ("directories", directories, ","),
            ("files", (_file(one, about.forge) for one in files), ""),
        ):
            file.write(f' "{name}": [')
            file.writelines(_items(items))
            file.write(f"\n ]{end}\n")
        file.write("}\n")


def _items(items: Iterable[Any]) -> Iterator[str]:
    before = "\n"
    for item in items:
        yield before + indent(json.dumps(item, indent=1), "  ")
        before = ",\n"


def _file(file: FileRows, forge: Forge | None) -> Row:
    return {
        "path": file.path,
        "summary": _with_url(file.summary, forge) if file.summary else None,
        "symbols": [_with_url(row, forge) for row in file.symbols],
    }


def _with_url(row: Row, forge: Forge | None) -> Row:
    return {**row, "url": forge.page(row) if forge else None}
