"""Summaries with their provenance, as they are shown and exported.

Not here: making them (answers.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dobby_pipeline.cozo.partition import AFTER_ALL, PLAN_ROWS, page_borders
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.children import (
    FileChildren,
    children_of_files,
    read_tree,
    repo_hash,
)
from dobby_pipeline.schema.relations import SUMMARY_BODIES, SYMBOL_SUMMARIES

FIELDS = (
    "repo",
    "level",
    "path",
    "symbol",
    "text",
    "status",
    "reasons",
    "origin",
    "summary_key",
    "content_hash",
    "commit",
    "start_line",
    "end_line",
    "model",
    "model_revision",
    "prompt_version",
    "device",
    "prompt_tokens",
    "output_tokens",
    "ms",
    "confidence",
    "finish_reason",
    "created_at",
)
"""The columns of the public contract, in its order."""

LEVELS = ("symbol", "file", "repo")

_REFERENCE = ("summary_key", "content_hash", "commit", "start_line", "end_line")
_BODY = SUMMARY_BODIES.values

_SYMBOLS = f"""
?[path, symbol, {", ".join((*_REFERENCE, *_BODY))}, code_hash] :=
    *symbol_summaries{{repo: $repo, path, symbol, {", ".join(_REFERENCE)}}},
    path >= $first, path <= $last,
    present[path, symbol, code_hash],
    *summary_bodies{{summary_key, {", ".join(_BODY)}}}
present[path, symbol, code_hash] :=
    *source_records{{repo: $repo, path, symbol, content_hash: code_hash}},
    path >= $first, path <= $last
present[path, symbol, code_hash] :=
    *symbol_summaries{{repo: $repo, path, symbol}}, path >= $first, path <= $last,
    not *source_records{{repo: $repo, path, symbol}}, code_hash = ''
"""

_FILES = f"""
?[path, {", ".join((*_REFERENCE, *_BODY))}] :=
    *file_summaries{{repo: $repo, path, {", ".join(_REFERENCE)}}},
    path >= $first, path <= $last,
    *summary_bodies{{summary_key, {", ".join(_BODY)}}}
"""

_REPO = f"""
?[summary_key, content_hash, commit, {", ".join(_BODY)}] :=
    *repo_summaries{{repo: $repo, summary_key, content_hash, commit}},
    *summary_bodies{{summary_key, {", ".join(_BODY)}}}
"""


@dataclass(frozen=True)
class Wanted:
    """Which summaries are to be read; an empty string leaves nothing out.

    Attributes:
        level: one of LEVELS.
        path: only this file's.
        symbol: only this symbol's.
        status: only those with this verdict.
    """

    level: str = ""
    path: str = ""
    symbol: str = ""
    status: str = ""

    def includes(self, level: str) -> bool:
        """Whether summaries of this level can be among them."""
        if (level == "repo" and self.path) or (level != "symbol" and self.symbol):
            return False
        return self.level in ("", level)


@dataclass(frozen=True)
class Found:
    """A summary, and whether it is of what is there today.

    Attributes:
        row: the FIELDS.
        fresh: for a symbol, that its code is the same; for what is above, that the published
            summaries below it say the same.
    """

    row: Row
    fresh: bool


def read_summaries(store: CozoStore, repo: str, **wanted: str) -> Iterator[Row]:
    """The repository's fresh summaries: symbols by path and line, then files, then the repository.

    Args:
        wanted: the fields of `Wanted`.

    Raises:
        StoreError: when the database cannot be read.
    """
    return (found.row for found in find_summaries(store, repo, Wanted(**wanted)) if found.fresh)


def find_summaries(store: CozoStore, repo: str, wanted: Wanted) -> Iterator[Found]:
    """As `read_summaries`, with the stale ones among them; page by page.

    Raises:
        StoreError: when the database cannot be read.
    """
    for level, read in (("symbol", _of_symbols), ("file", _of_files), ("repo", _of_repo)):
        if wanted.includes(level):
            for found in read(store, repo, wanted):
                if wanted.status in ("", found.row["status"]):
                    whole = {"repo": repo, "level": level, **found.row}
                    yield Found({field: whole[field] for field in FIELDS}, found.fresh)


def _of_symbols(store: CozoStore, repo: str, wanted: Wanted) -> Iterator[Found]:
    pages = (
        [(wanted.path, wanted.path)]
        if wanted.path
        else page_borders(store, SYMBOL_SUMMARIES, repo, PLAN_ROWS)
    )
    for first, last in pages:
        params = {"repo": repo, "first": first, "last": last}
        rows = store.run(f"read {SYMBOL_SUMMARIES.name}", _SYMBOLS, params)
        rows.sort(key=lambda row: (row["path"], row["start_line"], row["symbol"]))
        for row in rows:
            if wanted.symbol in ("", row["symbol"]):
                yield Found(row, row["content_hash"] == row["code_hash"])


def _of_files(store: CozoStore, repo: str, wanted: Wanted) -> Iterator[Found]:
    """By path; those of files without records any more stand between the others, or at the end."""
    seen = wanted.path
    for page in children_of_files(store, repo, wanted.path):
        files = {file.path: file for file in page}
        for row in _file_rows(store, repo, seen, page[-1].path):
            if row["path"] != seen or wanted.path:
                yield Found({**row, "symbol": ""}, _is_fresh(row, files.get(row["path"])))
        seen = page[-1].path
        if wanted.path:
            return
    for row in _file_rows(store, repo, seen, wanted.path or AFTER_ALL):
        if row["path"] != seen or wanted.path:
            yield Found({**row, "symbol": ""}, fresh=False)


def _file_rows(store: CozoStore, repo: str, first: str, last: str) -> list[Row]:
    params = {"repo": repo, "first": first, "last": last}
    rows = store.run("read file_summaries", _FILES, params)
    return sorted(rows, key=lambda row: row["path"])


def _is_fresh(row: Row, file: FileChildren | None) -> bool:
    if file is None or file.missing:
        return False
    return row["content_hash"] == file.content_hash


def _of_repo(store: CozoStore, repo: str, wanted: Wanted) -> Iterator[Found]:  # noqa: ARG001
    for row in store.run("read repo_summaries", _REPO, {"repo": repo}):
        fresh = row["content_hash"] == repo_hash(store, repo, read_tree(store, repo))
        nowhere = {"path": "", "symbol": "", "start_line": 0, "end_line": 0}
        yield Found({**row, **nowhere}, fresh)
