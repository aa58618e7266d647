"""Runs under Dagster's own daemon that are killed and terminated: real processes, a real model."""

import os
import signal
import time

import dagster as dg
import requests

from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.cli.test_flow import committed
from dobby_pipeline_tests.ui import dagster_dev

__all__ = ["models_dir", "workplace"]

LAUNCH = """
mutation($repo: String!) { launchRun(executionParams: {
  selector: {jobName: "summarize_repo", repositoryName: "__repository__",
             repositoryLocationName: "dobby"},
  runConfigData: {},
  executionMetadata: {tags: [{key: "dagster/partition", value: $repo}]}
}) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
TERMINATE = """
mutation($run: String!) { terminateRun(runId: $run) { __typename } }
"""
PATIENCE_S = 300
COUNT = 160
NOTICED_S = 30
"""Two looks of run monitoring, ten seconds apart, and a margin for a busy machine."""


def ask(address: str, query: str, **variables: str) -> dict:
    answer = requests.post(
        f"{address}/graphql", json={"query": query, "variables": variables}, timeout=60
    )
    return answer.json()["data"]


def wait_for(condition, what: str):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def launch(address: str, repo: str) -> str:
    launched = ask(address, LAUNCH, repo=repo)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return launched["run"]["runId"]


def process_of(instance: dg.DagsterInstance, run_id: str) -> int:
    """The run worker's id, which Dagster writes into the run's log."""
    kind = dg.DagsterEventType.ENGINE_EVENT
    for record in instance.get_records_for_run(run_id, of_type=kind).records:
        metadata = record.event_log_entry.get_dagster_event().engine_event_data.metadata
        if "pid" in metadata:
            return int(metadata["pid"].value)
    raise AssertionError("no process was told")


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status.value


def test_a_run_that_is_terminated_or_killed_keeps_what_is_done_and_goes_on(workplace, git_repo):
    for name in ("stopped", "killed"):
        functions = [f"def {name}{n:03}(x):\n    return x + {n}\n" for n in range(COUNT)]
        folder = git_repo({"many.py": "\n\n".join(functions)}, name)
        assert workplace.dobby("repos", "add", name, folder).status == 0
    store = workplace.store
    with (
        dagster_dev(workplace.home, {"DOBBY_SESSIONS": "1"}) as address,
        dg.DagsterInstance.from_config(str(workplace.home / "dagster")) as instance,
    ):
        run = launch(address, "stopped")
        wait_for(lambda: committed(store), "nothing was committed")
        ask(address, TERMINATE, run=run)
        wait_for(lambda: status(instance, run) == "CANCELED", "the run was not canceled")
        kept = committed(store)
        assert 0 < len(kept) < COUNT

        run = launch(address, "killed")
        wait_for(lambda: len(committed(store)) > len(kept), "nothing more was committed")
        killed_at = time.time()
        os.kill(process_of(instance, run), signal.SIGKILL)
        wait_for(lambda: status(instance, run) == "FAILURE", "the kill was not noticed")
        ended_at = instance.get_run_record_by_id(run).end_time
        assert ended_at - killed_at < NOTICED_S
        before = committed(store)
        assert before.keys() > kept.keys()

        def retry() -> dg.DagsterRun | None:
            runs = instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": run}))
            return runs[0] if runs and runs[0].is_finished else None

        again = wait_for(retry, "the run was not retried, or did not end")
        assert again.status == dg.DagsterRunStatus.SUCCESS
        after = committed(store)
        assert {key: after[key] for key in before} == before
        assert len(after) == len(kept) + COUNT
        slots = instance.event_log_storage.get_concurrency_info("gpu").claimed_slots
        assert not slots

    assert workplace.dobby("summarize", "stopped").status == 0
    after = committed(store)
    assert {key: after[key] for key in kept} == kept
    assert len(after) == 2 * COUNT
