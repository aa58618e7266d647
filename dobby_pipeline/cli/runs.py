"""Runs of the flow through Dagster, from the command line: they show in the UI like any other.

Not here: what the runs do. A run is executed in this process, without Dagster's daemon, and
waits for the GPU pool like the UI's runs do.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from dobby_pipeline import errors
from dobby_pipeline.automation import summarize_repo
from dobby_pipeline.definitions import build_defs
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.progress import Reporter
from dobby_pipeline.quality.checks import LIMIT_TAG
from dobby_pipeline.settings import Settings, project_file

LOCK_TAG = "dobby/lock"
"""Names the file that a run of the command line keeps locked while its process lives."""


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
    settings: Settings,
    job: str,
    repo: str,
    reporter: Reporter,
    limit: int | None = None,
) -> Outcome:
    """Run `job` for one partition, here, and wait for its end."""
    instance.add_dynamic_partitions(repo_partitions.name or "", [repo])
    run_id = str(uuid4())
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    tags = {LOCK_TAG: str(settings.home / "runs" / f"{run_id}.lock")}
    if limit is not None and job == summarize_repo.name:
        config["ops"] = {"symbol_summaries": {"config": {"limit": limit}}}
        tags[LIMIT_TAG] = str(limit)
    definitions = build_defs({"progress": reporter})
    with _lock(Path(tags[LOCK_TAG])):
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            partition_key=repo,
            run_id=run_id,
            run_config=config,
            tags=tags,
            raise_on_error=False,
        )
    return _outcome(result)


def settle_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark as failed the runs whose process was killed, and free what they held.

    Such a run would stay `started` for ever, and its place in the GPU pool would stay taken.
    The kernel drops a dead process's file lock, so a lock that can be had tells the truth.
    """
    unfinished = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    for run in instance.get_runs(dg.RunsFilter(statuses=unfinished)):
        path = run.tags.get(LOCK_TAG)
        if path and (lock := _try_lock(Path(path))):
            instance.report_run_failed(run, "The process of this run ended without a word.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            lock.close()
            Path(path).unlink(missing_ok=True)


@contextlib.contextmanager
def _lock(path: Path) -> Generator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _try_lock(path: Path) -> IO[str] | None:
    """The locked file, or None while its owner lives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _outcome(result: dg.ExecuteInProcessResult) -> Outcome:
    failures = [_causes(e) for e in result.all_events if e.is_step_failure]
    if any(causes[0].cls_name == "DagsterExecutionInterruptedError" for causes in failures):
        raise KeyboardInterrupt
    problems = [_told(causes) for causes in failures]
    evaluations = [e for e in result.get_asset_check_evaluations() if not e.passed]
    blocking = [e for e in evaluations if e.severity == dg.AssetCheckSeverity.ERROR]
    problems = [problem for problem in problems if problem]
    problems += [f"the check {e.check_name} failed: {e.description}" for e in blocking]
    notes = [f"{e.check_name}: {e.description}" for e in evaluations if e not in blocking]
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
