"""Where a run's steps are carried out: in the run's own process, or on Celery workers.

Not here: which queue a step asks for (a tag at its asset) and what the workers are
(deploy/celery.yaml, docs/scaling.md).
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import dagster as dg
import yaml

from dobby_pipeline.errors import UsageError
from dobby_pipeline.run_lock import lock_run

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan
    from dagster._core.execution.retries import RetryMode
    from dagster._core.execution.step_dependency_config import StepDependencyConfig

CONFIG_ENV = "DOBBY_CELERY_CONFIG"

GPU_QUEUE = {"dagster-celery/queue": "gpu"}
"""The tag of a step that needs the model; without Celery it says nothing."""


def executor() -> dg.ExecutorDefinition:
    """The run's own process, or Celery with the configuration file that DOBBY_CELERY_CONFIG names.

    In one process the resources are set up once a run; a process for each step takes 5 to 11 s to
    start.

    Raises:
        UsageError: when the file is no such configuration, or the extra is not installed.
    """
    _wait_asleep()
    path = os.environ.get(CONFIG_ENV)
    if not path:
        return _watched(dg.in_process_executor)
    try:
        config = yaml.safe_load(Path(path).read_text())["execution"]["config"]
    except OSError as error:
        raise UsageError(f"{CONFIG_ENV}={path} cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, LookupError, TypeError) as error:
        raise UsageError(
            f"{CONFIG_ENV}={path} has no execution: config: take deploy/celery.yaml as it is"
        ) from error
    try:
        from dagster_celery import celery_executor
    except ImportError as error:
        raise UsageError(
            f"{CONFIG_ENV} is set, but Celery is not installed: "
            "pip install 'dobby-pipeline[distributed]'"
        ) from error
    return _watched(celery_executor).configured(config)


def _watched(inner: dg.ExecutorDefinition) -> dg.ExecutorDefinition:
    """The same, in a process whose death can be seen."""
    create = inner.executor_creation_fn
    assert create is not None  # both have one

    return dg.ExecutorDefinition(
        name=inner.name,
        config_schema=inner.config_schema,  # pyright: ignore[reportArgumentType]
        requirements=inner.get_requirements,
        executor_creation_fn=lambda context: _Watched(create(context)),
        description=inner.description,
    )


_kept: list[IO[str]] = []


class _Watched(dg.Executor):
    """An executor that keeps the run's lock."""

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        # Celery's loop asks the run's executor for its broker.
        return getattr(self._inner, name)

    @property
    def retries(self) -> "RetryMode":
        return self._inner.retries

    @property
    def step_dependency_config(self) -> "StepDependencyConfig":
        return self._inner.step_dependency_config

    def execute(
        self, plan_context: "PlanOrchestrationContext", execution_plan: "ExecutionPlan"
    ) -> Iterator[dg.DagsterEvent]:
        # Kept until the process ends, or its next run begins: a run ends after its steps.
        _kept[:] = [lock_run(plan_context.instance, plan_context.run_id)]
        yield from self._inner.execute(plan_context, execution_plan)


def _wait_asleep() -> None:
    """Have a run that waits for a place in a pool sleep until its next try.

    Dagster 1.13 takes the minimum of 0 and the time until then, so that each waiting run keeps a
    core busy, which sessions on the CPU need (dagster-io/dagster pull request 20367 tells of it).
    """
    from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext

    def interval(self: InstanceConcurrencyContext) -> float:
        tries: dict[str, float] = self._pending_timeouts  # pyright: ignore[reportPrivateUsage]
        return max(0.0, min(tries.values(), default=0.0) - time.time())

    InstanceConcurrencyContext.interval_to_next_pending_claim_check = interval
