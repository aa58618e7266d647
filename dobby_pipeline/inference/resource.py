"""The session pool as a Dagster resource.

Not here: the pool (pool.py). The weights are loaded when something is first generated, so a
run that finds every summary present never touches the model.
"""

import dagster as dg
from pydantic import Field, PrivateAttr

from dobby_pipeline.inference.manifests import Manifest, load_manifest
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.settings import Settings


class MlxSessionsResource(dg.ConfigurableResource[None]):
    """One model on this machine's GPU or CPU, and the sessions that share its weights."""

    model: str = Field(description="DOBBY_MODEL: a manifest's name under models/.")
    sessions: int = Field(description="DOBBY_SESSIONS: summaries generated side by side.", ge=1)
    device: str = Field(description="DOBBY_DEVICE: auto, gpu or cpu.")
    memory_limit_gb: float = Field(
        description="DOBBY_MEMORY_LIMIT_GB: for weights, KV cache and MLX's cache together.", gt=0
    )

    _pool: SessionPool | None = PrivateAttr(default=None)

    @classmethod
    def from_settings(cls, settings: Settings) -> "MlxSessionsResource":
        """The resource that the environment asks for."""
        return cls(
            model=settings.model,
            sessions=settings.sessions,
            device=settings.device,
            memory_limit_gb=settings.memory_limit_gb,
        )

    @property
    def manifest(self) -> Manifest:
        """The model's manifest.

        Raises:
            ModelError: when there is none of that name, or it cannot be read.
        """
        return load_manifest(self.model)

    def pool(self) -> SessionPool:
        """The run's pool, opened at the first call.

        Raises:
            ModelError: when the model is not pulled.
        """
        if self._pool is None:
            self._pool = SessionPool(
                self.manifest,
                sessions=self.sessions,
                device=self.device,
                memory_limit_gb=self.memory_limit_gb,
            )
        return self._pool

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """End the sessions and free the weights."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
