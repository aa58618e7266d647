"""A Cozo database that is not ours, open for reading: its relations, columns and pages of rows.

Not here: the copy that is opened (foreign_copy.py), and what is made of the rows (foreign.py).
"""

import json
import os
import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import requests
import urllib3

from dobby_pipeline.cozo.relation import checked_name
from dobby_pipeline.sources.foreign_copy import copied
from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.registry import is_url
from dobby_pipeline.sources.skip_rules import MAX_FILE_BYTES

PAGE_ROWS = 100
"""Rows a query. A page of real code is some 150 kB, a hostile one 100 MB: no value above
MAX_FILE_BYTES characters is fetched."""

SHOWN_NAMES = 8
CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0
"""For one page, which takes a server some milliseconds where it has the range in its key order."""
MAX_ANSWER_BYTES = 512 * 1024 * 1024

_DROPPED = re.compile(rb"\.log: dropping \d+ bytes")  # LogReporter in RocksDB's db_impl_open.cc
_MAX_LENGTH = 1 << 53  # what JSON numbers hold; only a broken server gives more
_CODE = re.compile(r"[A-Za-z_]+(::[A-Za-z_]+)+")
_RELATION_MISSING = "query::relation_not_found"
_COMPARISON = "eval::throw"

# The engine reads this when it is first used; see cozo/store.py.
os.environ.setdefault("RAYON_NUM_THREADS", "16")


class QueryError(Exception):
    """The engine refused a script.

    Attributes:
        code: its own name for the reason, such as `rocksdb::kCorruption::kNone`; its message
            is left behind, for it quotes keys.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Engine(Protocol):
    """What runs a script that only reads."""

    def run(self, script: str, params: Mapping[str, Any]) -> list[list[Any]]:
        """The script's rows.

        Raises:
            QueryError: when the engine refuses it.
            SourceError: when a server cannot be reached or does not answer as Cozo does.
        """
        ...


@dataclass(frozen=True)
class Columns:
    """A relation's columns, keys in the order in which the rows are stored."""

    keys: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Keys first."""
        return self.keys + self.values


@dataclass(frozen=True)
class ForeignDatabase:
    """An open database.

    Attributes:
        place: what to call it in a message: the original's path, or the server's address.
        engine: runs scripts.
    """

    place: str
    engine: Engine

    def relations(self) -> list[str]:
        """The names of the stored relations."""
        rows = self._run("its list of relations", "::relations", least=1)
        return [str(row[0]) for row in rows]

    def columns(self, relation: str, wanted: Sequence[str] = ()) -> Columns:
        """The relation's columns.

        Raises:
            SourceError: when there is no such relation, or it lacks one of `wanted`; the line
                says what there is.
        """
        if relation not in (names := self.relations()):
            raise SourceError(
                f"{self.place} has no relation {relation!r}: it has {_some(names)}; name one "
                "with `dobby repos add --kind cozo --relation`"
            )
        rows = self._run(relation, f"::columns {checked_name(relation)}", least=2)
        keys = tuple(str(row[0]) for row in rows if row[1])
        values = tuple(str(row[0]) for row in rows if not row[1])
        columns = Columns(keys, values)
        for name in wanted:
            if name not in columns.all:
                raise SourceError(
                    f"{relation} in {self.place} has no column {name!r}: it has "
                    f"{_some(columns.all)}"
                )
        return columns

    def pages(self, relation: str, keys: Sequence[str], columns: Sequence[str]) -> Iterator[Any]:
        """Pages of rows in key order, each row the values of `columns`.

        A value that is a text of more than MAX_FILE_BYTES characters comes as an Oversized.
        A page is a range in key order with a limit and no `:order`, so that the engine stops at
        the limit. Behind the last row of a page come first those that share all keys but the
        last one, then those that share fewer.

        Raises:
            SourceError: while iterating, when a page cannot be read.
        """
        last: list[Any] = []
        depth = 0
        while depth >= 0:
            rows = self._page(relation, keys, columns, last, depth)
            yield [_values(row[len(keys) :]) for row in rows]
            if last and rows and rows[-1][: len(keys)] == last:
                raise SourceError(f"{self.place} gives the same page of {relation} again and again")
            last = rows[-1][: len(keys)] if rows else last
            depth = len(keys) - 1 if len(rows) >= PAGE_ROWS else depth - 1

    def _page(
        self,
        relation: str,
        keys: Sequence[str],
        columns: Sequence[str],
        last: Sequence[Any],
        depth: int,
    ) -> list[list[Any]]:
        """The rows that share the first `depth` keys of `last` and come behind it."""
        names = list(dict.fromkeys((*keys, *columns)))
        variables = {name: f"v{at}" for at, name in enumerate(names)}
        conditions = [
            f"{variables[key]} = $last{at}" for at, key in enumerate(keys[:depth]) if last
        ]
        if last:
            conditions.append(f"{variables[keys[depth]]} > $last{depth}")
        bound = ", ".join(
            f"{checked_name(name)}: {variables[name]}"
            if not last or name not in keys[:depth]
            else f"{checked_name(name)}: $last{keys.index(name)}"
            for name in names
        )
        head = [variables[key] for key in keys]
        for at, name in enumerate(columns):
            value = variables[name]
            conditions.append(
                f"s{at} = if(is_string({value}), length({value}), 0), "
                f"c{at} = if(s{at} > $most, null, {value})"
            )
            head += [f"c{at}", f"s{at}"]
        script = (
            f"?[{', '.join(head)}] := *{checked_name(relation)}{{{bound}}}, "
            f"{', '.join(conditions)} :limit {PAGE_ROWS}"
        )
        params = {f"last{at}": value for at, value in enumerate(last)}
        return self._run(relation, script, {**params, "most": MAX_FILE_BYTES}, least=len(head))

    def _run(
        self, what: str, script: str, params: Mapping[str, Any] | None = None, *, least: int
    ) -> list[list[Any]]:
        """The script's rows, of at least so many values each."""
        try:
            rows = self.engine.run(script, params or {})
        except QueryError as error:
            raise SourceError(self._told(what, error.code)) from error
        if any(len(row) < least for row in rows):
            raise SourceError(f"{self.place} does not answer as Cozo does: check the address")
        return rows

    def _told(self, what: str, code: str) -> str:
        if code == _COMPARISON:
            return (
                f"{what} in {self.place} has keys of several types, which have no order to read "
                "it by: copy what is wanted into a relation whose keys are of one type"
            )
        if code == _RELATION_MISSING:
            return f"{what} in {self.place} is gone: another process changes the database"
        return (
            f"{what} in {self.place} cannot be read ({code}): the database is damaged or of "
            "another version: restore it, or write it anew"
        )


