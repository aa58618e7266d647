"""One worker for the runs that are handed over: real locks, and processes in a worker's place."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import dagster as dg
import pytest

from dobby_pipeline.automation.hand_over import (
    done,
    giver_lives,
    hand_over,
    handed_over,
    left,
    wake,
)
from dobby_pipeline.definitions import build_defs
from dobby_pipeline_tests.automation.test_warm_worker import REPOSITORY


@pytest.fixture
def instance(tmp_path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


@pytest.fixture
def workers():
    """Processes that hold a worker's lock; they end with the test."""
    started: list[subprocess.Popen] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def start(workers):
    return lambda lock: workers.append(subprocess.Popen(["sleep", "600"], pass_fds=[lock]))


def test_runs_wait_in_their_order_for_one_worker(instance, workers, start):
    for run_id in ("b", "c", "a"):
        hand_over(instance, run_id, start)
    assert handed_over(instance) == ["b", "c", "a"]
    assert len(workers) == 1
    done(instance, "b")
    assert handed_over(instance) == ["c", "a"]


def test_a_worker_that_was_killed_is_replaced_if_runs_wait(instance, workers, start):
    wake(instance, start)
    assert workers == []
    hand_over(instance, "a", start)
    wake(instance, start)
    assert len(workers) == 1
    workers[0].kill()
    workers[0].wait()
    wake(instance, start)
    assert len(workers) == 2


def test_a_worker_leaves_when_no_run_is_there_and_the_next_run_starts_another(
    instance, workers, start
):
    locks: list[int] = []

    def here(lock: int) -> None:
        """This process in the worker's place."""
        locks.append(os.dup(lock))

    hand_over(instance, "a", here)
    (lock,) = locks
    assert not left(instance, lock)
    done(instance, "a")
    hand_over(instance, "b", start)
    assert not left(instance, lock)
    assert workers == []
    done(instance, "b")
    assert left(instance, lock)
    hand_over(instance, "c", start)
    assert len(workers) == 1


def starting(instance) -> str:
    """A run that the daemon has taken out of the queue."""
    job = build_defs().resolve_job_def("summarize_repo")
    origin = REPOSITORY.get_job_origin(job.name)
    run = instance.create_run_for_job(job, remote_job_origin=origin)
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_STARTING.value, run.job_name)
    instance.report_dagster_event(event, run.run_id)
    return run.run_id


GIVER = """
import sys, time, types
from dobby_pipeline.automation.hand_over import hand_over
home, *runs = sys.argv[1:]
for run_id in runs:
    hand_over(types.SimpleNamespace(root_directory=home), run_id, lambda _: None)
print("handed over", flush=True)
time.sleep(600)
"""


def test_a_worker_gives_runs_back_when_the_process_that_gave_them_is_dead(instance, workers, start):
    runs = [starting(instance), starting(instance)]
    command = [sys.executable, "-c", GIVER, instance.root_directory, *runs]
    giver = subprocess.Popen(command, stdout=subprocess.PIPE)
    workers.append(giver)
    assert giver.stdout is not None
    assert giver.stdout.readline() == b"handed over\n"
    instance.report_run_canceled(instance.get_run_by_id(runs[1]))
    lock = os.open(os.devnull, os.O_RDONLY)
    assert not left(instance, lock)
    giver.kill()
    os.waitid(os.P_PID, giver.pid, os.WEXITED | os.WNOWAIT)  # its number is still there
    assert left(instance, lock)
    assert handed_over(instance) == []
    assert [instance.get_run_by_id(run).status.value for run in runs] == ["QUEUED", "CANCELED"]
    hand_over(instance, runs[0], start)
    assert len(workers) == 2


def test_without_its_file_the_giver_is_gone(instance, start):
    hand_over(instance, "a", start)
    (Path(instance.root_directory) / "warm_worker" / "giver.pid").unlink()
    assert not giver_lives(instance)


def test_a_worker_may_ask_for_the_giver_while_runs_are_handed_over(instance, start):
    hand_over(instance, "a", start)
    giving = threading.Thread(target=lambda: [hand_over(instance, "a", start) for _ in range(300)])
    giving.start()
    while giving.is_alive():
        assert giver_lives(instance)
    giving.join()


def test_a_worker_that_cannot_be_started_keeps_no_run(instance):
    def fail(_: int) -> None:
        raise OSError("no process more")

    with pytest.raises(OSError, match="no process more"):
        hand_over(instance, "a", fail)
    assert handed_over(instance) == []
