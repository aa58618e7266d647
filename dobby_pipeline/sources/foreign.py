"""A Cozo relation or a Parseltongue database as a source: its files, and what each one gives.

Not here: opening a database (foreign_database.py), and what its columns mean (foreign_rows.py).

Its rows come once, page by page, in the order of their keys, and are spooled into an SQLite file
beside the copy of the database: sorted by path there, a file's rows stand together, and neither
the rows nor the paths are ever in memory as a whole.
"""

import hashlib
import json
import sqlite3
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import Any

from tree_sitter import Parser

from dobby_pipeline.sources.captures import UnparsableError
from dobby_pipeline.sources.extraction import MAX_SIGNATURE, extract
from dobby_pipeline.sources.foreign_database import ForeignDatabase
from dobby_pipeline.sources.foreign_rows import (
    ForeignEdge,
    ForeignRow,
    canonical_key,
    cozo_rows,
    parseltongue_edges,
    parseltongue_rows,
)
from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.languages import LANGUAGES, grammar
from dobby_pipeline.sources.parts import MAX_PART_BYTES, split, split_text
from dobby_pipeline.sources.records import FileContent, ListedFile, Reference, SourceRecord
from dobby_pipeline.sources.secrets import redact

_LANGUAGES = {row.name: row for row in LANGUAGES}

_TABLES = """
    pragma journal_mode = off;
    pragma synchronous = off;
    create table record (
        n integer primary key, path text, start_line integer, symbol text, bytes integer, data text
    );
    create table left_out (
        n integer primary key, path text, symbol text, bytes integer, reason text
    );
    create table edge (
        n integer primary key, from_key text, to_key text, kind text, at text
    );
    create table reference (path text, symbol text, kind text, name text);
    create table file (
        path text primary key, blob text, bytes integer, reason text
    ) without rowid;
"""


@dataclass(frozen=True)
class ForeignSource:
    """The rows of a foreign database at one state of it.

    Every row either is one record of a listed file, or is listed by itself with the reason why
    it gives none. One file's rows are held at a time.

    Attributes:
        kind: `cozo` or `parseltongue`.
        version: a hash over all that was read; `content` is the same.
    """

    spool: sqlite3.Connection
    kind: str
    version: str

    @property
    def content(self) -> str:
        """As `Source.content`."""
        return self.version

    @property
    def portable(self) -> bool:
        """As `Source.portable`: the spool is this process's own."""
        return False

    def files(self) -> Iterator[ListedFile]:
        """As `Source.files`, by path."""
        rows = self.spool.execute("select path, blob, bytes, reason from file order by path")
        for path, blob, size, reason in rows:
            yield ListedFile(path, blob, size, reason)

    def read(self, file: ListedFile) -> FileContent:
        """As `Source.read`."""
        if file.reason:
            return FileContent(reason=file.reason)
        found: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        taken: set[str] = set()
        records: list[SourceRecord] = []
        rows = self.spool.execute(
            "select data from record where path = ? order by start_line, n", (file.path,)
        )
        for (data,) in rows:
            row = ForeignRow(file.path, **json.loads(data))
            symbol = _unique(row.symbol, taken, counts)
            records.append(_record(row, symbol, self.kind == "parseltongue", found))
        references = self.spool.execute(_REFERENCES, (file.path,))
        return FileContent(
            tuple(records),
            references=tuple(Reference(*reference) for reference in references),
            redacted=dict(found),
        )


_REFERENCES = """
    select symbol, kind, name, count(*) from reference where path = ?
    group by symbol, kind, name order by symbol, kind, name
"""


def foreign_source(
    database: ForeignDatabase, kind: str, options: Mapping[str, str], spool: sqlite3.Connection
) -> ForeignSource:
    """Read a database to its end; what was read stands in `spool`, an empty SQLite file.

    Raises:
        SourceError: when it lacks a relation or column, cannot be read, or the disk is full.
    """
    try:
        spool.executescript(_TABLES)
        if kind == "parseltongue":
            _spool_rows(spool, parseltongue_rows(database))
            _spool_edges(spool, parseltongue_edges(database))
        else:
            _spool_rows(spool, cozo_rows(database, options))
        _list_files(spool, kind)
        _list_left_out(spool, kind)
        return ForeignSource(spool, kind, _version(spool))
    except sqlite3.OperationalError as error:
        raise SourceError(
            f"the rows of {database.place} cannot be kept while they are read ({error}): free "
            "some space, or set DOBBY_HOME to a folder on another disk"
        ) from error


def _spool_rows(spool: sqlite3.Connection, rows: Iterator[ForeignRow]) -> None:
    for row in rows:
        if row.reason:
            spool.execute(
                "insert into left_out (path, symbol, bytes, reason) values (?, ?, ?, ?)",
                (row.path, row.symbol, row.bytes, row.reason),
            )
            continue
        data = {
            name: getattr(row, name)
            for name in ("symbol", "code", "language", "kind", "start_line", "end_line")
        }
        data["docstring"] = row.docstring
        spool.execute(
            "insert into record (path, start_line, symbol, bytes, data) values (?, ?, ?, ?, ?)",
            (row.path, row.start_line, row.symbol, row.bytes, json.dumps(data)),
        )
    spool.execute("create index record_path on record (path, start_line, n)")
    spool.execute("create index record_symbol on record (symbol)")


