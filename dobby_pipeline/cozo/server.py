"""Cozo's own http protocol over the store's database, for more than one machine or many writers.

No packaged Cozo server exists. This one speaks what pycozo's http client asks for, but for
callbacks, to which that client sends no token. It alone has the database open, so nobody waits for
another's open and close.

Not here: the client (store.py) and the command (cli/cozo_server.py). No TLS: beyond one machine it
belongs in a private network or behind a proxy.
"""

import base64
import json
import secrets
import signal
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

import anyio
import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dobby_pipeline.cozo.store import CozoStore, StoreError
from dobby_pipeline.errors import DobbyError

MAX_BODY_BYTES = 256 * 2**20
"""Of one request. A batch of the flow has 500 rows, of which most are of some kB."""

BODY_TIMEOUT_S = 300.0
"""How long a request may take to arrive: what a client that hangs holds until then is its body."""

QUERY_TIMEOUT_S = 600.0
"""How long a query may take: a client that went away cannot end its query, nor may one hold a
thread for ever."""

THREADS = 16
"""Queries that run at once. The engine lets go of the interpreter while it works."""

Engine = Any
"""The open database: mnestic's `CozoDbPy`, which has no types."""

_Kind = TypeVar("_Kind")
_Work = Callable[[Any], Mapping[str, Any]]


class ServerError(DobbyError):
    """The server cannot start."""


class _Refused(Exception):
    """A request that is answered without asking the engine."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.answer = {"ok": False, "code": f"server::{code}", "message": message}


@dataclass(frozen=True)
class Protocols:
    """The protocol's requests, each from its decoded body to the fields of its answer.

    Attributes:
        engine: the open database.
        backups: the folder that backups are written to and read from. Their names come from the
            network, so no other place is.
    """

    engine: Engine
    backups: Path

    def text_query(self, body: Any) -> Mapping[str, Any]:
        """Run a script, which is one transaction."""
        script, params = _field(body, "script", str), body.get("params") or {}
        return self.engine.run_script(script, params, bool(body.get("immutable")))

    def export(self, relations: str) -> Mapping[str, Any]:
        """Whole relations, at once in memory; a backup is for large ones."""
        return {"data": self.engine.export_relations([r for r in relations.split(",") if r])}

    def import_rows(self, body: Any) -> Mapping[str, Any]:
        """Rows of several relations, as one transaction."""
        if not isinstance(body, dict):
            raise _Refused(400, "bad_request", "an import is an object of relations")
        self.engine.import_relations(cast("dict[str, Any]", body))
        return {}

    def backup(self, body: Any) -> Mapping[str, Any]:
        """The whole database as it is now, as a file; one that broke off never has its name."""
        path = self._inside(_field(body, "path", str))
        if path.exists():
            raise _Refused(400, "backup_exists", f"there is a backup {path} already")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid4().hex}.part")
        try:
            self.engine.backup(str(partial))
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
        return {}

    def import_from_backup(self, body: Any) -> Mapping[str, Any]:
        """Relations of a backup; they must be there, and have no index."""
        path = self._inside(_field(body, "path", str))
        if not is_backup(path):
            raise _Refused(400, "no_backup", f"{path} is no backup")
        self.engine.import_from_backup(str(path), _field(body, "relations", list))
        return {}

    def _inside(self, name: str) -> Path:
        folder = self.backups.resolve()
        path = (folder / name).resolve()
        if folder not in path.parents:
            raise _Refused(400, "outside", f"backups are kept in {folder}: give a name in it")
        return path


def is_backup(path: Path) -> bool:
    """Whether it is a whole file that Cozo's backup wrote: an SQLite database with a table cozo.

    The engine makes an empty database of a file that is missing, and panics on a damaged one.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            file.execute("select 1 from cozo limit 1")
            return file.execute("pragma quick_check(1)").fetchone() == ("ok",)
    except sqlite3.Error:
        return False


def _field(body: Any, name: str, kind: type[_Kind]) -> _Kind:
    value = cast("dict[str, Any]", body).get(name) if isinstance(body, dict) else None
    if not isinstance(value, kind):
        raise _Refused(400, "bad_request", f"the body needs a field {name} ({kind.__name__})")
    return value


