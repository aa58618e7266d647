"""The audit log's row for each run that summarised a repository.

Not here: the log (schema/audit.py).
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from dobby_pipeline.automation.commits import PARTITION_TAG
from dobby_pipeline.quality.counts import count_verdicts, snapshot
from dobby_pipeline.schema.audit import record_event

if TYPE_CHECKING:
    from dobby_pipeline.cozo.resource import CozoResource

_LAUNCHERS = {
    "dagster/sensor_name": "sensor",
    "dagster/schedule_name": "schedule",
    "dagster/backfill": "backfill",
    "user": "user",
}
"""Tags that say who launched a run."""


@dg.success_hook(name="summarised_is_audited", required_resource_keys={"cozo"})
def summarised_is_audited(context: dg.HookContext) -> None:
    """Record that a run brought a repository's summaries up to date, and what it then held."""
    cozo: CozoResource = context.resources.cozo
    store = cozo.store()
    run = context.instance.get_run_by_id(context.run_id)
    repo = run.tags.get(PARTITION_TAG, "") if run else ""
    read, verdicts = snapshot(store, repo), count_verdicts(store, repo)
    detail: dict[str, Any] = {
        "asset": context.op.name,
        "commit": read.commit if read else "",
        "published": verdicts.published,
        "quarantined": verdicts.quarantined,
        "missing": verdicts.missing,
    }
    tags = run.tags if run else {}
    detail |= {name: tags[tag] for tag, name in _LAUNCHERS.items() if tag in tags}
    record_event(store, "summarised", repo, detail, f"dagster:run:{context.run_id}")
