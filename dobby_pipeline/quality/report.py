"""The quality of a level of summaries as figures and pictures, for an asset's page.

Not here: what must hold (summary_checks.py).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from dobby_pipeline.charts import bar_chart, line_chart
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.counts import (
    Verdicts,
    count_file_verdicts,
    count_repo_verdicts,
    count_verdicts,
)

SHARE = "model's own published share"
"""The figure that is followed from run to run."""

RUNS = 50
"""Materialisations that the history looks back on."""

_DAY_S = 86_400

_COUNTS: Mapping[str, Callable[[CozoStore, str], Verdicts]] = {
    "symbol_summaries": count_verdicts,
    "file_summaries": count_file_verdicts,
    "repo_summary": count_repo_verdicts,
}

_REASONS = {
    "symbol_summaries": "symbol_summaries{repo: $repo, path, symbol, summary_key}",
    "file_summaries": "file_summaries{repo: $repo, path, summary_key}",
    "repo_summary": "repo_summaries{repo: $repo, summary_key}",
}


def quality_report(context: dg.AssetExecutionContext, store: CozoStore) -> dict[str, Any]:
    """Verdicts and reasons of the asset's partition, as metadata; a picture of both over the runs.

    Raises:
        StoreError: when the database cannot be read.
    """
    asset, repo = context.asset_key.path[-1], context.partition_key
    verdicts = _COUNTS[asset](store, repo)
    counts = {
        "by the model": verdicts.published - verdicts.extractive,
        "extractive": verdicts.extractive,
        "quarantined": verdicts.quarantined,
        "missing": verdicts.missing,
    }
    reasons = refused_by_rule(store, repo, asset)
    drawn = {"summaries": {k: n for k, n in counts.items() if n}, "refused by rule": reasons}
    report: dict[str, Any] = {"quality": dg.MetadataValue.md(bar_chart(drawn))}
    if verdicts.judged:
        share = verdicts.generated_share
        report[SHARE] = share
        points = [*_history(context, asset, repo), (0.0, share)]
        if len(points) > 1:
            picture = line_chart({SHARE: points}, "days before this run")
            report["quality over the runs"] = dg.MetadataValue.md(picture)
    return report


def refused_by_rule(store: CozoStore, repo: str, asset: str) -> dict[str, int]:
    """First attempts that the gate refused, by the rule that was the first to object."""
    rows = store.run(
        "read reasons",
        f"?[summary_key, reasons] := *{_REASONS[asset]}, "
        "*summary_bodies{summary_key, reasons}, reasons != []",
        {"repo": repo},
    )
    return dict(Counter(row["reasons"][0].partition(":")[0] for row in rows))


def _history(context: dg.AssetExecutionContext, asset: str, repo: str) -> list[tuple[float, float]]:
    """Days before now, as negative numbers, and the share then."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[repo])
    found = context.instance.fetch_materializations(wanted, limit=RUNS).records
    record = context.instance.get_run_record_by_id(context.run.run_id)
    now = record.start_time if record and record.start_time else None
    points: list[tuple[float, float]] = []
    for event in reversed(found):
        metadata = event.asset_materialization.metadata if event.asset_materialization else {}
        value = metadata.get(SHARE)
        if now is not None and isinstance(value, dg.FloatMetadataValue) and value.value is not None:
            points.append((min(0.0, (event.timestamp - now) / _DAY_S), value.value))
    return points
