"""An export as Markdown: a page for each source file, and an index for each directory.

The pages are written as the files come, in the order of their paths: of what was written, only the
names in the directories around the next file are still held. Not here: what is shown
(export_rows.py), how text is kept from being markup (export_text.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.quality.statuses import PUBLISHED
from dobby_pipeline.summaries.export_folder import MARKER
from dobby_pipeline.summaries.export_links import Forge
from dobby_pipeline.summaries.export_rows import FileRows
from dobby_pipeline.summaries.export_text import Names, code, link, prose

INDEX = "index.md"

_EXTRACTIVE = (
    "*Extractive*: taken from the code's own documentation and signature, no model wrote it."
)
_QUARANTINED = "**Quarantined**: refused by the gate for the reasons given; do not rely on it."


@dataclass(frozen=True)
class About:
    """What every page tells.

    Attributes:
        commit: of the repository's last ingest, whole.
        forge: where sources can be looked at, if it is known.
        summary: the repository's own, if there is one to show.
        directories: those of directories, by path.
    """

    repo: str
    commit: str
    forge: Forge | None
    summary: Row | None
    directories: dict[str, Row]


@dataclass(frozen=True)
class Page:
    """A page that was written, or will be when the last file below it has come.

    Attributes:
        path: of the file or directory in the repository.
        names: the way to the page from the top of the export.
        row: its summary, if there is one to show.
    """

    path: str
    names: tuple[str, ...]
    row: Row | None


@dataclass
class _Directory:
    """A directory whose files are coming."""

    parts: tuple[str, ...]
    names: tuple[str, ...]
    free: Names
    row: Row | None
    folders: list[str] = field(default_factory=list[str])
    files: list[str] = field(default_factory=list[str])

    @property
    def path(self) -> str:
        return "/".join(self.parts)


class MarkdownTree:
    """Pages under a folder.

    Args:
        reserved: names at the top that others write.
    """

    def __init__(self, folder: Path, about: About, *reserved: str) -> None:
        self._folder = folder
        self._about = about
        self._open = [_Directory((), (), Names(INDEX, MARKER, *reserved), about.summary)]

    def add(self, file: FileRows) -> list[Page]:
        """Write the page of a file, which comes after all before it by path.

        Returns:
            The pages of directories that it is the first in, then its own.
        """
        *around, name = file.path.split("/")
        while self._open[-1].parts != tuple(around[: len(self._open[-1].parts)]):
            self._close()
        pages = [self._enter(part) for part in around[len(self._open[-1].parts) :]]
        here = self._open[-1]
        page = here.free.take(name, ".md")
        here.files.append(_item(link(code(name), page), file.summary))
        self._write((*here.names, page), self._file_page(file, name))
        return [*pages, Page(file.path, (*here.names, page), file.summary)]

    def close(self) -> None:
        """Write the indexes that were waiting for more files."""
        while self._open:
            self._close()

    def _enter(self, part: str) -> Page:
        above = self._open[-1]
        name = above.free.take(part)
        parts = (*above.parts, part)
        row = self._about.directories.get("/".join(parts))
        below = _Directory(parts, (*above.names, name), Names(INDEX), row)
        above.folders.append(_item(link(code(f"{part}/"), name, INDEX), row))
        self._open.append(below)
        return Page(below.path, (*below.names, INDEX), row)

    def _close(self) -> None:
        done = self._open[-1]
        lines = [f"# {code(done.parts[-1] + '/') if done.parts else prose(self._about.repo)}"]
        if done.parts:
            lines += [self._crumbs(INDEX, done.parts[-1] + "/", self._open[:-1])]
        lines += told(done.row)
        if not done.parts:
            lines += [self._at_commit()]
        for title, items in (("Directories", done.folders), ("Files", done.files)):
            lines += [f"## {title}", "\n".join(items)] if items else []
        lines += _ending([done.row] if done.row else [])
        self._open.pop()
        self._write((*done.names, INDEX), lines)

    def _file_page(self, file: FileRows, name: str) -> list[str]:
        lines = [f"# {code(name)}", self._crumbs("", name, self._open), *told(file.summary)]
        commit = file.rows[0]["commit"]
        whole: Row = {"path": file.path, "commit": commit, "level": "file"}
        lines.append(f"Source: {source(file.path, whole, self._about.forge)}")
        if file.symbols:
            lines.append("## Symbols")
        for row in file.symbols:
            place = f"{row['path']}:{row['start_line']}-{row['end_line']}"
            lines += [f"### {code(row['symbol'])}", *told(row)]
            lines.append(f"Source: {source(place, row, self._about.forge)}")
        return lines + _ending(file.rows)

    def _crumbs(self, index: str, name: str, around: Sequence[_Directory]) -> str:
        """The directories from the top to a page, each a link to its index."""
        depth = len(around) - (0 if index else 1)
        crumbs = [
            link(
                code(directory.parts[-1]) if directory.parts else prose(self._about.repo),
                *[".."] * (depth - number),
                INDEX,
            )
            for number, directory in enumerate(around)
        ]
        return " / ".join([*crumbs, code(name)])

    def _at_commit(self) -> str:
        forge = self._about.forge
        where = f" of [{forge.project}]({forge.url})" if forge else ""
        return f"As read at commit {code(self._about.commit)}{where}."

    def _write(self, names: tuple[str, ...], blocks: list[str]) -> None:
        path = self._folder.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", newline="\n")


def said(row: Row) -> str:
    """A summary's text with its marks, as one line of Markdown."""
    if row["status"] != PUBLISHED:
        reasons = prose("; ".join(row["reasons"])) or "no reason given"
        return " ".join(filter(None, [f"**Quarantined** ({reasons})", prose(row["text"])]))
    return (
        f"*Extractive*: {prose(row['text'])}"
        if row["origin"] != "generated"
        else prose(row["text"])
    )


def told(row: Row | None) -> list[str]:
    """The paragraph of a summary, or none."""
    return [said(row)] if row else []


def source(place: str, row: Row, forge: Forge | None) -> str:
    """Where a summary's code stands: a link to the forge, or the place at the commit."""
    url = forge.page(row) if forge else None
    return f"[{code(place)}]({url})" if url else f"{code(place)} at {code(row['commit'])}"


def _item(to: str, row: Row | None) -> str:
    return f"- {to}: {said(row)}" if row else f"- {to}"


def _ending(rows: Sequence[Row]) -> list[str]:
    """What the marks on a page mean, and who wrote its texts."""
    models = sorted({(r["model"], r["model_revision"]) for r in rows if r["origin"] == "generated"})
    lines = [f"Generated by {code(name)}, revision {code(revision)}." for name, revision in models]
    if any(row["status"] == PUBLISHED and row["origin"] != "generated" for row in rows):
        lines.append(_EXTRACTIVE)
    if any(row["status"] != PUBLISHED for row in rows):
        lines.append(_QUARANTINED)
    return ["---", *lines] if lines else []
