"""What the store holds of one repository, counted: for the checks and for `dobby status`.

Not here: what the figures should be (checks.py).
"""

from dataclasses import dataclass

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.gate import PUBLISHED, QUARANTINED
from dobby_pipeline.schema.relations import SNAPSHOTS

_RECORDS = "?[count(symbol), count_unique(path)] := *source_records{repo: $repo, path, symbol}"

_FILES = "?[reason, count(path)] := *source_files{repo: $repo, path, reason}"

_VERDICTS = """
verdict[path, symbol, status] :=
    *symbol_summaries{repo: $repo, path, symbol, summary_key, content_hash},
    *source_records{repo: $repo, path, symbol, content_hash},
    *summary_bodies{summary_key, status}
?[status, count(symbol)] := verdict[path, symbol, status]
"""


@dataclass(frozen=True)
class Snapshot:
    """The last commit whose ingest came to its end; the figures are what was read then."""

    commit: str
    files: int
    records: int
    updated_at: str


@dataclass(frozen=True)
class Verdicts:
    """Summaries of the present code by verdict; one for code that has changed is `missing`."""

    published: int
    quarantined: int
    missing: int


def snapshot(store: CozoStore, repo: str) -> Snapshot | None:
    """The repository's snapshot, or None before its first ingest."""
    columns = "commit, files, records, updated_at"
    rows = store.run(
        "read snapshots", f"?[{columns}] := *{SNAPSHOTS.name}{{repo: $repo, {columns}}}", _of(repo)
    )
    return Snapshot(**rows[0]) if rows else None


def count_records(store: CozoStore, repo: str) -> tuple[int, int]:
    """Records, and the files that they stand in."""
    row = store.run("count source_records", _RECORDS, _of(repo))[0]
    return row["count(symbol)"], row["count_unique(path)"]


def count_files(store: CozoStore, repo: str) -> dict[str, int]:
    """Listed files by the reason why they gave no record, the most frequent first.

    Those that gave some are counted under the empty reason.
    """
    rows = store.run("count source_files", _FILES, _of(repo))
    rows.sort(key=lambda row: (-row["count(path)"], row["reason"]))
    return {row["reason"]: row["count(path)"] for row in rows}


def count_skipped(store: CozoStore, repo: str) -> dict[str, int]:
    """Files in the skip ledger by reason, the most frequent first."""
    return {reason: count for reason, count in count_files(store, repo).items() if reason}


def count_verdicts(store: CozoStore, repo: str) -> Verdicts:
    """Records by the verdict on their summary."""
    rows = store.run("count verdicts", _VERDICTS, _of(repo))
    counts = {row["status"]: row["count(symbol)"] for row in rows}
    published, quarantined = counts.get(PUBLISHED, 0), counts.get(QUARANTINED, 0)
    records, _ = count_records(store, repo)
    return Verdicts(published, quarantined, records - published - quarantined)


def _of(repo: str) -> Row:
    return {"repo": repo}
