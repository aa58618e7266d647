"""How runs wait for a place in a pool. Not here: Celery (test_distributed.py)."""

import threading
import time

import dagster as dg

from dobby_pipeline.executor import executor

HELD_S = 3.0


def test_a_run_that_waits_for_the_pool_sleeps():
    @dg.op(pool="gpu")
    def step() -> None: ...

    @dg.job(executor_def=executor())
    def job() -> None:
        step()

    limits = {"concurrency": {"pools": {"default_limit": 1}}}
    with dg.instance_for_test(overrides=limits) as instance:
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("gpu")
        assert storage.claim_concurrency_slot("gpu", "other", "step").is_claimed
        free = threading.Timer(HELD_S, storage.free_concurrency_slots_for_run, ["other"])
        free.start()
        waited, worked = time.monotonic(), time.thread_time()
        assert job.execute_in_process(instance=instance).success
        waited, worked = time.monotonic() - waited, time.thread_time() - worked
        free.join()
    assert waited >= HELD_S
    assert worked < waited / 2
