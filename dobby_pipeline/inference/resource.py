"""The session pool as a Dagster resource: on this machine, or over servers.

Not here: the pools (pool.py, remote.py). The weights are loaded, or the servers asked, when
something is first generated, so a run that finds every summary present never touches a model.
"""

import os
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, PrivateAttr

from dobby_pipeline.inference.manifests import Manifest, load_manifest
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.remote_address import (
    TOKEN_ENV,
    URL_ENV,
    Address,
    parse_addresses,
)
from dobby_pipeline.settings import DEFAULT_SESSIONS, Settings

if TYPE_CHECKING:
    from dobby_pipeline.inference.remote import RemotePool


class MlxSessionsResource(dg.ConfigurableResource[None]):
    """One model on this machine's GPU or CPU, and the sessions that share its weights.

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

    _pool: "SessionPool | RemotePool | None" = PrivateAttr(default=None)

    @classmethod
    def from_settings(cls, settings: Settings) -> "MlxSessionsResource":
        """The resource that the environment asks for."""
        return cls(
            model=settings.model,
            sessions=settings.sessions,
            device=settings.device,
            memory_limit_gb=settings.memory_limit_gb,
            base_url=",".join(address.url for address in parse_addresses(settings.mlx_url)),
        )

    @property
    def manifest(self) -> Manifest:
        """The model's manifest.

        Raises:
            ModelError: when there is none of that name, or it cannot be read.
        """
        return load_manifest(self.model)

    def pool(self) -> "SessionPool | RemotePool":
        """The run's pool, opened at the first call.

        Raises:
            ModelError: when the model is not pulled, and there are no servers that need not be.
            UsageError: when a server's address is none.
        """
        if self._pool is None:
            self._pool = self._remote() if self.base_url else self._local()
        return self._pool

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """End the sessions and free the weights."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _local(self) -> SessionPool:
        return SessionPool(
            self.manifest,
            sessions=self.sessions,
            device=self.device,
            memory_limit_gb=self.memory_limit_gb,
        )

    def _remote(self) -> "RemotePool":
        from dobby_pipeline.inference.remote import RemotePool

        return RemotePool(
            self.manifest,
            with_credentials(parse_addresses(self.base_url)),
            sessions=self.sessions or DEFAULT_SESSIONS,
            token=os.environ.get(TOKEN_ENV, ""),
        )


def with_credentials(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    """The addresses, with the credentials that the environment has for them."""
    known = {address.url: address for address in parse_addresses(os.environ.get(URL_ENV, ""))}
    return tuple(known.get(address.url, address) for address in addresses)
