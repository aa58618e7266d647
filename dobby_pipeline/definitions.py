"""The one place where everything is wired, and the seam where tests put their own parts in.

Not here: anything else. Importing it must stay cheap: no mlx, transformers or pandas.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from dobby_pipeline.automation import ingest_repo, new_commits, nightly_refresh, summarize_repo
from dobby_pipeline.cozo.io_manager import cozo_io_manager
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.inference.resource import MlxSessionsResource
from dobby_pipeline.progress import LogReporter
from dobby_pipeline.quality.checks import CHECKS
from dobby_pipeline.schema.assets import cozo_schema
from dobby_pipeline.schema.relations import RELATIONS
from dobby_pipeline.settings import Settings
from dobby_pipeline.sources.assets import source_records
from dobby_pipeline.summaries.assets import symbol_summaries


def build_defs(overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions, with the resources that the environment asks for.

    Args:
        overrides: resources by key that stand in for the environment's.
    """
    settings = Settings.from_env()
    return dg.Definitions(
        assets=[cozo_schema, source_records, symbol_summaries],
        asset_checks=CHECKS,
        jobs=[ingest_repo, summarize_repo],
        schedules=[nightly_refresh],
        sensors=[new_commits],
        # The resources are set up once a run; a process for each step takes 5 to 11 s to start.
        executor=dg.in_process_executor,
        resources={
            "cozo": CozoResource.from_settings(settings),
            "cozo_io_manager": cozo_io_manager(RELATIONS),
            "mlx": MlxSessionsResource.from_settings(settings),
            "progress": LogReporter(),
            **(overrides or {}),
        },
    )


defs = build_defs()
