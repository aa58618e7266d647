"""Pools of several models under the one memory limit: who was not used longest makes room.

Not here: what a pool does (pool.py, remote/pool.py), and which model is for what (routing.py).
MLX's limits are of the process, so all pools have the same one. A model counts for its weights
and for the KV cache that it cannot do without; what is left is for the sessions of the one in use.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from dobby_pipeline.inference.metrics import PoolMetrics, total
from dobby_pipeline.inference.models.listing import bytes_held
from dobby_pipeline.inference.models.manifests import Manifest, load_manifest, weights_folder
from dobby_pipeline.inference.pool import SessionPool, stats_of
from dobby_pipeline.inference.requests import PoolError, PoolStats
from dobby_pipeline.inference.worker import LEAST_TOKENS
from dobby_pipeline.logs import logger

if TYPE_CHECKING:
    from dobby_pipeline.inference.remote.pool import RemotePool

_log = logger(__name__)

Open = Callable[[Manifest, Callable[[], int]], "SessionPool | RemotePool"]
"""Makes a model's pool; the second argument tells what other models hold, in bytes."""


class Fleet:
    """A pool for each model that is used, as many as fit. For one thread."""

    def __init__(self, open_pool: Open, memory_limit_gb: float) -> None:
        """Make a fleet; nothing is opened yet.

        Args:
            open_pool: called when a model is used that has no pool, or none any more.
            memory_limit_gb: of all models of this machine together, in 10^9 bytes.
        """
        self._open_pool = open_pool
        self._limit = int(memory_limit_gb * 1e9)
        self._pools: dict[str, SessionPool | RemotePool] = {}  # the one used last at the end
        # What the pools' threads look at: it must not hold the pools themselves.
        self._held: dict[str, int] = {}
        self._metrics: list[PoolMetrics] = []

    @property
    def models(self) -> list[str]:
        """Those that have a pool, the one used last at the end."""
        return list(self._pools)

    @property
    def latest(self) -> "SessionPool | RemotePool | None":
        """The pool that was used last."""
        return next(reversed(self._pools.values()), None)

    def pool(self, model: str) -> "SessionPool | RemotePool":
        """The model's pool; ask again before each use, for another's may have closed it.

        Room is made before the weights are loaded, which the first request does. A model that
        does not even fit alone is refused by its pool then.

        Raises:
            ModelError: when there is no such model, or it is not pulled.
            PoolError: when there is no room beside a model that is generating.
        """
        pool = self._pools.get(model) or self._opened(model)
        if isinstance(pool, SessionPool):
            self._make_room(model, pool)
        self._pools[model] = self._pools.pop(model)
        return pool

    def stats(self) -> PoolStats:
        """What all pools have done, closed ones included; their peaks are the highest of any."""
        stats = stats_of(total(self._metrics))
        peak = max((metrics.reading().peak_sessions for metrics in self._metrics), default=0)
        return replace(stats, peak_sessions=peak)

    def tokens(self) -> int:
        """Prompt and output tokens of all pools so far, closed ones included."""
        return sum(metrics.tokens() for metrics in self._metrics)

    def metrics(self) -> list[PoolMetrics]:
        """Those of the pools that are open."""
        return [pool.metrics for pool in self._pools.values()]

    def close(self) -> None:
        """End all pools. A second call does nothing."""
        for model in self.models:
            self._close(model)

    def _opened(self, model: str) -> "SessionPool | RemotePool":
        held = self._held

        def beside() -> int:
            return sum(size for name, size in list(held.items()) if name != model)

        pool = self._open_pool(load_manifest(model), beside)
        self._pools[model] = pool
        self._metrics.append(pool.metrics)
        return pool

    def _make_room(self, model: str, pool: SessionPool) -> None:
        """Close pools until the model fits, the one that was not used longest first."""
        # The device is asked for each time: a pool that failed on the GPU goes on with the CPU.
        needed = bytes_held(weights_folder(model), pool.device, LEAST_TOKENS)
        others = [(name, self._pools[name]) for name in self.models if name != model]
        busy = [name for name, other in others if _is_generating(other)]
        idle = [name for name, _ in others if name not in busy]
        for name in idle:
            if needed + self._others(model) <= self._limit:
                break
            _log.info("model unloaded", model=name, room_for=model)
            self._close(name)
        if busy and needed + self._others(model) > self._limit:
            self._close(model)
            raise PoolError(
                f"model {model} does not fit beside {', '.join(busy)}, in use now: raise "
                "DOBBY_MEMORY_LIMIT_GB, or use one after the other"
            )
        self._held[model] = needed
        for other in self._pools.values():
            if other is not pool and isinstance(other, SessionPool):
                other.rest()

    def _others(self, model: str) -> int:
        return sum(size for name, size in self._held.items() if name != model)

    def _close(self, model: str) -> None:
        self._pools.pop(model).close()
        self._held.pop(model, None)


def _is_generating(pool: "SessionPool | RemotePool") -> bool:
    return isinstance(pool, SessionPool) and pool.generating
