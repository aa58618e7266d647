"""Runs of a backfill in one process: real workers, under Dagster's daemon and without it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemotePartitionSetOrigin,
    RemoteRepositoryOrigin,
)

from dobby_pipeline.automation.hand_over import hand_over, handed_over
from dobby_pipeline.definitions import build_defs
from dobby_pipeline.settings import project_file
from dobby_pipeline_tests.automation.test_daemon import (
    NOTICED_S,
    ask,
    process_of,
    status,
    wait_for,
)
from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.cli.test_flow import committed
from dobby_pipeline_tests.ui import dagster_dev

__all__ = ["models_dir", "workplace"]

COUNT, MANY = 100, 1000
ENV = {"DOBBY_SESSIONS": "1"}
BACKFILL = "dagster/backfill"
DEFINITIONS = ReconstructableRepository.for_module("dobby_pipeline.definitions", "defs")
REPOSITORY = RemoteRepositoryOrigin(
    GrpcServerCodeLocationOrigin(host="localhost", port=1, location_name="dobby"), "__repository__"
)
REEXECUTE = """
mutation($run: String!) { launchRunReexecution(
  reexecutionParams: {parentRunId: $run, strategy: ALL_STEPS}
) { __typename ... on LaunchRunSuccess { run { runId } } } }
"""


@pytest.fixture
def instance(workplace):
    home = workplace.home / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text(project_file("dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(home)) as made:
        yield made


def register(workplace, git_repo, name: str, functions: int = 1):
    code = "\n\n".join(f"def {name}{n:03}(x):\n    return x + {n}\n" for n in range(functions))
    folder = git_repo({"many.py": code}, name)
    assert workplace.dobby("repos", "add", name, folder).status == 0
    return folder


def backfill(instance, *repos: str) -> str:
    """What the dialog of the UI leaves in the instance."""
    origin = RemotePartitionSetOrigin(
        repository_origin=REPOSITORY, partition_set_name="summarize_repo_partition_set"
    )
    instance.add_dynamic_partitions("repo", list(repos))
    made = PartitionBackfill(
        backfill_id="together",
        partition_set_origin=origin,
        status=BulkActionStatus.REQUESTED,
        partition_names=list(repos),
        from_failure=False,
        reexecution_steps=None,
        tags={},
        backfill_timestamp=time.time(),
    )
    instance.add_backfill(made)
    return made.backfill_id


def latest(instance, repo: str) -> dg.DagsterRun | None:
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": repo}), limit=1)
    return runs[0] if runs else None


def ended(instance, repo: str) -> str | None:
    """How the repository's latest run ended; nothing while it has not."""
    run = latest(instance, repo)
    return run.status.value if run and run.is_finished else None


@pytest.fixture
def workers(instance, monkeypatch):
    """The workers that are started without a daemon; they end with the test."""
    monkeypatch.setenv("DOBBY_SESSIONS", "1")
    started: list[subprocess.Popen] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def launch(instance, workers, repo: str, **tags: str) -> str:
    """A run that the queue gives away."""
    job = build_defs().resolve_job_def("summarize_repo")
    instance.add_dynamic_partitions("repo", [repo])
    run = instance.create_run_for_job(
        job,
        tags={"dagster/partition": repo, **tags},
        remote_job_origin=REPOSITORY.get_job_origin(job.name),
        job_code_origin=DEFINITIONS.get_reconstructable_job(job.name).get_python_origin(),
    )
    starting = dg.DagsterEvent(dg.DagsterEventType.RUN_STARTING.value, run.job_name)
    instance.report_dagster_event(starting, run.run_id)
    command = [sys.executable, "-m", "dobby_pipeline.automation.warm_worker"]

    def start(lock: int) -> None:
        arguments = [instance.root_directory, str(lock)]
        workers.append(subprocess.Popen([*command, *arguments], pass_fds=[lock]))

    hand_over(instance, run.run_id, start)
    return run.run_id


def loads(workplace) -> int:
    lines = (workplace.home / "logs" / "dobby.jsonl").read_text().splitlines()
    return Counter(json.loads(line)["event"] for line in lines)["model loaded"]


