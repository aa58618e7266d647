"""A fleet of models that outlives a run, so that several runs of one process load weights once.

Not here: the fleet itself (inference/fleet.py), and the runs that share it (batch.py).
"""

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import dagster as dg
from pydantic import Field, PrivateAttr

from dobby_pipeline.inference.fleet import Fleet
from dobby_pipeline.inference.resource import MlxSessionsResource

if TYPE_CHECKING:
    from collections.abc import Generator

    from dobby_pipeline.inference.pool import SessionPool
    from dobby_pipeline.inference.remote.pool import RemotePool

_LOCK = threading.Lock()
_FLEETS: dict[str, Fleet] = {}


class KeptSessions(MlxSessionsResource):
    """As the resource it stands in for, with pools that only `let_go` closes.

    Dagster makes a new object of a resource for each run: what is kept stands in this module.
    """

    kept: str = Field(description="Names the fleet.")

    _before: int = PrivateAttr(default=0)

    @classmethod
    @contextmanager
    def over(cls, sessions: MlxSessionsResource) -> "Generator[KeptSessions]":
        """One with the same settings; what it keeps is let go of at the end."""
        fields = {name: getattr(sessions, name) for name in MlxSessionsResource.model_fields}
        kept = cls(**fields, kept=uuid4().hex)
        _FLEETS[kept.kept] = kept.new_fleet()
        try:
            yield kept
        finally:
            kept.let_go()
            del _FLEETS[kept.kept]

    def pool_of(self, model: str) -> "SessionPool | RemotePool":
        """As MlxSessionsResource.pool_of, from the fleet that is kept."""
        with _LOCK:
            if self._fleet is None:
                self._fleet = _FLEETS[self.kept]
                self._before = self._fleet.tokens()
            return super().pool_of(model)

    def tokens_spent(self) -> int:
        """As MlxSessionsResource.tokens_spent: what other runs spent does not count."""
        return super().tokens_spent() - self._before

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Write the last figures, and keep the pools for the next run."""
        self._fleet = None
        super().teardown_after_execution(context)

    def let_go(self) -> None:
        """End the sessions and free the weights; who asks for a model next loads it again."""
        with _LOCK:
            _FLEETS[self.kept].close()
