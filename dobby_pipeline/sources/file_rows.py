"""What a file's content gives, as rows of the relations that it owns.

They are made where the file is read: lists of text and numbers go from one process to another at
half the cost of records. Not here: reading (reader.py), and what is done with the rows (change.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from dobby_pipeline.cozo.relation import Relation, Row
from dobby_pipeline.schema.relations import (
    FILE_DOCS,
    REDACTIONS,
    SOURCE_RECORDS,
    SYMBOL_REFERENCES,
)
from dobby_pipeline.sources.records import UNREADABLE, FileContent, ListedFile

Values = list[Any]
"""A row in the order of its relation's columns."""

_RECORD = attrgetter(*SOURCE_RECORDS.columns[2:-2])


@dataclass(frozen=True, slots=True)
class FileRows:
    """One file's rows.

    Attributes:
        blob: what it is known by; empty where its content was not read.
        reason: why it gave no record, if it gave none.
        language: whose grammar read it, empty where none did.
        records: how many it gave.
        owned: by name of a relation of FILE_OWNED; only those of which there are rows.
    """

    blob: str
    reason: str
    language: str
    records: int
    owned: Mapping[str, list[Values]] = field(default_factory=dict[str, list[Values]])

    @property
    def row(self) -> Row:
        """The file's own row, as far as its content decides it."""
        known = ("blob", "reason", "language", "records")
        return {column: getattr(self, column) for column in known}


def file_rows(repo: str, file: ListedFile, content: FileContent) -> FileRows:
    """The rows of a listed file of this content."""
    owned: dict[Relation, list[Values]] = {
        SOURCE_RECORDS: [
            [repo, file.path, *_RECORD(record), _pairs(record.inner), _pairs(record.parts)]
            for record in content.records
        ],
        SYMBOL_REFERENCES: _reference_rows(repo, file.path, content),
        REDACTIONS: [[repo, file.path, kind, count] for kind, count in content.redacted.items()],
        FILE_DOCS: [[repo, file.path, content.doc]] if content.doc else [],
    }
    return FileRows(
        # Only what was really read is known by its blob; a damaged one may be mended.
        blob="" if file.reason or content.reason == UNREADABLE else file.blob,
        reason=content.reason,
        language=content.language,
        records=len(content.records),
        owned={relation.name: rows for relation, rows in owned.items() if rows},
    )


def _reference_rows(repo: str, path: str, content: FileContent) -> list[Values]:
    names: dict[str, list[Values]] = {}
    for found in content.references:
        names.setdefault(found.symbol, []).append([found.kind, found.name, found.count])
    return [[repo, path, symbol, listed] for symbol, listed in names.items()]


def _pairs(spans: tuple[tuple[int, int], ...]) -> list[list[int]]:
    return [list(span) for span in spans]
