"""The one place where everything is wired, and the seam where tests put their own parts in.

Not here: anything else. Importing it must stay cheap: no mlx, transformers or pandas.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg

from dobby_pipeline.automation import JOBS, SCHEDULES, SENSORS
from dobby_pipeline.automation.audit_hook import summarised_is_audited
from dobby_pipeline.automation.conditions import ROLL_UP
from dobby_pipeline.cozo.io_manager import cozo_io_manager
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.engines import keep_engines
from dobby_pipeline.executor import executor
from dobby_pipeline.inference.recorder import pulse
from dobby_pipeline.inference.resource import MlxSessionsResource
from dobby_pipeline.progress import LogReporter
from dobby_pipeline.quality.checks import CHECKS
from dobby_pipeline.schema.assets import cozo_schema
from dobby_pipeline.schema.relations import COLUMNS, RELATIONS, REPO_SUMMARIES
from dobby_pipeline.settings import Settings
from dobby_pipeline.sources.assets import source_records
from dobby_pipeline.summaries.assets import file_summaries, repo_summary, symbol_summaries

NIGHTLY = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=30), fail_window=timedelta(hours=54)
)
"""Somebody looked for new code: each night, as the schedule does, with six hours to finish; the
second night in a row that nobody did is a failure."""


def build_defs(overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions, with the resources that the environment asks for.

    Args:
        overrides: resources by key that stand in for the environment's.
    """
    keep_engines()
    settings = Settings.from_env()
    return dg.Definitions(
        assets=[
            cozo_schema,
            _expected(source_records),
            _expected(symbol_summaries).with_hooks({summarised_is_audited}),
            _rolled_up(_expected(file_summaries)),
            _rolled_up(_expected(repo_summary)),
        ],
        asset_checks=CHECKS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        executor=executor(),
        resources={
            "cozo": CozoResource.from_settings(settings),
            "cozo_io_manager": cozo_io_manager(
                {**RELATIONS, "repo_summary": REPO_SUMMARIES}, COLUMNS
            ),
            "mlx": MlxSessionsResource.from_settings(settings),
            "progress": LogReporter(pulse=pulse),
            **(overrides or {}),
        },
    )


def _expected(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    return asset.map_asset_specs(lambda spec: spec.replace_attributes(freshness_policy=NIGHTLY))


def _rolled_up(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
    return asset.map_asset_specs(lambda spec: spec.replace_attributes(automation_condition=ROLL_UP))


defs = build_defs()
