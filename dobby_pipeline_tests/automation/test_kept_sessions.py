"""Runs of one process that share the weights: real runs, real pools, counted."""

import threading

import dagster as dg
import pytest

from dobby_pipeline.automation import kept_sessions
from dobby_pipeline.automation.kept_sessions import KeptSessions, let_go, let_go_for_others
from dobby_pipeline.definitions import build_defs
from dobby_pipeline.inference import resource
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.settings import Settings
from dobby_pipeline_tests.cli.conftest import models_dir, workplace

__all__ = ["models_dir", "workplace"]


@pytest.fixture
def loads(monkeypatch):
    """Each pool that is opened in this process: real ones, counted."""
    opened: list[SessionPool] = []

    class Counted(SessionPool):
        def __init__(self, *args, **kwargs):
            opened.append(self)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(resource, "SessionPool", Counted)
    yield opened
    let_go()


@pytest.fixture
def instance(workplace):
    workplace.dobby("repos", "list")
    with dg.instance_for_test(overrides={"concurrency": {"pools": {"default_limit": 1}}}) as made:
        yield made


def summarised(workplace, git_repo, instance, number: int, functions: int = 1) -> dict:
    """A run for a repository of its own; the metadata of its symbol summaries."""
    code = "\n\n".join(f"def f{number}_{n}(x):\n    return x + {n}\n" for n in range(functions))
    workplace.dobby("repos", "add", f"r{number}", git_repo({"a.py": code}, f"r{number}"))
    instance.add_dynamic_partitions("repo", [f"r{number}"])
    definitions = build_defs({"mlx": KeptSessions.from_settings(Settings.from_env())})
    job = definitions.resolve_job_def("summarize_repo")
    result = job.execute_in_process(instance=instance, partition_key=f"r{number}")
    (made,) = result.asset_materializations_for_node("symbol_summaries")
    return {name: value.value for name, value in made.metadata.items()}


def test_the_weights_are_loaded_once_and_each_run_tells_of_itself_alone(
    workplace, git_repo, instance, loads
):
    first = summarised(workplace, git_repo, instance, 0, functions=20)
    second = summarised(workplace, git_repo, instance, 1, functions=200)
    assert len(loads) == 1
    known = "prompts with a beginning read before"  # by an earlier prompt, maybe of the first run
    assert 10 < first[known] < 20
    assert 100 < second[known] <= 200
    assert "tokens written a second" in second["run over time"]
    text = (workplace.home / "metrics" / "dobby.prom").read_text()
    assert 'dobby_requests_total{model="sentence"' in text


def test_the_weights_are_freed_while_another_run_has_the_gpu(workplace, git_repo, instance, loads):
    storage = instance.event_log_storage
    summarised(workplace, git_repo, instance, 0)
    fleet = kept_sessions._kept.fleet

    let_go_for_others(instance, "ours")
    assert fleet.models  # nobody has it
    assert storage.claim_concurrency_slot("gpu", "ours", "step").is_claimed
    let_go_for_others(instance, "ours")
    assert fleet.models  # this run has it itself
    storage.free_concurrency_slots_for_run("ours")

    assert storage.claim_concurrency_slot("gpu", "other", "step").is_claimed
    let_go_for_others(instance, "ours")
    assert not fleet.models

    threading.Timer(0.5, storage.free_concurrency_slots_for_run, ["other"]).start()
    summarised(workplace, git_repo, instance, 1)
    assert len(loads) == 2
