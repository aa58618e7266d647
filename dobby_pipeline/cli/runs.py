"""Runs of the flow through Dagster, from the command line: they show in the UI like any other.

Not here: what the runs do. A run is executed in this process, without Dagster's daemon, and
waits for the GPU pool like the UI's runs do.
"""

import contextlib
import os
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from dobby_pipeline import errors
from dobby_pipeline.cli.options import RunOptions
from dobby_pipeline.definitions import build_defs
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.progress import Reporter
from dobby_pipeline.quality.summary_checks import LIMIT_TAG
from dobby_pipeline.run_lock import run_lock, settle_dead_runs
from dobby_pipeline.settings import Settings, project_file
from dobby_pipeline.summaries.budget import ENDED_EARLY


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        problems: a line for each step or check that failed.
        notes: a line for each check that only warns.
    """

    run_id: str
    success: bool
    problems: Sequence[str]
    notes: Sequence[str]


@contextlib.contextmanager
def dagster_instance(settings: Settings) -> Generator[dg.DagsterInstance]:
    """The instance that the UI shows too; its folder gets this project's dagster.yaml."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    if not os.environ.get("DAGSTER_HOME") and not (home / "dagster.yaml").exists():
        shutil.copyfile(project_file("dagster.yaml"), home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        settle_dead_runs(instance)
        yield instance


def run_job(
    instance: dg.DagsterInstance,
    job: str,
    repo: str,
    reporter: Reporter,
    options: RunOptions | None = None,
) -> Outcome:
    """Run `job` for one partition, here, and wait for its end.

    Args:
        options: of a job that makes summaries.
    """
    instance.add_dynamic_partitions(repo_partitions.name or "", [repo])
    run_id = str(uuid4())
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    tags = dict[str, str]()
    selection: list[dg.AssetKey] | None = None
    if options is not None:
        config["ops"] = options.config
        selection = [dg.AssetKey(name) for name in options.assets]
        if options.leaves_out:
            tags[LIMIT_TAG] = options.leaves_out
    definitions = build_defs({"progress": reporter})
    with run_lock(instance, run_id):
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            partition_key=repo,
            run_id=run_id,
            run_config=config,
            tags=tags,
            raise_on_error=False,
            asset_selection=selection,
        )
    return _outcome(result)


def _outcome(result: dg.ExecuteInProcessResult) -> Outcome:
    failures = [_causes(e) for e in result.all_events if e.is_step_failure]
    if any(causes[0].cls_name == "DagsterExecutionInterruptedError" for causes in failures):
        raise KeyboardInterrupt
    problems = [_told(causes) for causes in failures]
    evaluations = [e for e in result.get_asset_check_evaluations() if not e.passed]
    blocking = [e for e in evaluations if e.severity == dg.AssetCheckSeverity.ERROR]
    problems = [problem for problem in problems if problem]
    problems += [f"the check {e.check_name} failed: {e.description}" for e in blocking]
    ended = [
        event.materialization.metadata[ENDED_EARLY].value
        for event in result.all_events
        if event.is_step_materialization and ENDED_EARLY in event.materialization.metadata
    ]
    notes = [f"{reason}: the next run goes on" for reason in dict.fromkeys(ended)]
    notes += [f"{e.check_name}: {e.description}" for e in evaluations if e not in blocking]
    return Outcome(result.run_id, result.success, problems, notes)


def _causes(event: dg.DagsterEvent) -> list[SerializableErrorInfo]:
    """The step's error and what caused it, the outermost first."""
    error, chain = event.step_failure_data.error, list[SerializableErrorInfo]()
    while error:
        chain.append(error)
        error = error.cause
    return chain


def _told(causes: list[SerializableErrorInfo]) -> str:
    """A step's failure as one line: ours where the chain holds one of our errors.

    A failed blocking check fails a step too; its evaluation tells it better, so it is empty here.
    """
    known = _error_names()
    for cause in causes:
        if cause.cls_name in known:
            return cause.message.split(": ", 1)[-1].strip()
        if cause.cls_name == "DagsterAssetCheckFailedError":
            return ""
    last = causes[-1].message.strip().splitlines()[0]
    return f"a step failed ({last}): the run's page in the UI has the trace"


def _error_names() -> set[str]:
    """Names of all our error types that were imported, which those that were raised are."""
    names, todo = set[str](), [errors.DobbyError]
    while todo:
        kind = todo.pop()
        names.add(kind.__name__)
        todo += kind.__subclasses__()
    return names