def _spool_edges(spool: sqlite3.Connection, edges: Iterator[ForeignEdge]) -> None:
    """Put each edge to the record that it starts from, else to its file.

    One that starts in a file without records belongs to nothing that is read, and is left out.
    """

    def record(key: str) -> tuple[str, str] | None:
        for symbol in dict.fromkeys((key, canonical_key(key))):
            row = spool.execute("select path, symbol from record where symbol = ?", (symbol,))
            if found := row.fetchone():
                return found
        return None

    for edge in edges:
        start = record(edge.from_key)
        if start is None:
            known = spool.execute("select 1 from record where path = ? limit 1", (edge.at,))
            if known.fetchone() is None:
                continue
            start = (edge.at, "")
        end = record(edge.to_key)
        spool.execute(
            "insert into reference values (?, ?, ?, ?)",
            (*start, edge.kind, end[1] if end else edge.to_key),
        )
    spool.execute("create index reference_path on reference (path)")


def _list_files(spool: sqlite3.Connection, kind: str) -> None:
    """One listed file for each path, with a hash over all that its rows and edges say."""
    rows = spool.execute("select path, bytes, data from record order by path, start_line, n")
    for path, group in groupby(rows, key=lambda row: row[0]):
        digest, size = hashlib.sha256(), 0
        for _, part, data in group:
            _update(digest, data)
            size += part
        for reference in spool.execute(_REFERENCES, (path,)):
            _update(digest, json.dumps(reference))
        _list_file(spool, path, f"{kind}:{digest.hexdigest()}", size, "")


def _list_left_out(spool: sqlite3.Connection, kind: str) -> None:
    """One listed file for each row without a record; of several with one name `#2` is the second.

    A file with records keeps its name.
    """
    rows = spool.execute(
        "select path, symbol, bytes, reason, row_number() over (partition by path order by n) "
        "from left_out"
    )
    for path, symbol, size, reason, nth in rows:
        number = nth
        unique = path if number == 1 else f"{path}#{number}"
        while spool.execute("select 1 from file where path = ?", (unique,)).fetchone():
            number += 1
            unique = f"{path}#{number}"
        digest = hashlib.sha256(json.dumps([symbol, size, reason]).encode())
        _list_file(spool, unique, f"{kind}:{digest.hexdigest()}", size, reason)


def _list_file(spool: sqlite3.Connection, path: str, blob: str, size: int, reason: str) -> None:
    spool.execute("insert into file values (?, ?, ?, ?)", (path, blob, size, reason))


def _version(spool: sqlite3.Connection) -> str:
    digest = hashlib.sha256()
    for row in spool.execute("select path, blob from file order by path"):
        _update(digest, json.dumps(row))
    return digest.hexdigest()


def _update(digest: Any, text: str) -> None:
    """Add a text so that no other cut of the same characters gives the same hash."""
    data = text.encode()
    digest.update(b"%d:" % len(data))
    digest.update(data)


def _record(
    row: ForeignRow, symbol: str, is_named_by_key: bool, found: Counter[str]
) -> SourceRecord:
    """The row's record; secrets that are taken out are counted in `found`."""
    code = _redacted(row.code, found)
    docstring = _redacted(row.docstring, found)
    shape = _only_symbol(row.path, row.language, code)
    start = row.start_line or 1
    return SourceRecord(
        path=row.path,
        symbol=symbol,
        name=shape.name if shape and not is_named_by_key else row.symbol,
        kind=row.kind or (shape.kind if shape else "function"),
        language=row.language,
        start_line=start,
        end_line=row.end_line or start + code.rstrip("\n").count("\n"),
        signature=shape.signature if shape else _first_line(code),
        docstring=docstring or (shape.docstring if shape else ""),
        content_hash=hashlib.sha256(code.encode()).hexdigest(),
        code=code,
        parts=_parts(row.language, code),
    )


def _parts(language: str, code: str) -> tuple[tuple[int, int], ...]:
    """As `SourceRecord.parts`: what a symbol of a git repository would be cut into."""
    data = code.encode()
    if len(data) <= MAX_PART_BYTES:
        return ()
    row = _LANGUAGES.get(language)
    if row is None:
        spans = split_text(data)
    else:
        root = Parser(grammar(row)).parse(data).root_node
        spans = split(root, data, (0, len(data)), ())
    lengths = [len(data[start:end].decode()) for start, end in spans]
    return tuple(pairwise(accumulate(lengths, initial=0)))


def _redacted(text: str, found: Counter[str]) -> str:
    """The text without its secrets, each counted by kind in `found`."""
    clean = redact(text.encode())
    found.update(clean.found)
    return clean.data.decode()


def _only_symbol(path: str, language: str, code: str) -> SourceRecord | None:
    """What the code defines, where that is one symbol, which reaches to the code's end.

    Code is read without its common indentation, for a method is often cut out as it stood.
    """
    row = _LANGUAGES.get(language)
    if row is None:
        return None
    text = textwrap.dedent(code).strip()
    try:
        records = extract(path, row, text.encode()).records
    except UnparsableError:
        return None
    if not records:
        return None
    first, *rest = records
    whole = text.removesuffix(";").endswith(first.code.removesuffix(";"))
    nested = all(record.symbol.startswith(first.symbol + row.separator) for record in rest)
    return first if whole and nested else None


def _first_line(code: str) -> str:
    line = " ".join(code.strip().partition("\n")[0].split()).rstrip(" :={(")
    return line if len(line) <= MAX_SIGNATURE else line[: MAX_SIGNATURE - 1] + "…"


def _unique(symbol: str, taken: set[str], counts: Counter[str]) -> str:
    """The symbol, or with `#2` when it is the second of that name in its file."""
    counts[symbol] += 1
    unique = symbol if counts[symbol] == 1 else f"{symbol}#{counts[symbol]}"
    while unique in taken:  # should a key itself end in #2
        counts[symbol] += 1
        unique = f"{symbol}#{counts[symbol]}"
    taken.add(unique)
    return unique
