"""The session pool as a Dagster resource: on this machine, or over servers.

Not here: the pools (pool.py, remote/pool.py), and how several share the memory (fleet.py). The
weights are loaded, or the servers asked, when something is first generated, so a run that finds
every summary present never touches a model.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import dagster as dg
from pydantic import Field, PrivateAttr

from dobby_pipeline.inference.fleet import Fleet
from dobby_pipeline.inference.models.manifests import Manifest, load_manifest
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.recorder import Recorder
from dobby_pipeline.inference.remote.address import (
    TOKEN_ENV,
    URL_ENV,
    Address,
    parse_addresses,
)
from dobby_pipeline.inference.requests import PoolStats
from dobby_pipeline.logs import begin_logs
from dobby_pipeline.settings import DEFAULT_SESSIONS, Settings

if TYPE_CHECKING:
    from dobby_pipeline.inference.remote.pool import RemotePool


NO_STATS = PoolStats(0, 0, 0, 0, 0.0, 0.0, 0, 0)
"""Of a run that has asked for no pool."""


class MlxSessionsResource(dg.ConfigurableResource[None]):
    """The models on this machine's GPU or CPU, and for each the sessions that share its weights.

    With a `base_url` the sessions are requests to servers. Credentials are in no field, since
    Dagster shows fields: the token and the passwords of addresses come from the environment.
    """

    model: str = Field(description="DOBBY_MODEL: a manifest's name under models/.")
    sessions: int | None = Field(
        description="DOBBY_SESSIONS: summaries generated side by side; none for auto.", ge=1
    )
    device: str = Field(description="DOBBY_DEVICE: auto, gpu or cpu.")
    memory_limit_gb: float = Field(
        description="DOBBY_MEMORY_LIMIT_GB: for weights, KV cache and MLX's cache together.", gt=0
    )

    base_url: str = Field(
        default="",
        description="DOBBY_MLX_URL: OpenAI-compatible servers to ask instead, separated by commas.",
    )

    home: str = Field(
        default="",
        description="DOBBY_HOME: `logs/` and `metrics/` are written there; empty for none.",
    )
    metrics_port: int = Field(
        default=0,
        ge=0,
        lt=65536,
        description="DOBBY_METRICS_PORT: where Prometheus may ask while a run lasts; 0 for none.",
    )

    routes: str = Field(
        default="",
        description="DOBBY_ROUTES: a file of rules that choose among models; empty for one model.",
    )

    _fleet: Fleet | None = PrivateAttr(default=None)
    _recorder: Recorder | None = PrivateAttr(default=None)
    _end_logs: Callable[[], None] | None = PrivateAttr(default=None)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The resource that the environment asks for."""
        return cls(
            model=settings.model,
            sessions=settings.sessions,
            device=settings.device,
            memory_limit_gb=settings.memory_limit_gb,
            base_url=",".join(address.url for address in parse_addresses(settings.mlx_url)),
            home=str(settings.home),
            metrics_port=settings.metrics_port,
            routes=settings.routes,
        )

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that DOBBY_MODEL names.

        Raises:
            ModelError: when there is none of that name, or it cannot be read.
        """
        return self.manifest_of(self.model)

    def manifest_of(self, model: str) -> Manifest:
        """A model's manifest.

        Raises:
            ModelError: when there is none of that name, or it cannot be read.
        """
        return load_manifest(model)

    def pool(self) -> "SessionPool | RemotePool":
        """The pool of the model that DOBBY_MODEL names: as `pool_of`."""
        return self.pool_of(self.model)

    def pool_of(self, model: str) -> "SessionPool | RemotePool":
        """The run's pool of a model, opened when it is asked for.

        It may close the pools of other models, so each is to be asked for before it is used.

        Raises:
            ModelError: when the model is not pulled, and there are no servers that need not be.
            PoolError: when there is no room beside a model that is generating.
            UsageError: when a server's address is none.
        """
        # Not before: a run that still waits for its turn would take the port of another.
        self._fleet = self._fleet or self.new_fleet()
        if self._recorder is None:
            folder, open_now = self._folder("metrics"), self._fleet.metrics()
            self._recorder = Recorder(folder, self.metrics_port, open_now).start()
        return self._fleet.pool(model)

    def new_fleet(self) -> Fleet:
        """One with the resource's settings; nothing is opened yet."""
        return Fleet(self._remote if self.base_url else self._local, self.memory_limit_gb)

    @property
    def latest(self) -> "SessionPool | RemotePool | None":
        """The pool that was used last; None before any was."""
        return self._fleet.latest if self._fleet else None

    def stats(self) -> PoolStats:
        """What all pools of the run have done so far; nothing is opened for it."""
        return self._fleet.stats() if self._fleet else NO_STATS

    def tokens_spent(self) -> int:
        """Prompt and output tokens of the run so far, of all models."""
        return self._fleet.tokens() if self._fleet else 0

    def run_over_time(self) -> Mapping[str, Sequence[tuple[float, float]]]:
        """What a chart of the run so far shows: by title, (minutes, value)."""
        return self._recorder.lines() if self._recorder else {}

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Say in each log line which run it belongs to, and keep them in a file."""
        run = context.run
        tags = {"run_id": run.run_id, "repo": run.tags.get("dagster/partition", "")} if run else {}
        self._end_logs = begin_logs(self._folder("logs"), **tags)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """End the sessions, free the weights, and write the last figures."""
        if self._fleet is not None:
            self._fleet.close()
            self._fleet = None
        if self._recorder is not None:
            self._recorder.stop()
            self._recorder = None
        if self._end_logs is not None:
            self._end_logs()
            self._end_logs = None

    def _folder(self, name: str) -> Path | None:
        return Path(self.home) / name if self.home else None

    def _local(self, manifest: Manifest, beside: Callable[[], int]) -> SessionPool:
        return SessionPool(
            manifest,
            sessions=self.sessions,
            device=self.device,
            memory_limit_gb=self.memory_limit_gb,
            beside=beside,
        )

    def _remote(self, manifest: Manifest, _: Callable[[], int]) -> "RemotePool":
        from dobby_pipeline.inference.remote.pool import RemotePool

        return RemotePool(
            manifest,
            with_credentials(parse_addresses(self.base_url)),
            sessions=self.sessions or DEFAULT_SESSIONS,
            token=os.environ.get(TOKEN_ENV, ""),
        )


def with_credentials(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    """The addresses, with the credentials that the environment has for them."""
    known = {address.url: address for address in parse_addresses(os.environ.get(URL_ENV, ""))}
    return tuple(known.get(address.url, address) for address in addresses)
