"""The sensor and the schedule, on a real store and real repositories."""

import datetime as dt

import dagster as dg
import pytest

from dobby_pipeline.automation import new_commits, nightly_refresh
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.schema.relations import SNAPSHOTS
from dobby_pipeline.sources.registry import Repo, add_repo, remove_repo
from dobby_pipeline_tests.conftest import commit_files, git


@pytest.fixture
def cozo(tmp_path):
    resource = CozoResource(home=str(tmp_path / "home"))
    migrate(resource.store())
    return resource


def tick(instance, cozo) -> dg.SensorResult:
    """One evaluation of the sensor, with its changes of partitions applied as the daemon does."""
    with dg.build_sensor_context(instance=instance, resources={"cozo": cozo}) as context:
        result = new_commits(context)
    for change in result.dynamic_partitions_requests or []:
        if isinstance(change, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions("repo", list(change.partition_keys))
        else:
            for key in change.partition_keys:
                instance.delete_dynamic_partition("repo", key)
    return result


def requested(result) -> list[tuple[str, str]]:
    return [(r.partition_key, r.run_key) for r in result.run_requests or []]


def ingested(cozo, repo: str, commit: str) -> None:
    row = {"repo": repo, "commit": commit, "files": 1, "records": 1, "extractor": "x"}
    row["content"] = "tree"
    rows = SNAPSHOTS.rows([{**row, "updated_at": "now"}])
    cozo.store().run("write", SNAPSHOTS.put(), {"rows": rows}, write=True)


def test_sensor_adds_a_partition_and_requests_a_run_with_the_commit_in_its_key(cozo, git_repo):
    folder = git_repo({"a.py": "x = 1\n"})
    add_repo(cozo.store(), Repo("example", str(folder)))
    with dg.DagsterInstance.ephemeral() as instance:
        result = tick(instance, cozo)
        assert instance.get_dynamic_partitions("repo") == ["example"]
    assert requested(result) == [("example", f"example@{git(folder, 'rev-parse', 'HEAD')}")]


def test_sensor_requests_no_runs_when_nothing_changed(cozo, git_repo):
    folder = git_repo({"a.py": "x = 1\n"})
    add_repo(cozo.store(), Repo("example", str(folder)))
    ingested(cozo, "example", git(folder, "rev-parse", "HEAD"))
    with dg.DagsterInstance.ephemeral() as instance:
        tick(instance, cozo)
        result = tick(instance, cozo)
    assert not result.run_requests
    assert not result.dynamic_partitions_requests
    assert "no new commit" in str(result.skip_reason)


def test_sensor_requests_a_run_for_a_new_commit_of_the_registered_ref_only(cozo, git_repo):
    folder = git_repo({"a.py": "x = 1\n"})
    git(folder, "branch", "stable")
    first = git(folder, "rev-parse", "HEAD")
    add_repo(cozo.store(), Repo("head", str(folder)))
    add_repo(cozo.store(), Repo("stable", str(folder), ref="stable"))
    ingested(cozo, "head", first)
    ingested(cozo, "stable", first)
    second = commit_files(folder, {"b.py": "y = 1\n"})
    with dg.DagsterInstance.ephemeral() as instance:
        assert requested(tick(instance, cozo)) == [("head", f"head@{second}")]


def test_a_repository_that_cannot_be_read_does_not_stop_the_others(cozo, git_repo):
    gone, there = git_repo({"a.py": ""}, "gone"), git_repo({"a.py": ""}, "there")
    for folder in (gone, there):
        add_repo(cozo.store(), Repo(folder.name, str(folder)))
    gone.rename(gone.with_name("moved"))
    with dg.DagsterInstance.ephemeral() as instance:
        assert [key for key, _ in requested(tick(instance, cozo))] == ["there"]


def test_sensor_removes_the_partition_of_a_repository_that_was_removed(cozo, git_repo):
    add_repo(cozo.store(), Repo("example", str(git_repo({"a.py": ""}))))
    with dg.DagsterInstance.ephemeral() as instance:
        tick(instance, cozo)
        remove_repo(cozo.store(), "example")
        tick(instance, cozo)
        assert instance.get_dynamic_partitions("repo") == []


def test_sensor_skips_before_there_is_a_database(tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        result = tick(instance, CozoResource(home=str(tmp_path / "none")))
    assert not result.run_requests
    assert not (tmp_path / "none").exists()


def test_schedule_requests_one_run_a_night_for_each_partition():
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("repo", ["one", "two"])
        when = dt.datetime(2026, 5, 4, 3, tzinfo=dt.UTC)
        with dg.build_schedule_context(instance=instance, scheduled_execution_time=when) as context:
            requests = list(nightly_refresh(context))
    assert [(r.partition_key, r.run_key) for r in requests] == [
        ("one", "2026-05-04:one"),
        ("two", "2026-05-04:two"),
    ]
