"""Processes of Dagster's own that are killed while a run is under way, and started again.

Not here: the run worker alone (automation/test_daemon.py) and `dobby summarize` (test_soak.py).
"""

import os
import signal
import subprocess

import dagster as dg
import pytest

from dobby_pipeline_tests.automation.test_daemon import (
    LAUNCH,
    ask,
    launch,
    process_of,
    status,
    wait_for,
)
from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.cli.test_flow import committed
from dobby_pipeline_tests.ui import dagster_dev

__all__ = ["models_dir", "workplace"]

COUNT = 120
RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "dobby") { __typename } }
"""
ENV = {"DOBBY_SESSIONS": "1"}


@pytest.fixture
def opened(workplace, git_repo):
    """The instance that the processes share, and a registered repository `example`."""
    functions = [f"def f{n:03}(x):\n    return x + {n}\n" for n in range(COUNT)]
    folder = git_repo({"many.py": "\n\n".join(functions)})
    assert workplace.dobby("repos", "add", "example", folder).status == 0
    (workplace.home / "dagster").mkdir(exist_ok=True)
    with dg.DagsterInstance.from_config(str(workplace.home / "dagster")) as instance:
        yield instance


def group_of(pid: int) -> dict[int, str]:
    """The command of each process that was started along with this one."""
    group = os.getpgid(pid)
    listed = subprocess.run(
        ["ps", "-eo", "pid=,pgid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return {int(row[0]): row[2] for row in rows if int(row[1]) == group}


def kill(worker: int, words: str) -> None:
    """Kill those of the worker's group whose command has the words."""
    found = [pid for pid, command in group_of(worker).items() if words in command]
    assert found
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def in_the_middle(workplace, instance, address: str) -> tuple[str, int]:
    """A run that has committed some of its summaries: its id, and its worker's process."""
    run = launch(address, "example")
    wait_for(lambda: committed(workplace.store), "nothing was committed")
    return run, process_of(instance, run)


def launched(address: str) -> str | None:
    """Another run, once there is a code server that knows its job."""
    answer = ask(address, LAUNCH, repo="example")["launchRun"]
    return answer["run"]["runId"] if "run" in answer else None


def last_of(instance, run: str) -> dg.DagsterRun | None:
    """The run, or its retry, once it has ended."""
    found = instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": run}))
    last = found[0] if found else instance.get_run_by_id(run)
    return last if last.is_finished and last.is_success else None


def settled(workplace, instance, run: str, before: dict[str, str]) -> None:
    """The run or its retry succeeds, has made nothing twice, and holds nothing."""
    assert 0 < len(before) < COUNT
    wait_for(lambda: last_of(instance, run), "neither the run nor a retry came to its end")
    after = committed(workplace.store)
    assert len(after) == COUNT
    assert {key: after[key] for key in before} == before
    storage = instance.event_log_storage
    wait_for(lambda: not storage.get_concurrency_info("gpu").claimed_slots, "a slot stayed taken")
    assert {run.status.value for run in instance.get_runs()} <= {"SUCCESS", "FAILURE"}


def test_a_machine_that_goes_down_in_a_run_goes_on_when_it_is_up_again(workplace, opened):
    with dagster_dev(workplace.home, ENV) as address:
        run, worker = in_the_middle(workplace, opened, address)
        os.killpg(os.getpgid(worker), signal.SIGKILL)
    before = committed(workplace.store)
    assert status(opened, run) == "STARTED"  # nobody was left to tell
    with dagster_dev(workplace.home, ENV):
        settled(workplace, opened, run, before)
        assert status(opened, run) == "FAILURE"


def test_a_killed_code_server_leaves_its_run_alone_and_is_replaced_at_a_reload(workplace, opened):
    with dagster_dev(workplace.home, ENV) as address:
        run, worker = in_the_middle(workplace, opened, address)
        kill(worker, "-m dagster api grpc")
        settled(workplace, opened, run, committed(workplace.store))
        # Dagster's proxy starts another one when it is asked to, as by the UI's *Reload*.
        ask(address, RELOAD)
        again = wait_for(lambda: launched(address), "no code server in its place")
        wait_for(lambda: status(opened, again) == "SUCCESS", "no run after the code server's end")


def test_a_daemon_that_is_killed_in_a_run_settles_it_when_it_is_started_again(workplace, opened):
    with dagster_dev(workplace.home, ENV) as address:
        run, worker = in_the_middle(workplace, opened, address)
        kill(worker, "-m dagster._daemon run")
    before = committed(workplace.store)
    with dagster_dev(workplace.home, ENV):
        settled(workplace, opened, run, before)
