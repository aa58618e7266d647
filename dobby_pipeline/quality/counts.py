"""What the store holds of one repository, counted: for the checks and for `dobby status`.

Not here: what the figures should be (checks.py).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from dobby_pipeline.cozo.partition import AFTER_ALL, PLAN_ROWS, page_values
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.children import children_of_files, read_tree, repo_hash
from dobby_pipeline.quality.statuses import PUBLISHED, QUARANTINED
from dobby_pipeline.schema.relations import SNAPSHOTS, SOURCE_RECORDS

_RECORDS = "?[count(symbol), count_unique(path)] := *source_records{repo: $repo, path, symbol}"

_FILES = "?[reason, count(path)] := *source_files{repo: $repo, path, reason}"

_HASHES = ("path", "symbol", "content_hash")

_JUDGED = """
?[path, symbol, content_hash, status, origin] :=
    *symbol_summaries{repo: $repo, path, symbol, summary_key, content_hash},
    path > $after, path <= $last,
    *summary_bodies{summary_key, status, origin}
"""

_FILES_NOW = """
?[path, content_hash, status, origin] :=
    *file_summaries{repo: $repo, path, summary_key, content_hash},
    *summary_bodies{summary_key, status, origin}
"""

_REPO_NOW = """
?[content_hash, status, origin] :=
    *repo_summaries{repo: $repo, summary_key, content_hash},
    *summary_bodies{summary_key, status, origin}
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
    """What one level of a repository has, by verdict; the first three are all that it should have.

    Attributes:
        published: fresh summaries that are served.
        quarantined: fresh ones that are not.
        missing: what has no summary of what it is today.
        extractive: of the published, those that stand in for a model's.
        stale: of the missing, those with a summary of what they were before.
        gone: summaries, not counted above, of what is not there any more.
    """

    published: int = 0
    quarantined: int = 0
    missing: int = 0
    extractive: int = 0
    stale: int = 0
    gone: int = 0

    @property
    def judged(self) -> int:
        """All that have a verdict."""
        return self.published + self.quarantined

    @property
    def outdated(self) -> int:
        """Summaries that are kept but no longer true of anything: never shown as fresh."""
        return self.stale + self.gone

    @property
    def generated_share(self) -> float:
        """Of what has a verdict, the share that a model's own summary is published of; 0 to 1."""
        return (self.published - self.extractive) / self.judged if self.judged else 1.0


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
    """Records by the verdict on their summary.

    Records and summaries are put together here, page by page: the engine looks up every row of a
    join by itself, which took twice the time, and 2 kB of memory a record.
    """
    counts, records, stale, gone = Counter[tuple[str, str]](), 0, 0, 0
    after: str | None = ""
    while after is not None:
        with store.held("count verdicts") as held:
            page, last = page_values(held, SOURCE_RECORDS, repo, after, _HASHES, PLAN_ROWS)
            params = {"repo": repo, "after": after, "last": last or AFTER_ALL}
            rows = held.values("count verdicts", _JUDGED, params)
        hashes = {(path, symbol): content_hash for path, symbol, content_hash in page}
        for path, symbol, content_hash, status, origin in rows:
            now = hashes.get((path, symbol))
            if now == content_hash:
                counts[status, origin] += 1
            elif now is None:
                gone += 1
            else:
                stale += 1
        records += len(page)
        after = last
    told = [(*verdict, count) for verdict, count in counts.items()]
    return _verdicts(told, records, stale=stale, gone=gone)


def count_file_verdicts(store: CozoStore, repo: str) -> Verdicts:
    """Files with records by the verdict on their summary."""
    rows = {row["path"]: row for row in store.run("read file verdicts", _FILES_NOW, _of(repo))}
    if not rows:
        return Verdicts(missing=count_records(store, repo)[1])
    told: list[tuple[str, str, int]] = []
    files = stale = 0
    for page in children_of_files(store, repo):
        files += len(page)
        for file in page:
            row = rows.pop(file.path, None)
            if row is None:
                continue
            if not file.missing and row["content_hash"] == file.content_hash:
                told.append((row["status"], row["origin"], 1))
            else:
                stale += 1
    return _verdicts(told, files, stale=stale, gone=len(rows))


def count_repo_verdicts(store: CozoStore, repo: str) -> Verdicts:
    """The repository, which counts as one where any file has records."""
    rows = store.run("read repo verdict", _REPO_NOW, _of(repo))
    wanted = 1 if count_records(store, repo)[0] else 0
    if not rows or not wanted:
        return Verdicts(missing=wanted, gone=len(rows))
    fresh = rows[0]["content_hash"] == repo_hash(store, repo, read_tree(store, repo))
    told = [(row["status"], row["origin"], 1) for row in rows if fresh]
    return _verdicts(told, wanted, stale=0 if fresh else 1, gone=0)


def _verdicts(
    told: Iterable[tuple[str, str, int]], wanted: int, *, stale: int, gone: int
) -> Verdicts:
    """Verdicts from counts by status and origin.

    Args:
        told: of fresh summaries.
        wanted: how many there should be.
        stale: of those that should be, the ones with a summary of what was there before.
        gone: summaries of what is not there any more.
    """
    counts = Counter[tuple[str, str]]()
    for status, origin, count in told:
        counts[status, origin] += count
    published = sum(n for (status, _), n in counts.items() if status == PUBLISHED)
    quarantined = sum(n for (status, _), n in counts.items() if status == QUARANTINED)
    missing = max(0, wanted - published - quarantined)
    return Verdicts(published, quarantined, missing, counts[PUBLISHED, "extractive"], stale, gone)


def _of(repo: str) -> Row:
    return {"repo": repo}
