"""What an ingest does to a partition in one transaction: files that were looked at, and their rows.

Not here: which files those are (ingest.py), nor what is read from them (file_rows.py).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dobby_pipeline.cozo.partition import Transaction, removal
from dobby_pipeline.cozo.relation import Relation, Row
from dobby_pipeline.schema.relations import (
    FILE_BLOBS,
    FILE_OWNED,
    RELATIONS,
    RESOLVED,
    SOURCE_FILES,
    SOURCE_RECORDS,
    SYMBOL_REFERENCES,
)
from dobby_pipeline.sources.extractor_version import EXTRACTOR_VERSION
from dobby_pipeline.sources.file_rows import Values
from dobby_pipeline.sources.records import ListedFile

REPLACED = (*FILE_OWNED, *RESOLVED)
"""What a file loses when its content is another one."""


@dataclass
class Change:
    """What one transaction does to the partition: files that were looked at, and their rows.

    Attributes:
        rows: what is put, by name of the relation.
        replaced: paths whose rows go first.
        added: paths that have no rows.
    """

    repo: str
    run: str
    rows: dict[str, list[Values]] = field(default_factory=dict[str, list[Values]])
    replaced: list[str] = field(default_factory=list[str])
    added: list[str] = field(default_factory=list[str])

    def replace(
        self, path: str, owned: Mapping[str, list[Values]], *, is_known: bool = True
    ) -> None:
        """Put a file's new rows in the place of those that the path had.

        Args:
            owned: rows of relations of FILE_OWNED, by the relation's name.
            is_known: whether the path can have any.
        """
        (self.replaced if is_known else self.added).append(path)
        for relation, rows in owned.items():
            self.rows.setdefault(relation, []).extend(rows)

    def list(self, file: ListedFile, row: Row) -> None:
        """The file's own row, stamped so that it is not taken for stale.

        Args:
            row: `blob`, `reason`, `language` and the count of `records`.
        """
        place = {"repo": self.repo, "path": file.path, "run": self.run}
        known = {**row, "bytes": file.bytes, "extractor": EXTRACTOR_VERSION}
        self._put(SOURCE_FILES, {**known, **place})
        if row["blob"]:
            self._put(FILE_BLOBS, {**place, "blob": row["blob"]})

    def _put(self, relation: Relation, row: Row) -> None:
        self.rows.setdefault(relation.name, []).extend(relation.rows([row]))

    @property
    def records(self) -> int:
        """Source records to be written."""
        return len(self.rows.get(SOURCE_RECORDS.name, ()))

    def transaction(self, owned: tuple[Relation, ...] = REPLACED) -> Transaction:
        """Remove what the replaced files had in `owned`, then put the rows, all or nothing.

        The engine copies all parameters for each block, which for 2,000 records takes 5 ms and
        5 MB: without replaced files, as in a first ingest, there are no blocks for them. Names
        travel as text, which is one value to copy in place of some ten for each symbol.
        """
        params: dict[str, Any] = {"repo": self.repo}
        blocks: list[str] = []
        if self.replaced:
            # The old blob is looked up in the old rows: before they go.
            params["replaced"] = [[path] for path in self.replaced]
            blocks += [_remove_blobs(), *(f"{{ {removal(relation)} }}" for relation in owned)]
            blocks.append(f"{{ {removal(SOURCE_FILES)} }}")
        if self.added:
            params["added"] = [[path] for path in self.added]
            blocks.append(_ARE_NEW)
        for name, rows in self.rows.items():
            if rows and name == SYMBOL_REFERENCES.name:
                params[name] = [[*keys, _as_json(names)] for *keys, names in rows]
                blocks.append(_PUT_REFERENCES)
            elif rows:
                params[name] = rows
                blocks.append(RELATIONS[name].put(name))
        return Transaction("\n".join(blocks), params, self.records)


_as_json = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode

_PUT_REFERENCES = """
{ rows[repo, path, symbol, text] <- $symbol_references
  ?[repo, path, symbol, names] := rows[repo, path, symbol, text], names = parse_json(text)
  :put symbol_references { repo, path, symbol => names } }
"""

# Another run may have written them since they were looked up.
_ARE_NEW = (
    "{ paths[path] <- $added ?[path] := paths[path], *source_files{repo: $repo, path} "
    ":assert none }"
)


def _remove_blobs() -> str:
    return (
        "{ paths[path] <- $replaced ?[blob, repo, path] := paths[path], repo = $repo, "
        "*source_files{repo: $repo, path, blob} :rm file_blobs {blob, repo, path} }"
    )