@dataclass(frozen=True)
class Oversized:
    """A text too long to be fetched, with its length in characters."""

    characters: int


def _values(row: Sequence[Any]) -> list[Any]:
    """Pairs of (value, length) as values; what has a length and no value was left behind."""
    return [
        Oversized(length)
        if value is None and type(length) is int and 0 < length < _MAX_LENGTH
        else value
        for value, length in zip(row[::2], row[1::2], strict=True)
    ]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(_one_line(name) for name in names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"{shown}{more}" if names else "none"


def _one_line(name: str) -> str:
    return name[:100] if name[:100].isprintable() else repr(name[:100])


@contextmanager
def foreign_database(location: str, folder: Path, auth: str) -> Generator[ForeignDatabase]:
    """The database at a path or at an http address.

    Args:
        location: see `Repo`.
        folder: where a copy of its files may stand for as long as it is open.
        auth: a server's `x-cozo-auth` token, or empty.

    Raises:
        SourceError: when it cannot be opened, or a server does not answer as Cozo does.
    """
    if is_url(location):
        with requests.Session() as session:
            yield ForeignDatabase(location, _Server(location, auth, session))
        return
    name, copy = copied(Path(location), folder)
    embedded = _opened(location, name, copy)
    try:
        _refuse_loss(location, copy)
        yield ForeignDatabase(location, _Embedded(embedded))
    finally:
        embedded.close()


def _opened(location: str, name: str, copy: Path) -> Any:
    from mnestic import CozoDbPy  # pyright: ignore[reportAttributeAccessIssue]

    try:
        return CozoDbPy(name, str(copy), json.dumps({}))
    except BaseException as error:  # noqa: BLE001 - a panic is no Exception
        reason = _engine_error(error)
        raise SourceError(
            f"{location} cannot be opened by Cozo ({reason}): it is damaged, incomplete or of "
            "another version: restore it, or write it anew"
        ) from None


def _refuse_loss(location: str, copy: Path) -> None:
    """See that RocksDB took in the whole of its write-ahead log.

    Behind a damaged place it drops the rest and opens as if nothing were missing; it says so
    only in its own log, which is new in the copy.
    """
    log = copy / "data" / "LOG"
    if log.is_file() and _DROPPED.search(log.read_bytes()):
        raise SourceError(
            f"{location} is damaged: the end of its last writes is cut off or unreadable: copy "
            "or write it anew"
        )


@dataclass(frozen=True)
class _Embedded:
    """The engine in this process, on a copy."""

    database: Any

    def run(self, script: str, params: Mapping[str, Any]) -> list[list[Any]]:
        try:
            return self.database.run_script(script, dict(params), True)["rows"]
        except BaseException as error:  # noqa: BLE001 - a panic is no Exception
            raise QueryError(_engine_error(error)) from None


def _engine_error(error: BaseException) -> str:
    """The engine's name for a reason; what is not the engine's is raised again.

    It raises bare exceptions, with a dict or a text drawn as a box; on some damage it panics,
    which is no Exception.
    """
    if type(error) is not Exception and type(error).__name__ != "PanicException":
        raise error
    answer = error.args[0] if error.args else ""
    return _code_of(answer.get("code") if isinstance(answer, dict) else answer)


def _code_of(text: object) -> str:
    """The code at the beginning of an engine's answer, and nothing else of it."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(text or ""))
    code = _CODE.match(plain)
    return code[0] if code else "refused"


@dataclass(frozen=True)
class _Server:
    """A Cozo server. pycozo's client for it would wait for ever, and follow any redirect."""

    url: str
    auth: str
    session: requests.Session

    def run(self, script: str, params: Mapping[str, Any]) -> list[list[Any]]:
        body = {"script": script, "params": dict(params), "immutable": True}
        status, data = self._post(body)
        if status in (401, 403):
            raise SourceError(
                f"{self.url} refuses the token: set DOBBY_SOURCE_COZO_AUTH to that of the server"
            )
        try:
            answer = json.loads(data)
            if answer["ok"]:
                return [list(row) for row in answer["rows"]]
            code = _code_of(answer.get("code"))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise SourceError(
                f"{self.url} does not answer as a Cozo server does (status {status}): check the "
                "address"
            ) from None
        raise QueryError(code)

    def _post(self, body: Mapping[str, Any]) -> tuple[int, bytes]:
        headers = {"x-cozo-auth": self.auth} if self.auth else {}
        data = bytearray()
        end = time.monotonic() + ANSWER_TIMEOUT_S
        try:
            with self.session.post(
                f"{self.url}/text-query",
                json=body,
                headers=headers,
                timeout=(CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S),
                stream=True,
                allow_redirects=False,
            ) as response:
                while chunk := response.raw.read1(1 << 16, decode_content=True):
                    data += chunk
                    self._require_bounds(len(data), end)
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise SourceError(self._silent()) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceError(
                f"{self.url} cannot be reached ({type(error).__name__}): check the address, and "
                "that the server runs"
            ) from error
        return response.status_code, bytes(data)

    def _require_bounds(self, size: int, end: float) -> None:
        """See that an answer neither trickles in for ever nor fills the memory."""
        if time.monotonic() > end:
            raise SourceError(self._silent())
        if size > MAX_ANSWER_BYTES:
            raise SourceError(f"{self.url} gives a page of more than 512 MiB: check the address")

    def _silent(self) -> str:
        return (
            f"{self.url} did not answer within {ANSWER_TIMEOUT_S:g} s: check that a Cozo server "
            "runs there"
        )
