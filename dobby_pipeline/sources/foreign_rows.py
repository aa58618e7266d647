"""Rows of a foreign database as pieces of code, whatever its relation looks like.

Not here: reading pages of rows (foreign_database.py), and the source that they make (foreign.py).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dobby_pipeline.sources.foreign_database import ForeignDatabase, Oversized
from dobby_pipeline.sources.languages import LANGUAGES, language_of
from dobby_pipeline.sources.skip_rules import MAX_FILE_BYTES

CODE_GRAPH = "CodeGraph"
DEPENDENCY_EDGES = "DependencyEdges"

_NEEDED = ("ISGL1_key", "Current_Code", "file_path")
_KNOWN = ("interface_signature", "language", "entity_type")

_ENTITY_KINDS = {
    "class": "class",
    "const": "type",
    "enum": "enum",
    "function": "function",
    "impl": "type",
    "implblock": "type",
    "interface": "interface",
    "macro": "macro",
    "method": "method",
    "module": "type",
    "namespace": "type",
    "package": "type",
    "procmacro": "macro",
    "struct": "struct",
    "test": "function",
    "trait": "trait",
    "type": "type",
    "typealias": "type",
    "typedef": "type",
    "union": "union",
}
"""Parseltongue's entity types as kinds of records. An impl block, a module and a constant are
none of them; the nearest that says least is `type`. What is not listed is what its code says."""

_ALIASES = {
    "c#": "csharp",
    "c_sharp": "csharp",
    "golang": "go",
    "javascriptreact": "javascript",
    "shell": "bash",
    "typescriptreact": "tsx",
}
_LANGUAGE_NAMES = frozenset(row.name for row in LANGUAGES)
_EXTENSIONS = {extension: row.name for row in LANGUAGES for extension in row.extensions}
_LANGUAGE = re.compile(r"[a-z][a-z0-9+#._ -]{0,39}")
_LINES = re.compile(r":(\d{1,9})-(\d{1,9})$")
_KEY_WITH_PATH = re.compile(r"(.+):([^:]*):(\d+-\d+)", re.DOTALL)
_MAX_LINE = 10**9


@dataclass(frozen=True, slots=True)
class ForeignRow:
    """One row.

    Attributes:
        path: of its file; with a reason, of its own line in the skip ledger.
        symbol: its key as text.
        code: empty with a reason.
        language: a name of languages.LANGUAGES where it is one, else as the database has it.
        kind: a kind of records.KINDS, or empty where only the code can tell.
        start_line, end_line: 1-based; 0 where the database does not say.
        docstring: empty where there is none.
        bytes: the code's size; of one too large to be fetched its characters.
        reason: why it gives no record.
    """

    path: str
    symbol: str
    code: str
    language: str
    kind: str = ""
    start_line: int = 0
    end_line: int = 0
    docstring: str = ""
    bytes: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ForeignEdge:
    """A dependency as Parseltongue stores it; either end may be no row.

    Attributes:
        at: the path of the file that it was found in, where it says so.
    """

    from_key: str
    to_key: str
    kind: str
    at: str


def check_columns(database: ForeignDatabase, kind: str, options: Mapping[str, str]) -> None:
    """See that what is to be read is there.

    Raises:
        SourceError: when the relation or a column is missing; the line says what there is.
    """
    if kind == "parseltongue":
        database.columns(CODE_GRAPH, _NEEDED)
    else:
        database.columns(options["relation"], tuple(_column_names(options).values()))


def _column_names(options: Mapping[str, str]) -> dict[str, str]:
    return {option: name for option, name in options.items() if option != "relation"}


def cozo_rows(database: ForeignDatabase, options: Mapping[str, str]) -> Iterator[ForeignRow]:
    """The rows of any relation; see registry.REQUIRED_COLUMNS for `options`.

    Raises:
        SourceError: when the relation or a column is missing, or a page cannot be read.
    """
    names = _column_names(options)
    columns = database.columns(options["relation"], tuple(names.values()))
    for page in database.pages(options["relation"], columns.keys, tuple(names.values())):
        for values in page:
            row = dict(zip(names, values, strict=True))
            symbol = _text(row["key"])
            path = _path(row.get("path")) or symbol
            code, size, reason = _code(row["code"])
            if reason and path != symbol:
                path = f"{path}::{symbol}"
            language = _language(row.get("language"), path)
            yield ForeignRow(
                _safe(path) if reason else path, symbol, code, language, bytes=size, reason=reason
            )


def parseltongue_rows(database: ForeignDatabase) -> Iterator[ForeignRow]:
    """The rows of CodeGraph, of any version of it.

    Raises:
        SourceError: when it is missing or lacks a column, or a page cannot be read.
    """
    columns = database.columns(CODE_GRAPH, _NEEDED)
    names = (*_NEEDED, *(name for name in _KNOWN if name in columns.all))
    for page in database.pages(CODE_GRAPH, columns.keys, names):
        for values in page:
            row = dict(zip(names, values, strict=True))
            symbol = _text(row["ISGL1_key"])
            code, size, reason = _code(row["Current_Code"])
            if reason:
                reason = "placeholder" if reason == "no_code" else reason
                yield ForeignRow(_safe(symbol), symbol, "", "text", bytes=size, reason=reason)
                continue
            path = _path(row["file_path"]) or symbol
            signature = _json_object(row.get("interface_signature"))
            start, end = _lines(signature.get("line_range"), symbol)
            documentation = signature.get("documentation")
            yield ForeignRow(
                path,
                symbol,
                code,
                _language(row.get("language"), path),
                _entity_kind(row.get("entity_type")),
                start,
                end,
                _encodable(documentation) if isinstance(documentation, str) else "",
                size,
            )


def parseltongue_edges(database: ForeignDatabase) -> Iterator[ForeignEdge]:
    """The rows of DependencyEdges; none where there is no such relation.

    Raises:
        SourceError: when it lacks a column, or a page cannot be read.
    """
    if DEPENDENCY_EDGES not in database.relations():
        return
    wanted = ("from_key", "to_key", "edge_type")
    columns = database.columns(DEPENDENCY_EDGES, wanted)
    located = "source_location" in columns.all
    names = (*wanted, "source_location") if located else wanted
    for page in database.pages(DEPENDENCY_EDGES, columns.keys, names):
        for from_key, to_key, kind, *location in page:
            from_text = _text(from_key)
            at = _text(location[0]).rpartition(":")[0] if location and location[0] else ""
            if not at and (parts := _KEY_WITH_PATH.fullmatch(from_text)):
                at = parts[2]
            yield ForeignEdge(from_text, _text(to_key), _text(kind).lower(), _path(at))


def canonical_key(key: str) -> str:
    """The key under which CodeGraph has the end of an edge.

    Version 0.9 writes `rust:fn:run:./src/main.rs:3-9` at the ends of its edges, and
    `rust:fn:run:__src_main_rs:3-9` as the key of the row itself.
    """
    parts = _KEY_WITH_PATH.fullmatch(key)
    if not parts:
        return key
    path = re.sub(r"[/\\.]", "_", parts[2])
    return f"{parts[1]}:{path}:{parts[3]}"


def _code(value: Any) -> tuple[str, int, str]:
    """The code, its size in bytes, and why it gives no record."""
    if isinstance(value, Oversized):
        return "", value.characters, "too_large"
    if not isinstance(value, str) or not value.strip():
        return "", 0, "no_code"
    code = _encodable(value)
    size = len(code.encode())
    if size > MAX_FILE_BYTES:
        return "", size, "too_large"
    if "\0" in code:
        return "", size, "binary"
    return code, size, ""


def _text(value: Any) -> str:
    """A value as text: a string as it is, anything else as JSON."""
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, Oversized):
        return f"({value.characters} characters)"
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _encodable(text: str) -> str:
    """The text without lone surrogates, which JSON can bring and no store can hold."""
    return text.encode("utf-8", "backslashreplace").decode()


def _path(value: Any) -> str:
    """A path as the other records have it, without `./`; empty where there is none."""
    return "" if value is None or value == "" else _text(value).removeprefix("./")


def _safe(path: str) -> str:
    """A ledger's path on one line: it is a key, which may hold anything."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in path
    )


