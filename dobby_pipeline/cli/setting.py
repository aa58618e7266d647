"""What most subcommands start from: the settings, a home that can be written, the store.

Not here: Dagster's instance (runs.py).
"""

import os
import shutil
from pathlib import Path

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.errors import DobbyError, UsageError
from dobby_pipeline.schema.migrations import check_version, migrate
from dobby_pipeline.settings import Settings

MIN_FREE_MB = 64
"""A run writes its events and some batches before it could notice a full disk: RocksDB's log
and Dagster's SQLite files take some 20 MB at the start."""


LOCK_WAIT_S = 15.0
"""How long a person waits for a database in use; a run of the flow has more patience."""


class HomeError(DobbyError):
    """DOBBY_HOME cannot be used."""


class NothingStoredError(UsageError):
    """There is no database yet."""

    def __init__(self, home: Path, *, of_all: bool) -> None:
        super().__init__(
            f"nothing is registered in {home}: start with `dobby summarize PATH`, "
            "or set DOBBY_HOME to the folder that holds the database"
        )
        if of_all:  # the answer is empty, and the question was no mistake
            self.exit_status = 0


def settings() -> Settings:
    """The settings, with DOBBY_HOME made absolute for the processes that Dagster starts."""
    found = Settings.from_env()
    os.environ["DOBBY_HOME"] = str(found.home)
    return found


def store_of(found: Settings) -> CozoStore:
    """The store, whether or not there is a database yet."""
    return CozoStore(found.home / "cozo", found.cozo_url, found.cozo_auth, LOCK_WAIT_S)


def reading_store(found: Settings, *, of_all: bool = False) -> CozoStore:
    """The store at today's schema, for a command that only reads.

    Args:
        of_all: the command is about whatever is registered, and not about one repository.

    Raises:
        NothingStoredError: when there is no database yet.
        StoreNewer: when it is newer than this code.
    """
    store = store_of(found)
    if not store.exists or check_version(store) == 0:
        raise NothingStoredError(found.home, of_all=of_all)
    migrate(store)
    return store


def writing_store(found: Settings) -> CozoStore:
    """The store at today's schema, for a command that writes.

    Raises:
        HomeError: when DOBBY_HOME cannot be written or has no space.
        StoreError: when the database cannot be used.
    """
    check_home(found.home)
    store = store_of(found)
    migrate(store)
    return store


def check_home(home: Path) -> None:
    """See that DOBBY_HOME can be written and has room for a run.

    Raises:
        HomeError: with what to do.
    """
    probe = home / f".write-{os.getpid()}"
    if home.exists() and not home.is_dir():
        raise HomeError(f"DOBBY_HOME {home} is a file: set DOBBY_HOME to a folder")
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        probe.unlink(missing_ok=True)
        raise HomeError(
            f"DOBBY_HOME {home} cannot be written ({os.strerror(error.errno or 0)}): make it "
            "writable, free some space, or set DOBBY_HOME to another folder"
        ) from error
    free = shutil.disk_usage(home).free // 1_000_000
    if free < MIN_FREE_MB:
        raise HomeError(
            f"DOBBY_HOME {home} has {free} MB free, a run needs {MIN_FREE_MB} MB: free some "
            "space, or set DOBBY_HOME to another folder"
        )
