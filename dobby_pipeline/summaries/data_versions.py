"""Data versions of the summary assets: what the level above them reads, as a hash.

Two materialisations of one version give the same roll-ups, so only a new version wakes what is
downstream. Not here: what wakes it (automation/conditions.py).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.children import children_of_files, docs_of_folders
from dobby_pipeline.quality.statuses import PUBLISHED

_FILES = """
?[path, content_hash, status, text] :=
    *file_summaries{repo: $repo, path, summary_key, content_hash},
    *summary_bodies{summary_key, text, status}
:order path
"""

_REPO = """
?[content_hash, status, text] := *repo_summaries{repo: $repo, summary_key, content_hash},
    *summary_bodies{summary_key, text, status}
"""


def data_version(store: CozoStore, asset: str, repo: str) -> str:
    """The version of a partition of `symbol_summaries`, `file_summaries` or `repo_summary`.

    A SHA-256 in hex. Lines, commits, models and texts that the gate refused do not count: no
    prompt above shows them. Reads each summary's text once, a page at a time.

    Raises:
        StoreError: when the database cannot be read.
    """
    digest = hashlib.sha256()
    for seen in _SEEN[asset](store, repo):
        digest.update(json.dumps(seen).encode() + b"\n")
    return digest.hexdigest()


def _symbols(store: CozoStore, repo: str) -> Iterator[list[Any]]:
    """As the files' summaries see them: a file with symbols missing is not summarised."""
    for page in children_of_files(store, repo):
        for file in page:
            whole = not file.missing
            yield [file.path, file.language, whole, file.content_hash if whole else ""]


def _files(store: CozoStore, repo: str) -> Iterable[list[Any]]:
    """As the directories see them; the content hash says whether they are up to date."""
    yield from map(list, sorted(docs_of_folders(store, repo).items()))
    for row in store.run("read file summaries", _FILES, {"repo": repo}):
        yield [row["path"], row["content_hash"], _published(row)]


def _repo(store: CozoStore, repo: str) -> Iterable[list[Any]]:
    for row in store.run("read repo summary", _REPO, {"repo": repo}):
        yield [row["content_hash"], _published(row)]


def _published(row: Mapping[str, Any]) -> str | None:
    return row["text"] if row["status"] == PUBLISHED else None


_SEEN: Mapping[str, Callable[[CozoStore, str], Iterable[list[Any]]]] = {
    "symbol_summaries": _symbols,
    "file_summaries": _files,
    "repo_summary": _repo,
}
