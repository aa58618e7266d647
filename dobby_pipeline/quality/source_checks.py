"""The asset checks on source records: nothing that git lists is lost on the way to the store.

Not here: the counting (counts.py).
"""

import dagster as dg

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.counts import count_files, count_records, snapshot
from dobby_pipeline.quality.repo_check import repo_check

_EMPTY = "?[count(symbol)] := *source_records{repo: $repo, path, symbol, code}, code == ''"


@repo_check("source_records", "Files with records and files in the skip ledger are all files.")
def every_file_is_accounted_for(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """Invariant: no listed file is lost between git and the store."""
    read = snapshot(store, repo)
    listed = read.files if read else -1
    with_records = count_records(store, repo)[1]
    files = count_files(store, repo)
    skipped = sum(count for reason, count in files.items() if reason)
    return dg.AssetCheckResult(
        passed=listed == with_records + skipped and files.get("", 0) == with_records,
        description=f"{repo}: {listed} listed, {with_records} with records, {skipped} skipped",
        metadata={"listed": listed, "with records": with_records, "skipped": skipped},
    )


@repo_check("source_records", "As many rows are stored as records were read: no key stands twice.")
def keys_are_unique(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """Two records of one key would overwrite each other, and the count would fall short."""
    read = snapshot(store, repo)
    expected = read.records if read else -1
    stored = count_records(store, repo)[0]
    return dg.AssetCheckResult(
        passed=stored == expected,
        description=f"{repo}: {expected} records read, {stored} rows stored",
        metadata={"read": expected, "stored": stored},
    )


@repo_check("source_records", "Every record has code.")
def no_record_is_empty(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """A record without code would be summarised from its name alone."""
    rows = store.run("count empty source_records", _EMPTY, {"repo": repo})
    empty = rows[0]["count(symbol)"]
    return dg.AssetCheckResult(
        passed=empty == 0, description=f"{repo}: {empty} empty", metadata={"empty": empty}
    )
