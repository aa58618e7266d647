"""A commit of a git repository as a source: its listed files, and what each one gives.

Not here: the rows' way into the store (ingest.py), and foreign databases (foreign.py).
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pygit2

from dobby_pipeline.sources.captures import UnparsableError
from dobby_pipeline.sources.extraction import extract
from dobby_pipeline.sources.file_doc import MARKDOWN, MAX_READ, PLAIN, text_doc
from dobby_pipeline.sources.git_tree import (
    UnreadableBlobError,
    open_repository,
    read_blob,
    tree_id,
)
from dobby_pipeline.sources.languages import language_of, suffix_of
from dobby_pipeline.sources.records import UNPARSABLE, UNREADABLE, FileContent, ListedFile
from dobby_pipeline.sources.secrets import redact
from dobby_pipeline.sources.skip_rules import content_reason, entry_reason, is_written_by_hand
from dobby_pipeline.sources.tree_rules import placed_entries

_BY_HAND = "+by-hand"
"""Ends a file's `blob` where `.gitattributes` says `-linguist-generated`: the same content gives
other records there, since its own word that a program wrote it does not count."""


@dataclass(frozen=True)
class GitSource:
    """A commit's tree: each file that `git ls-tree -r` lists gives records or has a reason.

    One file is held at a time.
    """

    repository: pygit2.Repository
    commit: str

    @property
    def version(self) -> str:
        """The commit's id."""
        return self.commit

    @property
    def content(self) -> str:
        """The tree's id: a commit that changes no file has the tree of its parent."""
        return tree_id(self.repository, self.commit)

    @property
    def portable(self) -> bool:
        """As `Source.portable`."""
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.repository.path, self.commit)

    def files(self) -> Iterator[ListedFile]:
        """As `Source.files`.

        Raises:
            SourceError: while iterating, when a tree cannot be read.
        """
        for file in placed_entries(self.repository, self.commit):
            entry = file.entry
            blob = entry.blob_id + (_BY_HAND if is_written_by_hand(file) else "")
            yield ListedFile(entry.path, blob, entry.size or 0, entry_reason(file) or "")

    def read(self, file: ListedFile) -> FileContent:
        """As `Source.read`."""
        blob_id = file.blob.removesuffix(_BY_HAND)
        try:
            data = read_blob(self.repository, file.path, blob_id)
        except UnreadableBlobError:
            return FileContent(reason=UNREADABLE)
        return content_of(file.path, data, by_hand=blob_id != file.blob)


@lru_cache(maxsize=1)
def _reopened(folder: str, commit: str) -> GitSource:
    return GitSource(open_repository(Path(folder)), commit)


def content_of(path: str, data: bytes, *, by_hand: bool = False) -> FileContent:
    """What a file of this name and content gives.

    Args:
        path: only its suffix counts, or the whole name where there is none.
        data: the file's bytes.
        by_hand: whether it is read although it says that a program wrote it.
    """
    reason = content_reason(suffix_of(path), data, by_hand=by_hand)
    if reason is not None:
        return FileContent(reason=reason)
    data = data.removeprefix(codecs.BOM_UTF8)
    language = language_of(path, data)
    if language is None:
        return _of_text(suffix_of(path), data)
    clean = redact(data)
    try:
        found = extract(path, language, clean.data)
    except UnparsableError:
        return FileContent(reason=UNPARSABLE, language=language.name, redacted=clean.found)
    return FileContent(
        tuple(found.records),
        reason="" if found.records else "no_symbols",
        language=language.name,
        references=tuple(found.references),
        redacted=clean.found,
        doc=found.doc,
    )


def _of_text(suffix: str, data: bytes) -> FileContent:
    """What is no code gives no record; what its beginning says of a folder is kept."""
    if suffix not in MARKDOWN | PLAIN:
        return FileContent(reason="unsupported")
    head = data[:MAX_READ]
    clean = redact(head[: head.rfind(b"\n") + 1] if len(data) > MAX_READ else head)
    doc = text_doc(suffix, clean.data)
    return FileContent(reason="unsupported", redacted=clean.found, doc=doc)
