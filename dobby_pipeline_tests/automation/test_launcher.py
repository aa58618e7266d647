"""Which runs go to the warm worker, and that there is one.

Not here: whether runs' processes live (test_run_lock.py).
"""

import os
import signal
import subprocess
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher import LaunchRunContext
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.remote_representation.code_location import GrpcServerCodeLocation

from dobby_pipeline.automation.hand_over import hand_over, handed_over
from dobby_pipeline.automation.launcher import WARM_TAG, WatchedRunLauncher
from dobby_pipeline.settings import project_file
from dobby_pipeline_tests.automation.test_daemon import wait_for

OURS = "dobby_pipeline.definitions"


class CodeServer(GrpcServerCodeLocation):
    """One that is reached by a socket or not, and never asked."""

    def __init__(self, socket: str | None) -> None:
        self.client = SimpleNamespace(socket=socket)

    def cleanup(self) -> None: ...


@pytest.fixture
def workplace(tmp_path):
    (tmp_path / "dagster.yaml").write_text(project_file("dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


@pytest.fixture
def instance(workplace, monkeypatch):
    monkeypatch.delenv("DOBBY_CELERY_CONFIG", raising=False)
    monkeypatch.setattr(WatchedRunLauncher, "_start", lambda *_: None)
    monkeypatch.setattr(dg.DefaultRunLauncher, "launch_run_from_grpc_client", lambda *_: None)
    return workplace


def goes_warm(instance, tag: str, module: str = OURS, socket: str | None = "/tmp/socket") -> bool:
    """Launch a run on a code server that is reached so; whether the warm worker got it."""
    location = CodeServer(socket)
    origin = GrpcServerCodeLocationOrigin(host="localhost", port=1, location_name="dobby")
    code = ReconstructableRepository.for_module(module, "defs").get_reconstructable_job("job")
    run = dg.DagsterRun(
        "job",
        tags={tag: "one"},
        remote_job_origin=RemoteRepositoryOrigin(origin, "__repository__").get_job_origin("job"),
        job_code_origin=code.get_python_origin(),
    )
    workspace = SimpleNamespace(get_code_location=lambda _: location)
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace))
    return run.run_id in handed_over(instance)


@pytest.mark.parametrize("tag", ["dagster/backfill", WARM_TAG])
def test_runs_that_belong_together_go_to_the_warm_worker(instance, tag):
    assert goes_warm(instance, tag)


def test_a_run_by_itself_gets_a_process_of_its_own(instance):
    assert not goes_warm(instance, "dagster/partition")


def test_another_projects_backfill_is_left_to_dagster(instance):
    assert not goes_warm(instance, "dagster/backfill", module="another.definitions")


def test_a_code_server_on_another_machine_has_its_own_processes(instance):
    assert not goes_warm(instance, "dagster/backfill", socket=None)


def test_where_steps_go_to_celery_a_backfills_runs_go_side_by_side(instance, monkeypatch):
    monkeypatch.setenv("DOBBY_CELERY_CONFIG", "celery.yaml")
    assert not goes_warm(instance, "dagster/backfill")


def workers(instance) -> list[int]:
    """The warm workers of this instance that live."""
    listed = subprocess.run(["ps", "-wweo", "pid=,stat=,args="], capture_output=True, text=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    home = f"warm_worker {instance.root_directory} "
    return [int(pid) for pid, state, args in rows if home in args and not state.startswith("Z")]


def test_a_worker_that_is_killed_before_it_begins_a_run_is_replaced_at_once(workplace):
    hand_over(workplace, "of-a-run-that-is-gone", workplace.run_launcher._start)
    (killed,) = wait_for(lambda: workers(workplace), "no worker came")
    os.kill(killed, signal.SIGKILL)
    try:
        wait_for(lambda: handed_over(workplace) == [], "what waited was not taken")
    finally:
        for pid in workers(workplace):
            assert pid != killed
            os.kill(pid, signal.SIGTERM)
    wait_for(lambda: workers(workplace) == [], "the worker did not end")
