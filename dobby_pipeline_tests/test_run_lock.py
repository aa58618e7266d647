"""Whether a run's process lives, told by the lock that it keeps: real processes and locks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from dobby_pipeline import run_lock
from dobby_pipeline.automation.launcher import WatchedRunLauncher
from dobby_pipeline.run_lock import settle_dead_runs
from dobby_pipeline.settings import project_file

HOLD = """
import sys, time
import dagster as dg
from dobby_pipeline.run_lock import lock_run
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    kept = lock_run(instance, sys.argv[2])
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "dagster.yaml").write_text(project_file("dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


@pytest.fixture
def process(instance, started):
    """Another process, which keeps the run's lock."""
    command = [sys.executable, "-c", HOLD, instance.root_directory, started.run_id]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    yield other
    other.kill()
    other.communicate()


@pytest.fixture
def started(instance) -> dg.DagsterRun:
    """A run that has begun, and has the GPU."""
    run = dg.DagsterRun("summarize_repo", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    instance.event_log_storage.initialize_concurrency_limit_to_default("gpu")
    instance.event_log_storage.claim_concurrency_slot("gpu", run.run_id, "step")
    return run


def status(instance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    return instance.get_run_by_id(run.run_id).status


def slots(instance) -> int:
    return len(instance.event_log_storage.get_concurrency_info("gpu").claimed_slots)


def test_a_run_whose_process_lives_is_left_alone(instance, started, process):
    settle_dead_runs(instance)
    assert status(instance, started) == dg.DagsterRunStatus.STARTED
    assert slots(instance) == 1
    health = instance.run_launcher.check_run_worker_health(started)
    assert health.status == WorkerStatus.RUNNING


def test_a_run_whose_process_was_killed_is_failed_and_lets_go_of_the_gpu(
    instance, started, process
):
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    health = instance.run_launcher.check_run_worker_health(started)
    assert health.status == WorkerStatus.FAILED
    settle_dead_runs(instance)
    assert status(instance, started) == dg.DagsterRunStatus.FAILURE
    assert slots(instance) == 0
    # Told once: nothing is left that would tell it again.
    assert instance.run_launcher.check_run_worker_health(started).status == WorkerStatus.RUNNING


def test_a_run_that_keeps_no_lock_here_may_live_on_another_machine(instance, started):
    settle_dead_runs(instance)
    assert status(instance, started) == dg.DagsterRunStatus.STARTED
    health = instance.run_launcher.check_run_worker_health(started)
    assert health.status == WorkerStatus.RUNNING


def test_the_lock_of_a_run_that_came_to_its_end_is_removed(instance, started):
    with run_lock.run_lock(instance, started.run_id):
        assert slots(instance) == 1
        instance.report_run_failed(started, "its step failed")
    assert list((Path(instance.root_directory) / run_lock.FOLDER).iterdir()) == []


def test_a_run_that_its_process_left_unfinished_is_settled_by_it(instance, started):
    with run_lock.run_lock(instance, started.run_id):
        settle_dead_runs(instance)
        assert status(instance, started) == dg.DagsterRunStatus.STARTED
    assert status(instance, started) == dg.DagsterRunStatus.FAILURE


def test_a_run_that_is_under_way_settles_one_that_dies_meanwhile(
    instance, started, process, monkeypatch
):
    monkeypatch.setattr(run_lock, "SETTLE_S", 0.05)
    with run_lock.run_lock(instance, "another"):
        process.kill()
        process.wait()
        while status(instance, started) != dg.DagsterRunStatus.FAILURE:
            pass
    assert slots(instance) == 0


def test_the_instance_uses_the_launcher_that_tells(instance):
    assert isinstance(instance.run_launcher, WatchedRunLauncher)
    assert instance.run_launcher.supports_check_run_worker_health
