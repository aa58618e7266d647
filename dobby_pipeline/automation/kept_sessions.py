"""A fleet of models that outlives a run, so that the runs of one process load the weights once.

Not here: the fleet itself (inference/fleet.py), and the process that keeps it (warm_worker.py).
"""

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from dobby_pipeline.inference.fleet import Fleet
from dobby_pipeline.inference.requests import PoolStats
from dobby_pipeline.inference.resource import NO_STATS, MlxSessionsResource
from dobby_pipeline.summaries.assets import GPU_POOL

if TYPE_CHECKING:
    from dobby_pipeline.inference.pool import SessionPool
    from dobby_pipeline.inference.remote.pool import RemotePool


@dataclass
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    fleet: Fleet | None = None


_kept = _Kept()


class KeptSessions(MlxSessionsResource):
    """As the resource it stands in for, with pools that only `let_go` closes.

    Dagster makes a new object of a resource for each run: what is kept stands in this module.
    """

    _before: PoolStats = PrivateAttr(default=NO_STATS)

    def pool_of(self, model: str) -> "SessionPool | RemotePool":
        """As MlxSessionsResource.pool_of, from the fleet that is kept."""
        with _kept.lock:
            if self._fleet is None:
                _kept.fleet = self._fleet = _kept.fleet or self.new_fleet()
                self._before = self._fleet.stats()
            return super().pool_of(model)

    def stats(self) -> PoolStats:
        """As MlxSessionsResource.stats: what earlier runs did does not count."""
        return super().stats().since(self._before)

    def tokens_spent(self) -> int:
        """As MlxSessionsResource.tokens_spent: what earlier runs spent does not count."""
        before = self._before.prompt_tokens + self._before.output_tokens
        return super().tokens_spent() - before

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Write the last figures, and keep the pools for the next run if they are sound."""
        fell_back = self.stats().fallbacks > 0
        self._fleet = None
        super().teardown_after_execution(context)
        if fell_back:
            let_go()  # the next run tries the GPU, and all sessions, again


def let_go() -> None:
    """End the sessions and free the weights; who asks for a model next loads it again."""
    with _kept.lock:
        _close()


def let_go_for_others(instance: dg.DagsterInstance, run_id: str) -> None:
    """Free the weights if another run has the GPU and this one waits for it.

    Between two of its runs a process has no place in the pool, and a run that waited gets it. That
    one needs some seconds to start loading its weights.
    """
    # Under the lock: a run of ours that gets the place meanwhile asks for its pool only after it.
    with _kept.lock:
        slots = instance.event_log_storage.get_concurrency_info(GPU_POOL).claimed_slots
        owners = {slot.run_id for slot in slots}
        if owners and run_id not in owners:
            _close()


def _close() -> None:
    if _kept.fleet is not None:
        _kept.fleet.close()
