"""dagster.yaml: the installed Dagster loads it, and takes each knob for what its comment says."""

import dagster as dg
import pytest
import yaml

from dobby_pipeline.automation import warm_worker
from dobby_pipeline.automation.launcher import WARM_TAG
from dobby_pipeline.settings import project_file


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "dagster.yaml").write_text(project_file("dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def test_the_pool_gpu_has_one_place_which_the_second_waits_for(instance):
    storage = instance.event_log_storage
    assert storage.initialize_concurrency_limit_to_default("gpu")
    assert storage.claim_concurrency_slot("gpu", "one", "step").is_claimed
    assert not storage.claim_concurrency_slot("gpu", "two", "step").is_claimed
    storage.free_concurrency_slots_for_run("one")
    assert storage.claim_concurrency_slot("gpu", "two", "step").is_claimed


def test_pools_hold_back_steps_and_not_whole_runs(instance):
    config = instance.get_concurrency_config()
    assert config.pool_config.pool_granularity.value == "op"
    assert config.pool_config.default_pool_limit == 1


def test_the_queue_lets_four_runs_go_one_of_each_repository_and_two_to_the_warm_worker(instance):
    queue = instance.get_concurrency_config().run_queue_config
    assert queue.max_concurrent_runs == 4
    assert list(queue.tag_concurrency_limits) == [
        {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
        {"key": "dagster/backfill", "limit": 2},
        {"key": WARM_TAG, "limit": 2},
    ]
    assert instance.run_coordinator.dequeue_interval_seconds == 2


def test_a_run_that_waits_for_the_warm_worker_is_not_taken_for_one_that_never_starts(instance):
    assert instance.run_monitoring_start_timeout_seconds > 2 * warm_worker.TELL_S


def test_what_a_killed_run_held_is_freed_and_what_hangs_is_ended(instance):
    assert instance.run_monitoring_enabled
    settings = instance.run_monitoring_settings
    assert settings["free_slots_after_run_end_seconds"] == 10
    assert instance.run_monitoring_start_timeout_seconds == 180
    assert instance.run_monitoring_cancel_timeout_seconds == 60
    assert instance.run_monitoring_max_runtime_seconds == 86400
    # Told, noticed and freed within half a minute.
    assert (
        settings["free_slots_after_run_end_seconds"]
        + 2 * (instance.run_monitoring_poll_interval_seconds)
        <= 30
    )


def test_a_crash_is_retried_once_and_a_failed_step_is_not(instance):
    from dagster._core.events import RunFailureReason
    from dagster._core.execution.retries import auto_reexecution_should_retry_run

    def retried(reason: RunFailureReason | None) -> bool:
        run = dg.DagsterRun("summarize_repo", status=dg.DagsterRunStatus.FAILURE)
        instance.add_run(run)
        return auto_reexecution_should_retry_run(instance, run, reason)

    assert instance.run_retries_enabled
    assert instance.run_retries_max_retries == 1
    assert retried(RunFailureReason.UNKNOWN)
    assert not retried(RunFailureReason.STEP_FAILURE)


def test_ticks_that_did_nothing_are_forgotten_after_two_days(instance):
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.scheduler.instigation import TickStatus

    days = instance.get_tick_retention_settings(InstigatorType.SENSOR)
    assert days[TickStatus.SKIPPED] == 2
    assert days[TickStatus.SUCCESS] == 90


def test_every_knob_has_its_reason():
    lines = project_file("dagster.yaml").read_text().splitlines()
    told = set()
    for number, line in enumerate(lines):
        if "#" in line:
            name = line if not line.lstrip().startswith("#") else lines[number + 1]
            told.add(name.split(":")[0].strip())
    knobs = yaml.safe_load("\n".join(lines))
    for section in ("run_queue", "run_monitoring", "run_retries"):
        assert set(knobs[section]) - told <= {"enabled"}, section
