"""What an ingest does to a partition in one transaction: files that were looked at, and their rows.

Not here: which files those are (ingest.py), nor what is read from them (reader.py).
"""

from dataclasses import dataclass, field
from typing import Any

from dobby_pipeline.cozo.partition import Transaction, removal
from dobby_pipeline.cozo.relation import Relation, Row
from dobby_pipeline.schema.relations import (
    FILE_BLOBS,
    FILE_DOCS,
    FILE_OWNED,
    REDACTIONS,
    RESOLVED,
    SOURCE_FILES,
    SOURCE_RECORDS,
    SYMBOL_REFERENCES,
)
from dobby_pipeline.sources.reader import EXTRACTOR_VERSION
from dobby_pipeline.sources.records import UNREADABLE, FileContent, ListedFile, SourceRecord

REPLACED = (*FILE_OWNED, *RESOLVED)
"""What a file loses when its content is another one."""


@dataclass
class Change:
    """What one transaction does to the partition: files that were looked at, and their rows."""

    repo: str
    run: str
    rows: dict[Relation, list[Row]] = field(default_factory=dict[Relation, list[Row]])
    replaced: list[str] = field(default_factory=list[str])

    def replace(self, path: str, owned: dict[Relation, list[Row]]) -> None:
        """Put a file's new rows in the place of those that the path had."""
        self.replaced.append(path)
        for relation, rows in owned.items():
            self.put(relation, [{**row, "repo": self.repo, "path": path} for row in rows])

    def put(self, relation: Relation, rows: list[Row]) -> None:
        """Rows of a relation to be put."""
        self.rows.setdefault(relation, []).extend(rows)

    def list(self, file: ListedFile, row: Row) -> None:
        """The file's own row, stamped so that it is not taken for stale.

        Args:
            row: `blob`, `reason`, `language` and the count of `records`.
        """
        place = {"repo": self.repo, "path": file.path, "run": self.run}
        known = {**row, "bytes": file.bytes, "extractor": EXTRACTOR_VERSION}
        self.put(SOURCE_FILES, [{**known, **place}])
        if row["blob"]:
            self.put(FILE_BLOBS, [{**place, "blob": row["blob"]}])

    @property
    def records(self) -> int:
        """Source records to be written."""
        return len(self.rows.get(SOURCE_RECORDS, ()))

    def transaction(self, owned: tuple[Relation, ...] = REPLACED) -> Transaction:
        """Remove what the replaced files had in `owned`, then put the rows, all or nothing."""
        params: dict[str, Any] = {"repo": self.repo}
        blocks: list[str] = []
        if self.replaced:
            # The old blob is looked up in the old rows: before they go.
            params["replaced"] = [[path] for path in self.replaced]
            blocks += [_remove_blobs(), *(f"{{ {removal(relation)} }}" for relation in owned)]
            blocks.append(f"{{ {removal(SOURCE_FILES)} }}")
        for relation, rows in self.rows.items():
            if rows:
                params[relation.name] = relation.rows(rows)
                blocks.append(relation.put(relation.name))
        return Transaction("\n".join(blocks), params, self.records)


def _remove_blobs() -> str:
    return (
        "{ paths[path] <- $replaced ?[blob, repo, path] := paths[path], repo = $repo, "
        "*source_files{repo: $repo, path, blob} :rm file_blobs {blob, repo, path} }"
    )


def file_row(file: ListedFile, content: FileContent) -> Row:
    """The file's own row, as far as its content decides it."""
    return {
        # Only what was really read is known by its blob; a damaged one may be mended.
        "blob": "" if file.reason or content.reason == UNREADABLE else file.blob,
        "reason": content.reason,
        "language": content.language,
        "records": len(content.records),
    }


def owned_rows(content: FileContent) -> dict[Relation, list[Row]]:
    """What belongs to the content, by relation."""
    redacted = [{"kind": kind, "count": count} for kind, count in content.redacted.items()]
    return {
        SOURCE_RECORDS: [_record_row(record) for record in content.records],
        SYMBOL_REFERENCES: _reference_rows(content),
        REDACTIONS: redacted,
        FILE_DOCS: [{"doc": content.doc}] if content.doc else [],
    }


def _reference_rows(content: FileContent) -> list[Row]:
    names: dict[str, list[list[str | int]]] = {}
    for found in content.references:
        names.setdefault(found.symbol, []).append([found.kind, found.name, found.count])
    return [{"symbol": symbol, "names": listed} for symbol, listed in names.items()]


def _record_row(record: SourceRecord) -> Row:
    # asdict would copy every value deeply, which took a seventh of an ingest.
    row = {column: getattr(record, column) for column in SOURCE_RECORDS.columns[2:]}
    return {**row, "inner": [*map(list, record.inner)], "parts": [*map(list, record.parts)]}
