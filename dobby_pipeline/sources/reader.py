"""A commit as a stream of source records and ledger rows, every listed file accounted for.

Not here: the rows' way into the store (ingest.py).
"""

import codecs
from collections.abc import Iterable, Iterator

import pygit2

from dobby_pipeline.sources.captures import UnparsableError
from dobby_pipeline.sources.extraction import extract_records
from dobby_pipeline.sources.git_tree import TreeEntry, UnreadableBlobError, list_tree, read_blob
from dobby_pipeline.sources.languages import grammars_fingerprint, language_of
from dobby_pipeline.sources.records import SkippedFile, SourceRecord
from dobby_pipeline.sources.skip_rules import content_reason, entry_reason

_RULES_VERSION = 1  # raise it when the same file would give other records

EXTRACTOR_VERSION = f"{_RULES_VERSION}-{grammars_fingerprint()}"
"""Changes whenever the same blob may give other records: with it, cached records lapse."""


def read_source(repository: pygit2.Repository, commit: str) -> Iterator[SourceRecord | SkippedFile]:
    """Everything at `commit`, file by file in git's order.

    Each file that `git ls-tree -r` lists gives one or more records, or exactly one SkippedFile.
    One file is held at a time.

    Raises:
        SourceError: while iterating, when a tree cannot be read. One blob that cannot be read is
            a SkippedFile.
    """
    for entry in list_tree(repository, commit):
        yield from read_file(repository, entry)


def read_file(
    repository: pygit2.Repository, entry: TreeEntry
) -> Iterable[SourceRecord | SkippedFile]:
    """One listed file's records, or why it has none."""
    reason = entry_reason(entry)
    if reason is None:
        try:
            data = read_blob(repository, entry)
        except UnreadableBlobError:
            reason = "unreadable"
        else:
            found = records_of(entry.path, data)
            if not isinstance(found, str):
                return found
            reason = found
    return [SkippedFile(entry.path, reason, entry.size or 0)]


def records_of(path: str, data: bytes) -> list[SourceRecord] | str:
    """The records in a file's content, or the reason why there are none."""
    reason = content_reason(data)
    if reason is not None:
        return reason
    data = data.removeprefix(codecs.BOM_UTF8)
    language = language_of(path, data)
    if language is None:
        return "unsupported"
    try:
        return extract_records(path, language, data) or "no_symbols"
    except UnparsableError:
        return "unparsable"
