"""One SQLAlchemy engine for each of Dagster's SQLite files, in place of one for each operation.

Not here: what is stored in them, and Dagster's other databases, which keep their engines.
"""

from types import ModuleType
from typing import TYPE_CHECKING, Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage

if TYPE_CHECKING:
    from sqlalchemy import Engine

MOST = 16
"""Engines kept: each run has a file of its own, beside the two that all runs share."""


def keep_engines() -> None:
    """Have Dagster's storages ask for an engine of the same file once.

    Dagster 1.13 makes one for each event that it writes or reads, some 400 in a run, and with it
    goes what SQLAlchemy has compiled: more than a quarter of a small run's processor time. None
    keeps a connection, so nothing is open between two operations, as before.
    """
    for module in (sqlite_event_log, sqlite_run_storage):
        if not hasattr(module.create_engine, "kept"):
            _keep(module)


def _keep(module: ModuleType) -> None:
    make, kept = module.create_engine, dict[str, "Engine"]()

    def create_engine(address: str, **options: Any) -> "Engine":
        engine = kept.get(address)
        if engine is None:
            if len(kept) >= MOST:
                kept.clear()
            engine = kept[address] = make(address, **options)
        return engine

    create_engine.kept = kept  # pyright: ignore[reportFunctionMemberAccess]
    module.create_engine = create_engine  # pyright: ignore[reportAttributeAccessIssue]
