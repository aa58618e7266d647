"""Summary bodies that nothing refers to any more, and their removal.

Not here: removing a repository's own rows, which ingest and registry do.
"""

from datetime import UTC, datetime, timedelta

from dobby_pipeline.cozo.store import CozoStore

KEPT_DAYS = 7
"""A body younger than this stays: a run commits bodies before the rows that refer to them, and a
branch that is switched back, or a model, finds its summaries again."""

_PAGE = 500

_UNREFERRED = """
?[summary_key] := *summary_bodies{summary_key, created_at}, created_at < $before,
    not referred[summary_key]
"""

_REFERRED = """
referred[summary_key] := *symbol_summaries{summary_key}
referred[summary_key] := *file_summaries{summary_key}
referred[summary_key] := *directory_summaries{summary_key}
referred[summary_key] := *repo_summaries{summary_key}
"""


def collect_garbage(store: CozoStore, kept_days: float = KEPT_DAYS) -> int:
    """Remove the bodies older than `kept_days` that no summary of any repo refers to.

    Finding and removing are one transaction, so that a row written meanwhile keeps its body. A
    run that saw such an old body and writes its row after this finds it missing at its check,
    and the next run makes it again.

    Returns:
        How many were removed.
    """
    before = (datetime.now(UTC) - timedelta(days=kept_days)).isoformat(timespec="milliseconds")
    removed = 0
    while True:
        rows = store.run(
            "remove unreferred summary_bodies",
            f"{_REFERRED}{_UNREFERRED}:limit {_PAGE} :rm summary_bodies {{summary_key}} :returning",
            {"before": before},
            write=True,
        )
        deleted = sum(row["_kind"] == "deleted" for row in rows)
        removed += deleted
        if deleted < _PAGE:
            return removed