def test_a_backfill_loads_the_weights_once_and_goes_on_after_what_fails_or_is_killed(
    workplace, git_repo, instance
):
    small = ["a", "b", "c"]
    for name in small:
        register(workplace, git_repo, name)
    gone = register(workplace, git_repo, "gone")
    register(workplace, git_repo, "large", COUNT)
    gone.rename(gone.with_name("moved"))
    tag = backfill(instance, "a", "gone", "b", "c", "large")
    with dagster_dev(workplace.home, ENV) as address:
        for name in small:
            wait_for(lambda name=name: ended(instance, name), f"{name} did not end")
        found = {name: ended(instance, name) for name in [*small, "gone"]}
        assert found == {"a": "SUCCESS", "gone": "FAILURE", "b": "SUCCESS", "c": "SUCCESS"}
        wait_for(lambda: len(committed(workplace.store)) > len(small) + 5, "nothing of the large")
        assert loads(workplace) == 1
        run = latest(instance, "large").run_id
        runs = instance.get_run_ids(dg.RunsFilter(tags={BACKFILL: tag}))
        assert len(runs) == 5
        (worker,) = {process_of(instance, run_id) for run_id in runs}

        killed_at = time.time()
        os.kill(worker, signal.SIGKILL)
        # Meanwhile one that failed is run again by itself, as a run like any other.
        gone.with_name("moved").rename(gone)
        again = ask(address, REEXECUTE, run=latest(instance, "gone").run_id)
        assert again["launchRunReexecution"]["__typename"] == "LaunchRunSuccess"

        wait_for(lambda: status(instance, run) == "FAILURE", "the kill was not noticed")
        assert instance.get_run_record_by_id(run).end_time - killed_at < NOTICED_S
        before = committed(workplace.store)
        wait_for(lambda: ended(instance, "gone") == "SUCCESS", "what failed did not run again")
        wait_for(lambda: ended(instance, "large") == "SUCCESS", "what was killed did not go on")
        after = committed(workplace.store)
        assert {key: after[key] for key in before} == before
        assert len(after) == len(small) + 1 + COUNT
        retry = latest(instance, "large")
        assert retry.parent_run_id == run
        assert process_of(instance, retry.run_id) != worker
        wait_for(lambda: handed_over(instance) == [], "runs that ended are kept")


def test_what_waits_is_launched_anew_when_a_killed_daemon_is_back(workplace, git_repo, instance):
    register(workplace, git_repo, "large", COUNT)
    register(workplace, git_repo, "small")
    backfill(instance, "large", "small")
    with dagster_dev(workplace.home, ENV):
        wait_for(lambda: len(handed_over(instance)) == 2, "they were not handed over together")
        wait_for(lambda: committed(workplace.store), "nothing was committed")
        daemon = workplace.home / "dagster" / "warm_worker" / "giver.pid"
        os.kill(int(daemon.read_text()), signal.SIGKILL)
        wait_for(lambda: handed_over(instance) == [], "the worker did not leave")
        assert ended(instance, "large") == "SUCCESS"
        assert latest(instance, "small").status.value == "QUEUED"
    with dagster_dev(workplace.home, ENV):
        wait_for(lambda: ended(instance, "small") == "SUCCESS", "it was not launched anew")


def test_a_run_that_is_terminated_ends_alone_and_an_interrupted_worker_gives_back_the_others(
    workplace, git_repo, instance, workers
):
    register(workplace, git_repo, "large", MANY)
    for name in ("waits", "small"):
        register(workplace, git_repo, name)
    large, waits = (launch(instance, workers, repo) for repo in ("large", "waits"))
    wait_for(lambda: committed(workplace.store), "nothing was committed")

    assert instance.run_launcher.terminate(waits)
    wait_for(lambda: status(instance, waits) == "CANCELED", "what waits was not canceled")
    assert status(instance, large) == "STARTED"

    small = launch(instance, workers, "small")
    assert instance.run_launcher.terminate(large)
    wait_for(lambda: status(instance, large) == "CANCELED", "the run was not canceled")
    kept = committed(workplace.store)
    assert 0 < len(kept) < MANY
    wait_for(lambda: ended(instance, "small") == "SUCCESS", "the next run did not go on")
    assert process_of(instance, small) == process_of(instance, large)

    # Of a backfill that is canceled the runs end before the daemon comes to look.
    tag = backfill(instance, "large")
    again = launch(instance, workers, "large", **{BACKFILL: tag})
    wait_for(lambda: len(committed(workplace.store)) > len(kept) + 1, "it did not go on")
    instance.update_backfill(instance.get_backfill(tag).with_status(BulkActionStatus.CANCELING))
    wait_for(lambda: status(instance, again) == "CANCELED", "the backfill's run was not canceled")
    assert kept.items() <= committed(workplace.store).items()

    # An interrupt that is meant for the process ends it; what waits is launched anew.
    kept = committed(workplace.store)
    large, waits = (launch(instance, workers, repo) for repo in ("large", "waits"))
    wait_for(lambda: len(committed(workplace.store)) > len(kept) + 1, "it did not go on")
    (worker,) = workers
    worker.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert status(instance, large) == "FAILURE"
    assert status(instance, waits) == "QUEUED"
    assert handed_over(instance) == []
