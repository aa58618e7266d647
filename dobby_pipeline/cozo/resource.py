"""The store as a Dagster resource.

Not here: the store itself (store.py) and moving partitions through it (io_manager.py).
"""

from pathlib import Path

import dagster as dg
from pydantic import Field

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.settings import Settings


class CozoResource(dg.ConfigurableResource[None]):
    """Where the database is. It is opened when an operation needs it, so nothing is held.

    Dagster shows fields, so the token of the environment is in none: it is read where it is sent.
    """

    home: str = Field(description="DOBBY_HOME: the embedded database lies in its folder cozo/.")
    url: str = Field(default="", description="DOBBY_COZO_URL: a Cozo server instead of it.")
    auth: str = Field(
        default="", description="The server's token, as an EnvVar; DOBBY_COZO_AUTH where empty."
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> "CozoResource":
        """The resource that the environment asks for."""
        return cls(home=str(settings.home), url=settings.cozo_url)

    @property
    def home_path(self) -> Path:
        """DOBBY_HOME, which also holds clones."""
        return Path(self.home)

    def store(self) -> CozoStore:
        """The store, for use without Dagster."""
        return CozoStore(
            self.home_path / "cozo", self.url, self.auth or Settings.from_env().cozo_auth
        )
