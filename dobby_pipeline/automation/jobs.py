"""The jobs over the flow's assets.

Not here: what launches them (schedules.py, commits.py), nor the jobs that look after the
database (upkeep.py). A backfill needs nothing of ours: the UI launches `summarize_repo` over the
partitions that a person ticks.
"""

import dagster as dg

from dobby_pipeline.automation.conditions import FLOW_TAG

ingest_repo = dg.define_asset_job(
    "ingest_repo",
    selection=["cozo_schema", "source_records"],
    description="Reads a repository's records; no model is needed.",
)

summarize_repo = dg.define_asset_job(
    "summarize_repo",
    selection=[
        "cozo_schema",
        "source_records",
        "symbol_summaries",
        "file_summaries",
        "repo_summary",
    ],
    description="Moves a repository through the whole flow.",
    tags={FLOW_TAG: "summarize_repo"},
)
