"""One repository's commit into the store: records, the skip ledger, and the snapshot.

Not here: what makes a record (reader.py) or where Dagster comes in (assets.py).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from dobby_pipeline.cozo.partition import BATCH_ROWS, Batches, remove_stale
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.progress import Progress, Report
from dobby_pipeline.schema.relations import SKIPPED_FILES, SNAPSHOTS
from dobby_pipeline.sources.checkout import Checkout
from dobby_pipeline.sources.git_tree import list_tree
from dobby_pipeline.sources.reader import EXTRACTOR_VERSION, read_source
from dobby_pipeline.sources.records import SkippedFile, SourceRecord


@dataclass
class Counts:
    """What an ingest has seen so far."""

    files: int = 0
    records: int = 0
    languages: Counter[str] = field(default_factory=Counter[str])
    skipped: Counter[str] = field(default_factory=Counter[str])


def ingest(store: CozoStore, repo: str, run: str, source: Checkout, report: Report) -> Batches:
    """The commit's records as batches to commit; the skip ledger is written beside them.

    The snapshot, which tells everybody else what the partition holds, is written last.

    Raises:
        SourceError: while draining, when the repository cannot be read to its end.
        StoreError: while draining, when the ledger cannot be written.
    """
    counts = Counts(files=sum(1 for _ in list_tree(source.repository, source.commit)))

    def finish() -> dict[str, Any]:
        _write_snapshot(store, repo, source.commit, counts)
        return _metadata(source.commit, counts)

    return Batches(_batches(store, repo, run, source, counts, report), finish)


def _batches(
    store: CozoStore, repo: str, run: str, source: Checkout, counts: Counts, report: Report
) -> Iterator[Sequence[Row]]:
    records: list[Row] = []
    ledger: list[Row] = []
    place = {"repo": repo, "commit": source.commit, "run": run}
    seen, path = 0, None
    for item in read_source(source.repository, source.commit):
        if item.path != path:
            path, seen = item.path, seen + 1
        if isinstance(item, SkippedFile):
            counts.skipped[item.reason] += 1
            ledger.append({**place, **asdict(item)})
        else:
            counts.records += 1
            counts.languages[item.language] += 1
            records.append({**place, **_record_row(item)})
        if len(ledger) >= BATCH_ROWS:
            _write_ledger(store, ledger)
        if len(records) >= BATCH_ROWS:
            yield records
            records = []
            report(Progress("source_records", repo, seen, counts.files, "files"))
    _write_ledger(store, ledger)
    yield records
    remove_stale(store, SKIPPED_FILES, repo, run)
    report(Progress("source_records", repo, counts.files, counts.files, "files"))


def _record_row(record: SourceRecord) -> Row:
    return {**asdict(record), "inner": [list(span) for span in record.inner]}


def _write_ledger(store: CozoStore, ledger: list[Row]) -> None:
    if ledger:
        params = {"rows": SKIPPED_FILES.rows(ledger)}
        store.run("write skipped_files", SKIPPED_FILES.put(), params, write=True)
        ledger.clear()


def _write_snapshot(store: CozoStore, repo: str, commit: str, counts: Counts) -> None:
    row = {
        "repo": repo,
        "commit": commit,
        "files": counts.files,
        "records": counts.records,
        "extractor": EXTRACTOR_VERSION,
        "updated_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    store.run("write snapshots", SNAPSHOTS.put(), {"rows": SNAPSHOTS.rows([row])}, write=True)


def _metadata(commit: str, counts: Counts) -> dict[str, Any]:
    return {
        "commit": commit,
        "files": counts.files,
        "skipped files": counts.skipped.total(),
        "records by language": dict(counts.languages.most_common()),
        "skipped by reason": dict(counts.skipped.most_common()),
    }
