"""Runs over Celery workers: real Redis, the real Cozo server, two workers, a tiny model."""

import json
import os
import re
import shutil
import signal
import sys
from contextlib import ExitStack

import dagster as dg
import pytest

from dobby_pipeline.definitions import build_defs
from dobby_pipeline.errors import UsageError
from dobby_pipeline.executor import executor
from dobby_pipeline.settings import project_file
from dobby_pipeline_tests.celery_site import Site, site, until
from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.conftest import commit_files

__all__ = ["models_dir", "workplace"]

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs Redis")
STATUS = {"published": 2, "quarantined": 0, "missing": 0}


@pytest.fixture
def running(tmp_path, models_dir):
    """A site with two registered repositories."""
    pytest.importorskip("dagster_celery")
    env = {"DOBBY_MODELS": str(models_dir), "DOBBY_MODEL": "sentence"}
    with site(tmp_path, {**env, "DOBBY_DEVICE": "cpu", "DOBBY_SESSIONS": "4"}) as found:
        for name in ("one", "two"):
            functions = (
                f"def {name}(x):\n    return x\n\n\ndef other_{name}(x):\n    return 2 * x\n"
            )
            commit_files(tmp_path / name, {"a.py": functions})
            found.dobby("repos", "add", name, tmp_path / name)
        with instance(found) as opened:
            opened.add_dynamic_partitions("repo", ["one", "two"])
        yield found


def instance(found: Site) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(found.home / "dagster"))


def finished(run) -> None:
    """Wait for a run's end, which must be a success."""
    out = run.communicate(timeout=300)[0]
    assert run.returncode == 0, out


def workers_of(found: Site) -> dict[str, set[str]]:
    """Which workers carried out each step, in all runs together."""
    workers = dict[str, set[str]]()
    with instance(found) as opened:
        for run in opened.get_runs():
            for entry in opened.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
                event = entry.dagster_event
                worker = event.event_specific_data.metadata.get("Celery worker") if event else None
                if worker and event.step_key:
                    workers.setdefault(event.step_key, set()).add(worker.value.split("@")[0])
    return workers


def published(found: Site) -> list[dict[str, int]]:
    lines = found.dobby("status", "--json").splitlines()
    return [json.loads(line)["symbol"] for line in lines]


@needs_redis
def test_steps_that_need_the_model_run_on_the_gpu_worker_and_the_others_on_the_other(running):
    with running.worker("ingest"), running.worker("gpu"):
        runs = [running.run("summarize_repo", repo) for repo in ("one", "two")]
        for run in runs:
            finished(run)
    workers = workers_of(running)
    assert {"symbol_summaries", "file_summaries", "repo_summary"} == {
        step for step, names in workers.items() if names == {"gpu"}
    }
    assert workers["source_records"] == {"ingest"}
    assert all(len(names) == 1 for names in workers.values())
    assert published(running) == [STATUS, STATUS]


@needs_redis
def test_redis_that_goes_away_twice_is_one_clear_line_and_no_step_is_lost(running):
    run = running.run("summarize_repo", "one")
    until(lambda: "ingest" in running.redis.ask("KEYS", "*"))
    running.redis.stop(signal.SIGKILL)  # with a step queued, and the run waiting for it
    running.redis.start()
    with ExitStack() as workers:
        workers.enter_context(running.worker("ingest"))
        workers.enter_context(running.worker("gpu"))
        until(lambda: "succeeded" in running.log("ingest").read_text())
        running.redis.stop(signal.SIGKILL)  # with workers and the run connected
        refused = f"127.0.0.1:{running.redis.port}. Connection refused"
        until(lambda: refused in running.log("gpu").read_text())
        running.redis.start()
        finished(run)
    assert published(running)[0] == STATUS
    assert all(len(names) == 1 for names in workers_of(running).values())


@needs_redis
def test_a_step_whose_process_is_killed_fails_its_run_in_one_line_and_the_next_goes_on(running):
    files = {f"b{number}.py": f"def f{number}(x):\n    return x\n" for number in range(1500)}
    commit_files(running.home.parent / "one", files)
    with running.worker("ingest"):
        run = running.run("ingest_repo", "one")
        started = re.compile(r"- (\d+) - source_records - STEP_START")
        until(lambda: started.search(running.log("ingest").read_text()))
        found = started.search(running.log("ingest").read_text())
        assert found
        os.kill(int(found[1]), signal.SIGKILL)
        out = run.communicate(timeout=300)[0]
        assert run.returncode != 0
        assert "[source_records]: billiard.exceptions.WorkerLostError" in out
        finished(running.run("ingest_repo", "one"))


def test_without_celery_a_run_is_carried_out_in_its_own_process(monkeypatch):
    monkeypatch.delenv("DOBBY_CELERY_CONFIG", raising=False)
    assert executor().name == dg.in_process_executor.name


def test_the_configuration_in_the_repository_is_celerys(monkeypatch):
    pytest.importorskip("dagster_celery")
    monkeypatch.setenv("DOBBY_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DOBBY_CELERY_CONFIG", str(project_file("deploy") / "celery.yaml"))
    job = build_defs().resolve_job_def("summarize_repo")
    assert job.executor_def.name == "celery"
    assert dg.validate_run_config(job, {})


@pytest.mark.parametrize("text", ["", "[]", "execution: {}", "execution: {config", "3"])
def test_a_file_that_is_no_configuration_is_one_line(monkeypatch, tmp_path, text):
    file = tmp_path / "celery.yaml"
    file.write_text(text)
    monkeypatch.setenv("DOBBY_CELERY_CONFIG", str(file))
    with pytest.raises(UsageError, match=r"celery.yaml has no execution: config"):
        executor()
    monkeypatch.setenv("DOBBY_CELERY_CONFIG", str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="missing cannot be read"):
        executor()


def test_without_the_extra_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "dagster_celery", None)
    monkeypatch.setenv("DOBBY_CELERY_CONFIG", str(project_file("deploy") / "celery.yaml"))
    with pytest.raises(UsageError, match=r"pip install.*\[distributed\]"):
        executor()
