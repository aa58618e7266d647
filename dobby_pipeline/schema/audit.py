"""The audit log: who or what registered, removed, regenerated, exported or cleaned up, and when.

Not here: the events themselves, which whoever acts records; and Dagster's own history of runs.
An event names repositories, commits and counts: never code, rows or secrets.
"""

import getpass
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.schema.relations import AUDIT_LOG

KEPT_DAYS = 365
"""`dobby gc` removes what is older. A year of a thousand repositories, each summarised every
night, is some 365,000 events of 300 bytes: 110 MB before RocksDB compresses them."""

_BLOCK = (
    f"{{ ?[{', '.join(AUDIT_LOG.columns)}] <- $audited :put audit_log "
    f"{{ {', '.join(AUDIT_LOG.keys)} => {', '.join(AUDIT_LOG.values)} }} }}"
)

_READ = """
?[id, time, actor, action, repo, detail] := *audit_log{id, time, actor, action, repo, detail},
    $repo == '' || repo == $repo
:order -id
:limit $limit
"""


def person() -> str:
    """Who runs this process, as `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@dataclass(frozen=True)
class Event:
    """One thing that was done.

    Attributes:
        action: one verb: `registered`, `removed`, `requested`, `summarised`, `exported`, `cleaned`.
        repo: the repository it was done to; empty for the whole database.
        detail: counts and names that tell it apart.
        actor: `user@host` for a command, `dagster:run:ID`, or `sensor:NAME`.
        time: ISO 8601, UTC.
        id: sorts by time.
    """

    action: str
    repo: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    actor: str = field(default_factory=person)
    time: str = field(default_factory=lambda: _now().isoformat(timespec="microseconds"))
    id: str = ""


def record_event(
    store: CozoStore,
    action: str,
    repo: str = "",
    detail: Mapping[str, Any] | None = None,
    actor: str = "",
) -> None:
    """Write one event into the audit log.

    Raises:
        StoreError: when the database cannot be written, or was never migrated.
    """
    event = Event(action, repo, detail or {}, actor or person())
    record_events(store, [event])


def record_events(store: CozoStore, events: Iterable[Event]) -> None:
    """Write events in one transaction; none opens no database.

    Raises:
        StoreError: as `record_event`.
    """
    script, params = audited(events)
    if params["audited"]:
        store.run("write audit_log", script, params, write=True)


def audited(events: Iterable[Event]) -> tuple[str, dict[str, Any]]:
    """A block that writes the events, to stand in the transaction of what they tell.

    Returns:
        CozoScript, and its parameter `audited`.
    """
    rows = [{**asdict(event), "id": event.id or _id(event.time)} for event in events]
    return _BLOCK, {"audited": AUDIT_LOG.rows(rows)}


def read_events(store: CozoStore, repo: str = "", limit: int = 100) -> list[Event]:
    """The last events, the newest first: of one repository, or of all where `repo` is empty."""
    rows = store.run("read audit_log", _READ, {"repo": repo, "limit": limit})
    return [Event(**row) for row in rows]


def prune_events(store: CozoStore, kept_days: float = KEPT_DAYS) -> int:
    """Remove the events older than `kept_days`; returns how many."""
    before = (_now() - timedelta(days=kept_days)).isoformat(timespec="microseconds")
    rows = store.run(
        "prune audit_log",
        "?[id] := *audit_log{id}, id < $before :rm audit_log {id} :returning",
        {"before": before},
        write=True,
    )
    return sum(row["_kind"] == "deleted" for row in rows)


def _id(time: str) -> str:
    """Begins with the time, so that the relation's own order is the events'."""
    return f"{time} {uuid4().hex[:8]}"


def _now() -> datetime:
    return datetime.now(UTC)
