"""Summaries with their provenance, as they are shown and exported.

Not here: making them (generate.py).
"""

from collections.abc import Iterator

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
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

_REFERENCE = ("path", "symbol", "summary_key", "content_hash", "commit", "start_line", "end_line")
_BODY = SUMMARY_BODIES.values

_PATHS = "?[path] := *symbol_summaries{repo: $repo, path} :order path"

_OF_PATHS = f"""
?[{", ".join((*_REFERENCE, *_BODY))}] :=
    *symbol_summaries{{repo: $repo, {", ".join(_REFERENCE)}}},
    path >= $first, path <= $last,
    *source_records{{repo: $repo, path, symbol, content_hash}},
    *summary_bodies{{summary_key, {", ".join(_BODY)}}}
"""

_PATHS_A_PAGE = 100


def read_summaries(
    store: CozoStore, repo: str, *, path: str = "", symbol: str = "", status: str = ""
) -> Iterator[Row]:
    """The repository's symbol summaries of the code as it was last read, by path and line.

    A summary whose code has changed since is not among them.

    Args:
        path: only this file's, or empty for all.
        symbol: only this symbol's, or empty for all.
        status: only those with this verdict, or empty for both.
    """
    paths = [path] if path else _paths(store, repo)
    for start in range(0, len(paths), _PATHS_A_PAGE):
        page = paths[start : start + _PATHS_A_PAGE]
        params = {"repo": repo, "first": page[0], "last": page[-1]}
        rows = store.run(f"read {SYMBOL_SUMMARIES.name}", _OF_PATHS, params)
        rows.sort(key=lambda row: (row["path"], row["start_line"], row["symbol"]))
        for row in rows:
            if (not symbol or row["symbol"] == symbol) and (not status or row["status"] == status):
                whole = {"repo": repo, "level": "symbol", **row}
                yield {field: whole[field] for field in FIELDS}


def _paths(store: CozoStore, repo: str) -> list[str]:
    rows = store.run(f"page {SYMBOL_SUMMARIES.name}", _PATHS, {"repo": repo})
    return [row["path"] for row in rows]
