"""Dagster's SQLite files, opened once in place of once for each operation.

Not here: what is stored in them, and Dagster's other databases, which keep their connections.
"""

import os
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage

if TYPE_CHECKING:
    from sqlalchemy import Engine

MOST = 16
"""Engines kept: each run has a file of its own, beside the two that all runs share."""


def keep_engines() -> None:
    """Have Dagster's storages get an engine of the same file once, and it keep its connection.

    Dagster 1.13 makes both for each event that it writes or reads, some 400 in a run: with the
    engine goes what SQLAlchemy has compiled, and the last connection that closes copies the
    write-ahead log into the file. An event takes 3 ms so, and 1 without. An open connection holds
    no lock between two operations, and each still waits until its event is on the disk.
    """
    for module in (sqlite_event_log, sqlite_run_storage):
        if not hasattr(module.create_engine, "kept"):
            _keep(module)


def _keep(module: ModuleType) -> None:
    make, lock = module.create_engine, threading.Lock()
    kept: dict[tuple[int, str], Engine] = {}

    def create_engine(address: str, **options: Any) -> "Engine":
        key = os.getpid(), address  # a connection of SQLite's must not be used in a fork
        with lock:
            engine = kept.get(key)
            if engine is None:
                while len(kept) >= MOST:
                    kept.pop(next(iter(kept))).pool.dispose()
                engine = kept[key] = _lasting(make, address, options)
            return engine

    create_engine.kept = kept  # pyright: ignore[reportFunctionMemberAccess]
    module.create_engine = create_engine  # pyright: ignore[reportAttributeAccessIssue]


def _lasting(make: Any, address: str, options: dict[str, Any]) -> "Engine":
    """An engine that keeps one connection, also when Dagster disposes of it after an operation."""
    from sqlalchemy.pool import QueuePool

    options = {**options, "poolclass": QueuePool, "pool_size": 1, "max_overflow": -1}
    engine = make(address, **options)
    engine.dispose = lambda: None
    return engine
