"""The store: one door to CozoDB, embedded or over http, that the rest cannot tell apart.

Not here: what is stored (schema/) and how assets reach it (resource.py, io_manager.py).
"""

import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pycozo.client
import requests
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random,
    wait_random_exponential,
)
from tenacity.wait import wait_base

from dobby_pipeline.cozo import journal
from dobby_pipeline.cozo.kept_open import KEPT_OPEN, Connection, wanting
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.errors import DobbyError

# On 2 cores Cozo's default of one rayon thread a core lets two open transactions starve each
# other; the variable is read when the engine is first used.
os.environ.setdefault("RAYON_NUM_THREADS", "16")

LOCK_WAIT_S = 60.0
"""How long an operation waits for the database. Others who wait as well have a quarter of a second
each (kept_open.py)."""

CONFLICT_WAIT_S = 30.0
"""How long a transaction is rerun when another one wrote the same rows first."""


_BY_TURNS = wait_random(0.01, 0.05)
"""Between two looks whether the database is free. If they grew, who has waited for long would look
less often than who has just come, and find it taken."""

_BACKING_OFF = wait_random_exponential(multiplier=0.005, max=0.5)

_Result = TypeVar("_Result")


class StoreError(DobbyError):
    """A query failed. The text names the query and the database, never a row."""


class StoreLocked(StoreError):
    """Another process held the embedded database for longer than the wait allows."""


class StoreNewer(StoreError):
    """The database was written by a newer version of the code."""


class StoreConflict(StoreError):
    """Another transaction wrote the same rows first, again and again."""


class _Locked(Exception):
    """Another process has the database open right now."""


class _Conflict(Exception):
    """The engine refused a commit because another one came first."""


class _EmbeddedClient(pycozo.client.Client):
    """pycozo's client over mnestic, the maintained engine, instead of cozo-embedded.

    cozo-embedded 0.7.6 returns wrong rows for range filters and index look-ups; mnestic exposes
    the same class and reads the same files.
    """

    def __init__(self, path: Path) -> None:
        from mnestic import CozoDbPy  # pyright: ignore[reportAttributeAccessIssue]

        self.pandas = None
        self.embedded = CozoDbPy("rocksdb", str(path), json.dumps({}))


