"""Small repositories in one process: a run for each, the weights loaded once."""

import os
import signal
import subprocess
import sys
import threading
import time

import dagster as dg
import pytest

from dobby_pipeline.automation import kept_sessions
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.definitions import build_defs
from dobby_pipeline.inference import resource
from dobby_pipeline.inference.fleet import Fleet
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.cli.test_flow import committed

__all__ = ["models_dir", "workplace"]

COUNT = 5


@pytest.fixture
def loads(monkeypatch):
    """Each pool that is opened in this process: real ones, counted."""
    opened: list[SessionPool] = []

    class Counted(SessionPool):
        def __init__(self, *args, **kwargs):
            opened.append(self)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(resource, "SessionPool", Counted)
    return opened


@pytest.fixture
def pooled_instance(workplace):
    workplace.dobby("repos", "list")
    with dg.instance_for_test(overrides={"concurrency": {"pools": {"default_limit": 1}}}) as made:
        yield made


def register(workplace, git_repo, count: int) -> list[str]:
    names = [f"r{n:02}" for n in range(count)]
    for n, name in enumerate(names):
        folder = git_repo({"a.py": f"def f{n}(x):\n    return x + {n}\n"}, name)
        workplace.dobby("repos", "add", name, folder)
    return names


def batch(workplace, instance, repos=()) -> dg.ExecuteInProcessResult:
    config = {"ops": {"summarize_each": {"config": {"repos": list(repos)}}}}
    cozo = CozoResource(home=str(workplace.home))
    return (
        build_defs({"cozo": cozo})
        .resolve_job_def("summarize_many")
        .execute_in_process(instance=instance, run_config=config, raise_on_error=False)
    )


def statuses(instance, batch_id: str) -> dict[str, str]:
    runs = instance.get_runs(dg.RunsFilter(tags={"dobby/batch": batch_id}))
    return {run.tags["dagster/partition"]: run.status.value for run in runs}


def test_each_repository_is_a_run_of_its_own_and_the_weights_are_loaded_once(
    workplace, git_repo, pooled_instance, loads
):
    names = register(workplace, git_repo, COUNT)
    result = batch(workplace, pooled_instance)
    assert result.success
    assert statuses(pooled_instance, result.run_id) == dict.fromkeys(names, "SUCCESS")
    assert len(loads) == 1
    assert not kept_sessions._FLEETS
    published = [row["symbol"]["published"] for row in workplace.dobby("status", "--json").rows]
    assert published == [1] * COUNT


def test_one_that_fails_stops_no_other_and_fails_the_batch_by_name(
    workplace, git_repo, pooled_instance, loads
):
    names = register(workplace, git_repo, 3)
    folder = workplace.dobby("repos", "list", "--json").rows[1]["location"]
    (workplace.home.parent / "r01").rename(folder + "-moved")
    result = batch(workplace, pooled_instance, ["r02", "r01", "r00", "r02"])
    assert not result.success
    expected = dict.fromkeys(names, "SUCCESS") | {"r01": "FAILURE"}
    assert statuses(pooled_instance, result.run_id) == expected
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told.description == "1 of 3 repositories failed: r01"
    assert len(loads) == 1


def test_a_name_that_is_not_registered_is_refused_before_any_run(
    workplace, git_repo, pooled_instance, loads
):
    register(workplace, git_repo, 1)
    result = batch(workplace, pooled_instance, ["r00", "nobody"])
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert "not registered: nobody: add them with" in str(failure.step_failure_data.error)
    assert statuses(pooled_instance, result.run_id) == {}
    assert loads == []


def test_the_weights_are_freed_while_another_run_has_the_gpu(
    workplace, git_repo, pooled_instance, loads, monkeypatch
):
    monkeypatch.setattr("dobby_pipeline.automation.batch.WATCH_S", 0.05)
    register(workplace, git_repo, 2)
    storage = pooled_instance.event_log_storage
    others: list[threading.Thread] = []

    def other() -> None:
        """Another run, which asks for the GPU until it gets it, and waits for it to be free."""
        while not storage.claim_concurrency_slot("gpu", "other", "step").is_claimed:
            time.sleep(0.05)
        while any(fleet.models for fleet in kept_sessions._FLEETS.values()):
            time.sleep(0.05)
        storage.free_concurrency_slots_for_run("other")

    real = Fleet.stats

    def stats(self):
        # The first repository is being summarised: the other one stands in line from now on.
        if not others:
            others.append(threading.Thread(target=other, daemon=True))
            others[0].start()
        return real(self)

    monkeypatch.setattr(Fleet, "stats", stats)
    assert batch(workplace, pooled_instance).success
    others[0].join()
    assert len(loads) == 2


SCRIPT = """
import sys, dagster as dg
from dobby_pipeline.definitions import build_defs
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    job = build_defs().resolve_job_def("summarize_many")
    job.execute_in_process(instance=instance, raise_on_error=False)
"""


def test_a_batch_that_is_terminated_ends_with_the_run_under_way_and_keeps_what_is_done(
    workplace, git_repo
):
    functions = [f"def f{n:03}(x):\n    return x + {n}\n" for n in range(150)]
    for name in ("first", "second"):
        folder = git_repo({"many.py": "\n\n".join(functions)}, name)
        workplace.dobby("repos", "add", name, folder)
    home = workplace.home / "dagster"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(home)],
        env={**os.environ, "DOBBY_SESSIONS": "1", "DAGSTER_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not committed(workplace.store):
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    finally:
        process.kill()
    assert 0 < len(committed(workplace.store)) < 150
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = {run.job_name: run.status.value for run in instance.get_runs()}
        of = {run.tags.get("dagster/partition") for run in instance.get_runs()} - {None}
    assert runs.keys() == {"summarize_repo", "summarize_many"}
    assert not {"STARTED", "STARTING", "SUCCESS"} & set(runs.values())
    assert of == {"first"}
