"""A commit of a git repository as a source: its listed files, and what each one gives.

Not here: the rows' way into the store (ingest.py), and foreign databases (foreign.py).
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

import pygit2

from dobby_pipeline.sources.captures import UnparsableError
from dobby_pipeline.sources.extraction import extract_records
from dobby_pipeline.sources.git_tree import UnreadableBlobError, list_tree, read_blob, tree_id
from dobby_pipeline.sources.languages import grammars_fingerprint, language_of
from dobby_pipeline.sources.records import UNREADABLE, FileContent, ListedFile
from dobby_pipeline.sources.skip_rules import content_reason, entry_reason

_RULES_VERSION = 2  # raise it when the same file would give other records

EXTRACTOR_VERSION = f"{_RULES_VERSION}-{grammars_fingerprint()}"
"""Changes whenever the same blob may give other records: with it, cached records lapse."""


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

    def files(self) -> Iterator[ListedFile]:
        """As `Source.files`.

        Raises:
            SourceError: while iterating, when a tree cannot be read.
        """
        for entry in list_tree(self.repository, self.commit):
            yield ListedFile(entry.path, entry.blob_id, entry.size or 0, entry_reason(entry) or "")

    def read(self, file: ListedFile) -> FileContent:
        """As `Source.read`."""
        try:
            data = read_blob(self.repository, file.path, file.blob)
        except UnreadableBlobError:
            return FileContent(reason=UNREADABLE)
        return content_of(file.path, data)


def content_of(path: str, data: bytes) -> FileContent:
    """What a file of this name and content gives."""
    reason = content_reason(data)
    if reason is not None:
        return FileContent(reason=reason)
    data = data.removeprefix(codecs.BOM_UTF8)
    language = language_of(path, data)
    if language is None:
        return FileContent(reason="unsupported")
    try:
        records = extract_records(path, language, data)
    except UnparsableError:
        return FileContent(reason="unparsable")
    return FileContent(tuple(records), "" if records else "no_symbols")