@dataclass(frozen=True)
class CozoStore:
    """A CozoDB database, opened for an operation and let go when another process wants it.

    RocksDB lets one process in, and Dagster is several: nobody keeps the embedded database while
    others wait (kept_open.py), everybody waits for it with a bounded, jittered back-off.

    Attributes:
        path: folder of the embedded RocksDB database; unused when `url` is set.
        url: address of a Cozo server, or empty.
        auth: the server's `x-cozo-auth` token.
        lock_wait_s: how long an operation waits for the embedded database.
        lasting: whether this process keeps the embedded database for good, and has the engine's
            own options, not those for short operations.
    """

    path: Path
    url: str = ""
    auth: str = ""
    lock_wait_s: float = LOCK_WAIT_S
    lasting: bool = False

    @property
    def place(self) -> str:
        """What to call this database in a message."""
        return self.url or str(self.path)

    @property
    def exists(self) -> bool:
        """Whether there is a database to read; a server's always counts as there."""
        return bool(self.url) or (self.path / "data").is_dir()

    def run(
        self,
        name: str,
        script: str,
        params: Mapping[str, Any] | None = None,
        *,
        write: bool = False,
    ) -> list[Row]:
        """Run one script, which is one transaction, and return its rows as dicts.

        Args:
            name: what the query is for, and on which relation; used in messages.
            script: CozoScript; values go into `params`, never into the text.
            params: values for the script's `$names`.
            write: whether the script may change the database; otherwise the engine refuses it.

        Raises:
            StoreLocked: when the embedded database stays in use.
            StoreConflict: when other transactions keep coming first.
            StoreError: for everything else that the engine refuses.
        """
        with self.held(name) as connection:
            return connection.rows(name, script, params or {}, write=write)

    @contextmanager
    def held(self, name: str) -> "Generator[HeldStore]":
        """Keep the database for a few operations; the others wait as long, so keep it short."""
        if self.url:
            options = {"host": self.url.rstrip("/"), "auth": self.auth}
            client = pycozo.client.Client("http", options=options, dataframe=False)
            with closing(client):
                yield HeldStore(self, client)
            return
        connection, since = self._open(name)
        try:
            yield HeldStore(self, connection)
        except BaseException:
            connection.close()  # an engine that could not write may serve nothing more
            raise
        if self.lasting:
            connection.close()
        else:
            KEPT_OPEN.keep(self.path, connection, since)

    def _open(self, name: str) -> tuple[Connection, float]:
        locked = StoreLocked(
            f"{name}: the database {self.path} was held by another process for "
            f"{self.lock_wait_s:g} s: stop that process, or share one database by DOBBY_COZO_URL"
        )
        open_it = partial(self._open_embedded, name)
        with suppress(_Locked):
            return open_it()
        try:
            with wanting(self.path):
                return _until(open_it, _Locked, self.lock_wait_s, _BY_TURNS, locked)
        except OSError as error:
            raise StoreError(_unusable(name, self.path, os.strerror(error.errno or 0))) from error

    def _open_embedded(self, name: str) -> tuple[Connection, float]:
        kept = KEPT_OPEN.take(self.path)
        if kept is not None:
            if not self.lasting:
                return kept
            kept[0].close()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            return self._opened(), time.monotonic()
        except OSError as error:
            raise StoreError(_unusable(name, self.path, os.strerror(error.errno or 0))) from error
        except Exception as error:  # the engine raises it bare
            reason = _plain(str(error))
            if "LOCK" in reason or "lock hold by current process" in reason:
                raise _Locked from error
            raise StoreError(_unusable(name, self.path, _without_code(reason))) from None

    def _opened(self) -> _EmbeddedClient:
        crowded = journal.needs_flush(self.path)
        if self.lasting:
            journal.forget_options(self.path)
        with self._creation():
            client = _EmbeddedClient(self.path)
        if journal.write_options(self.path) and not self.lasting:
            client.close()
            client = _EmbeddedClient(self.path)
        if crowded:
            # On a full disk it fails, and the operation itself may not need the space.
            with suppress(pycozo.client.QueryException):
                journal.flush(self.path, client.run)
        return client

    @contextmanager
    def _creation(self) -> Generator[None]:
        """One process at a time, while there is no database yet.

        The engine takes a folder `data` for a database, although another process may just have
        made it and nothing in it.
        """
        if (self.path / "data" / "CURRENT").exists():
            yield
            return
        with (self.path / "creation.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True)
class HeldStore:
    """An open database: the same `run` as a store's, without opening and closing it."""

    store: CozoStore
    connection: Connection

    def run(
        self,
        name: str,
        script: str,
        params: Mapping[str, Any] | None = None,
        *,
        write: bool = False,
    ) -> list[Row]:
        """As `CozoStore.run`."""
        return self.rows(name, script, params or {}, write=write)

    def rows(self, name: str, script: str, params: Mapping[str, Any], *, write: bool) -> list[Row]:
        """As `CozoStore.run`: conflicts are rerun, other errors told with the query's name."""
        result = self._result(name, script, params, write=write)
        return [dict(zip(result["headers"], row, strict=True)) for row in result["rows"]]

    def values(self, name: str, script: str, params: Mapping[str, Any]) -> list[list[Any]]:
        """What a script reads, each row a list in the order of its head.

        For the tens of thousands of rows of a plan: a dict for each costs as much again.
        """
        return self._result(name, script, params, write=False)["rows"]

    def _result(
        self, name: str, script: str, params: Mapping[str, Any], *, write: bool
    ) -> dict[str, Any]:
        conflict = StoreConflict(
            f"{name}: other transactions on {self.store.place} kept coming first for "
            f"{CONFLICT_WAIT_S:g} s: run it again"
        )
        return _until(
            lambda: self._once(name, script, params, immutable=not write),
            _Conflict,
            CONFLICT_WAIT_S,
            _BACKING_OFF,
            conflict,
        )

    def _once(
        self, name: str, script: str, params: Mapping[str, Any], *, immutable: bool
    ) -> dict[str, Any]:
        try:
            return self.connection.run(script, params, immutable)
        except pycozo.client.QueryException as error:
            raise self._told(name, error) from None
        except requests.RequestException as error:
            raise StoreError(
                f"{name}: no usable answer from the Cozo server {self.store.url} "
                f"({type(error).__name__}): check DOBBY_COZO_URL and DOBBY_COZO_AUTH"
            ) from error

    def _told(self, name: str, error: pycozo.client.QueryException) -> Exception:
        """The error for the user: the engine's `causes` and `display` quote rows, so neither."""
        answer = error.resp if isinstance(error.resp, dict) else {"message": str(error.resp)}
        code = str(answer.get("code") or "")
        if "kBusy" in code or "kTryAgain" in code:
            return _Conflict(code)
        if "assert" in code:
            return StoreConflict(
                f"{name}: another run has just written the same rows in {self.store.place}: run "
                "it again when that one has ended"
            )
        message = _plain(str(answer.get("message", "")))
        if "kIOError" in code or "kIOError" in message:
            return StoreError(_unusable(name, self.store.place, _without_code(message)))
        relation = re.search(r"relation '?([A-Za-z][A-Za-z0-9_:]*)", message)
        on = f" on {relation[1]}" if relation else ""
        place = self.store.place
        return StoreError(f"{name}: the query{on} failed in {place} ({code or 'refused'})")


def _until(
    call: Callable[[], _Result],
    busy: type[Exception],
    patience_s: float,
    pauses: wait_base,
    refusal: StoreError,
) -> _Result:
    """Call until it is not `busy`.

    The first time without tenacity, whose state is a cycle: it would keep the rows that a call
    writes until garbage is looked for.

    Raises:
        StoreError: `refusal`, when it was busy for `patience_s`.
    """
    with suppress(busy):
        return call()

    def refused(_: RetryCallState) -> _Result:
        raise refusal

    retrying = Retrying(
        retry=retry_if_exception_type(busy),
        wait=pauses,
        stop=stop_after_delay(patience_s),
        retry_error_callback=refused,
    )
    return retrying(call)


def _plain(text: str) -> str:
    """The engine's error on one line: it is drawn as a box, wrapped at 80 columns."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return re.sub(r"[\s│×╰├─▶]+", " ", text).strip()


def _without_code(reason: str) -> str:
    reason = re.sub(r"^\S+::\S+ ", "", reason)
    return reason.split(" help: This error")[0]


def _unusable(name: str, place: Path | str, reason: str) -> str:
    if os.strerror(errno.ENOSPC) in reason:
        advice = "free some space, then run it again: what was committed is kept"
    elif os.strerror(errno.EROFS) in reason or os.strerror(errno.EACCES) in reason:
        advice = "make it writable, or set DOBBY_HOME to a folder that is"
    else:
        advice = "check the folder, or set DOBBY_HOME to another one"
    return f"{name}: the database {place} cannot be used ({reason}): {advice}"