def _language(given: Any, path: str) -> str:
    named = given.strip().lower() if isinstance(given, str) else ""
    named = _ALIASES.get(named, named)
    if named in _LANGUAGE_NAMES:
        return named
    if f".{named}" in _EXTENSIONS:
        return _EXTENSIONS[f".{named}"]
    if _LANGUAGE.fullmatch(named):
        return named
    row = language_of(path, b"")
    return row.name if row else "text"


def _entity_kind(value: Any) -> str:
    letters = re.sub(r"[^a-z]", "", _text(value).lower())
    return _ENTITY_KINDS.get(letters, "")


def _json_object(value: Any) -> Mapping[str, Any]:
    """The object that a JSON text holds; empty for anything else."""
    if not isinstance(value, str):
        return value if isinstance(value, dict) else {}
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _lines(line_range: Any, key: str) -> tuple[int, int]:
    """First and last line, by the signature or else by the key; 0 where neither says."""
    named = line_range if isinstance(line_range, dict) else {}
    start, end = named.get("start"), named.get("end")
    if not (type(start) is int and type(end) is int):
        found = _LINES.search(key)
        start, end = (int(found[1]), int(found[2])) if found else (0, 0)
    return (start, end) if 1 <= start <= end <= _MAX_LINE else (0, 0)