def application(protocols: Protocols, token: str) -> Starlette:
    """The server as an ASGI application: each request a query in a thread of its own."""
    limiter = anyio.CapacityLimiter(THREADS)

    def endpoint(work: _Work) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            given = request.headers.get("x-cozo-auth", "")
            if not secrets.compare_digest(given.encode(), token.encode()):
                return Response(status_code=401)  # with no body, as Cozo's own
            try:
                body = request.path_params.get("relations") or await _body(request)
            except ClientDisconnect:
                return Response(status_code=400)  # to nobody; of half a request nothing is run
            except _Refused as refused:
                return Response(json.dumps(refused.answer), refused.status)
            status, text = await anyio.to_thread.run_sync(_answered, work, body, limiter=limiter)
            return Response(text, status, media_type="application/json")

        return answer

    async def root(_: Request) -> Response:
        return PlainTextResponse("Cozo")  # for who asks whether the server is up

    return Starlette(
        routes=[
            Route("/", root),
            Route("/text-query", endpoint(protocols.text_query), methods=["POST"]),
            Route("/export/{relations}", endpoint(protocols.export)),
            Route("/import", endpoint(protocols.import_rows), methods=["PUT"]),
            Route("/backup", endpoint(protocols.backup), methods=["POST"]),
            Route("/import-from-backup", endpoint(protocols.import_from_backup), methods=["POST"]),
        ]
    )


async def _body(request: Request) -> bytearray:
    data, size = bytearray(), 0
    try:
        with anyio.fail_after(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= MAX_BODY_BYTES:  # what is more is read all the same: a client that is
                    data += chunk  # cut off while it sends never sees the answer
    except TimeoutError:
        raise _Refused(408, "too_slow", "the request did not arrive in time") from None
    if size > MAX_BODY_BYTES:
        raise _Refused(413, "too_large", f"a request has {MAX_BODY_BYTES >> 20} MiB at most")
    return data


def _answered(work: Callable[[Any], Mapping[str, Any]], body: str | bytearray) -> tuple[int, str]:
    """Status and JSON of one request; errors in the shape of Cozo's own.

    Decoding and encoding are done here, in the query's thread, so that a large request keeps no
    other waiting.
    """
    try:
        result = work(body if isinstance(body, str) else _decoded(body))
        return 200, json.dumps({**result, "ok": True}, default=_plain)
    except _Refused as refused:
        return refused.status, json.dumps(refused.answer)
    except Exception as error:  # noqa: BLE001 - the engine raises it bare, with its answer
        told = error.args[0] if error.args else ""
        answer = told if isinstance(told, dict) else {"message": str(told)}
        return 400, json.dumps({**answer, "ok": False})
    except BaseException as error:  # a panic of the engine is no Exception
        if type(error).__name__ != "PanicException":
            raise
        return 500, json.dumps({"ok": False, "code": "server::panic", "message": "a panic"})


def _decoded(body: bytearray) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _Refused(400, "bad_request", "the body is no JSON") from None


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def listen(host: str, port: int) -> socket.socket:
    """The socket to serve on; port 0 takes a free one.

    Raises:
        ServerError: when the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise ServerError(
            f"{host}:{port} cannot be served ({error.strerror}): give another --host or --port, "
            "or stop what listens there"
        ) from error


@contextmanager
def opened(store: CozoStore, restore: Path | None = None) -> Generator[Engine]:
    """The store's embedded database, kept open.

    Args:
        restore: a backup to fill the database with first, which must be empty.

    Raises:
        StoreLocked: when another process keeps the database.
        StoreError: when the database cannot be used, or the backup not be restored.
    """
    if restore is not None and not is_backup(restore):
        raise StoreError(f"{restore} is no backup of a Cozo database: give another file")
    with replace(store, lasting=True).held("cozo-server") as held:
        engine = cast("Any", held.connection).embedded
        engine.set_default_query_timeout(QUERY_TIMEOUT_S)
        if restore is not None:
            _restore(engine, store, restore)
        yield engine


def _restore(engine: Engine, store: CozoStore, backup: Path) -> None:
    if engine.run_script("::relations", {}, True)["rows"]:
        raise StoreError(
            f"{backup} is not restored: the database {store.path} is not empty: move that folder "
            "away, or set DOBBY_HOME to another one"
        )
    try:
        engine.restore(str(backup))
    except Exception as error:  # noqa: BLE001 - the engine raises it bare
        raise StoreError(f"{backup} cannot be restored ({error}): give another file") from None


def serve(protocols: Protocols, token: str, listening: socket.socket) -> None:
    """Answer requests until the process is told to stop; those that are under way end first."""
    config = uvicorn.Config(
        application(protocols, token),
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=int(QUERY_TIMEOUT_S),
    )
    # uvicorn raises again what stopped it, when it has ended: the database is still to be closed.
    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, signal.SIG_IGN)
    uvicorn.Server(config).run(sockets=[listening])
