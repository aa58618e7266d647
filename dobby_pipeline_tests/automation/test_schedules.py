"""The schedules, and the jobs that look after the database, on a real store."""

import datetime as dt

import dagster as dg
import pytest

from dobby_pipeline.automation.launcher import WARM_TAG
from dobby_pipeline.automation.schedules import nightly_refresh
from dobby_pipeline.definitions import build_defs
from dobby_pipeline.schema.audit import Event, read_events, record_events
from dobby_pipeline.sources.registry import Repo, add_repo


@pytest.fixture
def stored_instance():
    with dg.instance_for_test() as made:
        yield made


def requests(instance, day: int) -> list:
    when = dt.datetime(2026, 5, day, 3, tzinfo=dt.UTC)
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=when) as context:
        return list(nightly_refresh(context))


def test_one_run_a_night_for_each_partition(stored_instance):
    stored_instance.add_dynamic_partitions("repo", ["one", "two"])
    nights = [requests(stored_instance, day) for day in (4, 5)]
    keys = [(r.partition_key, r.run_key) for night in nights for r in night]
    assert keys == [
        ("one", "2026-05-04:one"),
        ("two", "2026-05-04:two"),
        ("one", "2026-05-05:one"),
        ("two", "2026-05-05:two"),
    ]
    # One process executes them: most find all up to date, which takes less than its start.
    assert all(WARM_TAG in r.tags for night in nights for r in night)


def test_a_night_without_repositories_says_how_to_add_one(stored_instance):
    (skipped,) = requests(stored_instance, 4)
    assert "dobby repos add" in skipped.skip_message


def test_verify_runs_before_what_it_could_look_into_is_removed():
    schedules = {s.name: s.cron_schedule for s in build_defs().get_repository_def().schedule_defs}
    assert schedules == {
        "nightly_refresh": "0 3 * * *",
        "weekly_verify": "0 6 * * 0",
        "weekly_clean": "0 7 * * 0",
    }


@pytest.fixture
def stored(cozo, git_repo, instance):
    """A store with one ingested repository."""
    add_repo(cozo.store(), Repo("example", str(git_repo({"a.py": "def f():\n    return 1\n"}))))
    instance.add_dynamic_partitions("repo", ["example"])
    job = build_defs({"cozo": cozo}).resolve_job_def("ingest_repo")
    assert job.execute_in_process(instance=instance, partition_key="example").success
    return cozo


def run(job: str, cozo, instance) -> dg.ExecuteInProcessResult:
    found = build_defs({"cozo": cozo}).resolve_job_def(job)
    return found.execute_in_process(instance=instance, raise_on_error=False)


def damage(cozo) -> None:
    script = (
        "?[repo, path, symbol, content_hash] := *source_records{repo, path, symbol}, "
        "content_hash = 'wrong' :update source_records {repo, path, symbol => content_hash}"
    )
    cozo.store().run("damage", script, write=True)


def test_verify_passes_on_a_sound_database(stored, instance):
    result = run("verify_database", stored, instance)
    assert result.success
    (output,) = [e for e in result.all_node_events if e.is_successful_output]
    metadata = output.step_output_data.metadata
    assert metadata["repositories"].value == 1
    assert metadata["rows that do not hold"].value == 0


def test_a_row_that_does_not_hold_fails_the_run_and_is_named(stored, instance):
    damage(stored)
    result = run("verify_database", stored, instance)
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told.description.startswith("1 rows do not hold, in example: `dobby ingest NAME`")
    (row,) = told.metadata["problems"].records
    assert row.data["relation"] == "source_records"
    assert row.data["problem"] == "content_hash is not the code's"


def test_a_repository_that_a_run_is_changing_is_left_out_and_told(stored, instance):
    damage(stored)
    tags = {"dagster/partition": "example"}
    instance.add_run(dg.DagsterRun("summarize_repo", status=dg.DagsterRunStatus.STARTED, tags=tags))
    result = run("verify_database", stored, instance)
    assert result.success
    (output,) = [e for e in result.all_node_events if e.is_successful_output]
    assert output.step_output_data.metadata["left out, a run is under way"].value == "example"


def test_clean_removes_old_audit_events_and_records_itself(stored, instance):
    old = Event("registered", "gone", time="2020-01-01T00:00:00.000000+00:00")
    record_events(stored.store(), [old])
    result = run("clean_database", stored, instance)
    assert result.success
    newest, *rest = read_events(stored.store())
    assert (newest.action, newest.actor) == ("cleaned", f"dagster:run:{result.run_id}")
    assert newest.detail == {"bodies": 0, "events": 1}
    assert "gone" not in {event.repo for event in rest}
