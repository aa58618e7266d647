"""The sensors that call a webhook: for runs that failed, and for asset checks that did not pass.

Not here: the call itself (webhook.py). What is sent holds names, counts and our own lines, never
the text of a foreign error: that could quote code.

A sensor keeps the place of the last run that was told. One whose alert did not arrive is told
again at the next tick, before any later one; a run that ends twice tells twice.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TypedDict

import dagster as dg

from dobby_pipeline import errors
from dobby_pipeline.automation.commits import PARTITION_TAG
from dobby_pipeline.automation.webhook import URL_ENV, WebhookError, alert_url, post_alert

RUNS_A_TICK = 100
BUDGET_S = 25.0
"""A tick begins no further call after this; Dagster gives up on it after 60 s."""

INTERVAL_S = 30

_FAILED = (dg.DagsterEventType.RUN_FAILURE,)
_ENDED = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)


class FailedCheck(TypedDict):
    """An asset check that did not pass, as an alert tells it."""

    asset: str
    check: str
    repo: str
    severity: str
    description: str


class Alert(TypedDict, total=False):
    """What is POSTed, as JSON.

    Attributes:
        kind: `run_failure` or `check_failure`.
        text: a line for people; chat services show this field.
        job, run_id: of the run.
        repo: its partition; empty for a run without one.
        time: when the run ended, ISO 8601, UTC.
        reason: why it failed, in our words; of run_failure.
        will_retry: whether Dagster starts it once more; of run_failure.
        checks: those that did not pass; of check_failure.
    """

    kind: str
    text: str
    job: str
    run_id: str
    repo: str
    time: str
    reason: str
    will_retry: bool
    checks: Sequence[FailedCheck]


Tells = Callable[[dg.DagsterInstance, dg.DagsterRun, dg.EventLogRecord], Alert | None]


@dg.sensor(
    name="alert_on_run_failure",
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Calls the webhook {URL_ENV} for each run that failed; idle while it is unset.",
)
def alert_on_run_failure(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """One call for each failed run, in their order."""
    return _tell(context, _FAILED, run_failure)


@dg.sensor(
    name="alert_on_check_failure",
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        f"Calls the webhook {URL_ENV} for each run with asset checks that did not pass, when the "
        "run has ended; idle while it is unset."
    ),
)
def alert_on_check_failure(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """One call for each run that had failing checks, in the order in which the runs ended."""
    return _tell(context, _ENDED, check_failure)


def run_failure(
    instance: dg.DagsterInstance, run: dg.DagsterRun, record: dg.EventLogRecord
) -> Alert | None:
    """The alert for a failed run."""
    reason = _reason(instance, run.run_id)
    alert = _alert("run_failure", run, record)
    alert["reason"] = reason
    alert["will_retry"] = run.tags.get("dagster/will_retry") == "true"
    again = ", it is retried" if alert["will_retry"] else ""
    alert["text"] = f"Dobby: {_name(run)} failed{again}: {reason}"
    return alert


def check_failure(
    instance: dg.DagsterInstance, run: dg.DagsterRun, record: dg.EventLogRecord
) -> Alert | None:
    """The alert for the checks of a run that did not pass, or None when all did."""
    checks = list(_failed_checks(instance, run))
    if not checks:
        return None
    alert = _alert("check_failure", run, record)
    alert["checks"] = checks
    told = "; ".join(f"{check['check']}: {check['description']}" for check in checks)
    alert["text"] = f"Dobby: checks did not pass in {_name(run)}: {told}"
    return alert


def _tell(
    context: dg.SensorEvaluationContext, events: Sequence[dg.DagsterEventType], tells: Tells
) -> dg.SensorResult:
    instance = context.instance
    try:
        url = alert_url()
    except WebhookError as error:
        context.log.warning(str(error))
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    if not url:
        return dg.SensorResult(skip_reason=f"{URL_ENV} is not set", cursor=context.cursor)
    if context.cursor is None:
        # What failed before alerts were wished for is not told.
        return dg.SensorResult(skip_reason="from now on", cursor=str(_last(instance, events)))
    place, told, deadline = int(context.cursor), 0, time.monotonic() + BUDGET_S
    for record in _after(instance, events, place):
        if time.monotonic() > deadline:
            break
        run = instance.get_run_by_id(record.run_id)
        # A run that a person deleted has nothing more to tell.
        alert = tells(instance, run, record) if run else None
        if alert:
            try:
                post_alert(url, alert)
            except WebhookError as error:
                context.log.warning(str(error))
                reason = f"{error}; it is tried again at the next tick"
                return dg.SensorResult(skip_reason=reason, cursor=str(place))
            told += 1
        place = record.storage_id
    return dg.SensorResult(skip_reason=f"{told} alerts sent", cursor=str(place))


def _after(
    instance: dg.DagsterInstance, events: Sequence[dg.DagsterEventType], place: int
) -> list[dg.EventLogRecord]:
    """The next ends of runs behind a place, in the order in which they were stored."""
    found = [
        record
        for event in events
        for record in instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(event_type=event, after_storage_id=place),  # pyright: ignore[reportArgumentType]
            limit=RUNS_A_TICK,
            ascending=True,
        ).records
    ]
    return sorted(found, key=lambda record: record.storage_id)[:RUNS_A_TICK]


def _last(instance: dg.DagsterInstance, events: Sequence[dg.DagsterEventType]) -> int:
    """The place of the last end of a run; 0 before the first."""
    return max(
        (
            record.storage_id
            for event in events
            for record in instance.fetch_run_status_changes(event, limit=1).records
        ),
        default=0,
    )


def _alert(kind: str, run: dg.DagsterRun, record: dg.EventLogRecord) -> Alert:
    ended = datetime.fromtimestamp(record.event_log_entry.timestamp, UTC)
    return {
        "kind": kind,
        "job": run.job_name,
        "run_id": run.run_id,
        "repo": run.tags.get(PARTITION_TAG, ""),
        "time": ended.isoformat(timespec="seconds"),
    }


def _name(run: dg.DagsterRun) -> str:
    repo = run.tags.get(PARTITION_TAG)
    return f"{run.job_name} of {repo}" if repo else run.job_name


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a run failed: our own line where one of our errors did it, else where to look."""
    failures = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    known = _own_errors()
    for record in failures.records:
        event = record.event_log_entry.get_dagster_event()
        error = event.step_failure_data.error
        while error:
            name = (error.cls_name or "").rpartition(".")[2]
            if name in known:
                return " ".join(error.message.split(": ", 1)[-1].split())
            if name == "DagsterAssetCheckFailedError":
                return "a blocking check did not pass"
            if error.cause is None:
                return f"{name} in the step {event.step_key}: see the run's page"
            error = error.cause
    return "its process ended without a word, or it was marked as failed: see the run's page"


def _own_errors() -> set[str]:
    """Names of the errors whose text is ours; Failure is raised by our own jobs alone."""
    names, todo = {"Failure"}, [errors.DobbyError]
    while todo:
        kind = todo.pop()
        names.add(kind.__name__)
        todo += kind.__subclasses__()
    return names


def _failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[FailedCheck]:
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    for record in instance.get_records_for_run(run.run_id, of_type=kind).records:
        found = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
        if not found.passed:
            yield {
                "asset": found.asset_key.to_user_string(),
                "check": found.check_name,
                "repo": found.partition or run.tags.get(PARTITION_TAG, ""),
                "severity": found.severity.value,
                "description": found.description or "",
            }
