"""One file's source records: symbols with their qualified names, docs and exact code.

Not here: what the code refers to (references.py), the languages (languages.py, queries/) and files
that give no record (reader.py). Positions are bytes until the last step. The syntax tree is walked
for large symbols alone, and never by recursion (parts.py), so its depth is no matter.
"""

import hashlib
import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from dobby_pipeline.sources.captures import Captures, Definition, Span, capture
from dobby_pipeline.sources.doc_text import comments_text, docstring_text
from dobby_pipeline.sources.file_doc import head_doc
from dobby_pipeline.sources.languages import Language
from dobby_pipeline.sources.parts import split
from dobby_pipeline.sources.records import Reference, SourceRecord
from dobby_pipeline.sources.references import attributed, bounded

MAX_SIGNATURE = 400
MAX_DEPTH = 32
"""Symbols nested deeper belong to the one around them. Each nesting repeats all the code inside
it, so that a hostile 1 MiB file of nested functions would otherwise give gigabytes of records."""

_TYPES = frozenset({"class", "enum", "impl", "interface", "struct", "trait", "union"})
_SCOPES = frozenset({"impl", "scope"})
# `run` of `Engine::run`, but nothing of `[Symbol.iterator]` or `TEST(Suite, case)`.
_LAST_PART = r"([^\s.:(){}\[\]<>'\"`]+|operator\b.*)$"
_WHITESPACE = re.compile(rb"\s*")


@dataclass(slots=True)
class _Symbol:
    """A definition on its way to a record."""

    definition: Definition
    start: int
    signature_start: int
    end: int
    doc: str
    parent: "_Symbol | None" = None
    depth: int = 0
    name: str = ""
    inner: list[Span] = field(default_factory=list[Span])

    @property
    def is_scope(self) -> bool:
        return self.definition.kind in _SCOPES


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a file's text holds: records and references in source order.

    Attributes:
        doc: what its authors say about the file.
    """

    records: list[SourceRecord]
    references: list[Reference]
    doc: str


def extract(path: str, language: Language, data: bytes) -> Extracted:
    """All that the file's text holds.

    Args:
        path: what the records say.
        language: whose grammar reads the file.
        data: valid UTF-8 without a byte order mark.
    """
    captures = capture(language, data)
    symbols = [_with_lead_in(item, captures, language, data) for item in captures.definitions]
    symbols = _nest(symbols)
    _name_all(symbols, language)
    recorded = [symbol for symbol in symbols if not symbol.is_scope]
    spans = [(symbol.start, symbol.end, symbol.name) for symbol in recorded]
    records: list[SourceRecord] = []
    line, counted = 1, 0
    for symbol in recorded:
        line += data.count(b"\n", counted, symbol.start)
        counted = symbol.start
        records.append(_record(path, language, data, captures, line, symbol))
    doc = head_doc(data, captures, {symbol.doc for symbol in symbols})
    return Extracted(records, attributed(captures.references, spans, data), doc)


def _with_lead_in(
    definition: Definition, captures: Captures, language: Language, data: bytes
) -> _Symbol:
    """The definition with the keywords, decorations and comments directly in front of it."""
    start = signature_start = position = definition.start
    comments: list[str] = []
    while (item := captures.leading_before(position)) is not None:
        item_end, item_start, role = item
        item_end = item_start + len(data[item_start:item_end].rstrip())
        gap = _WHITESPACE.match(data, item_end)
        if gap is None or gap.end() < position:
            break
        if role != "comment":
            if role == "keyword" and signature_start == start:
                signature_start = item_start
            start = item_start
        elif gap[0].count(b"\n") <= 1 and _begins_line(data, item_start):
            comments.append(data[item_start:item_end].decode())
        else:
            break
        position = item_start
    end = definition.end + (data[definition.end : definition.end + 1] == b";")
    end = start + len(data[start:end].rstrip())
    doc = _doc(definition, captures, language, data, comments)
    return _Symbol(definition, start, signature_start, end, doc)


def _begins_line(data: bytes, position: int) -> bool:
    while position and data[position - 1] in b" \t":
        position -= 1
    return position == 0 or data[position - 1] == ord("\n")


def _doc(
    definition: Definition,
    captures: Captures,
    language: Language,
    data: bytes,
    comments: list[str],
) -> str:
    if not language.doc_comment:
        start = definition.body[0] if definition.body else -1
        end = captures.docstrings.get(start)
        return docstring_text(data[start:end].decode()) if end is not None else ""
    docs = [text for text in reversed(comments) if re.match(language.doc_comment, text)]
    return comments_text(docs)


def _nest(symbols: list[_Symbol]) -> list[_Symbol]:
    """The symbols in source order with their parents; those nested too deep are left out."""
    nested: list[_Symbol] = []
    open_symbols: list[_Symbol] = []
    for symbol in sorted(symbols, key=lambda symbol: (symbol.start, -symbol.end)):
        while open_symbols and open_symbols[-1].end <= symbol.start:
            open_symbols.pop()
        if len(open_symbols) >= MAX_DEPTH:
            continue
        symbol.parent = open_symbols[-1] if open_symbols else None
        open_symbols.append(symbol)
        nested.append(symbol)
        _note_inner(symbol)
    return nested


def _note_inner(symbol: _Symbol) -> None:
    """Tell the nearest record around this one which part of it an outline leaves out."""
    around = symbol.parent
    while around is not None and around.is_scope:
        around = around.parent
    body = symbol.definition.body
    if around is None or body is None or symbol.is_scope:
        return
    start, end = body[0], min(body[1], symbol.end)
    if start < end:
        around.inner.append((start, end))


def _name_all(symbols: list[_Symbol], language: Language) -> None:
    """Give each symbol its qualified name, unique for records."""
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    for symbol in symbols:
        own = bounded(symbol.definition.name)
        name = f"{symbol.parent.name}{language.separator}{own}" if symbol.parent else own
        symbol.name = name if symbol.is_scope else _unique(name, taken, counts)


def _unique(name: str, taken: set[str], counts: Counter[str]) -> str:
    counts[name] += 1
    unique = name if counts[name] == 1 else f"{name}#{counts[name]}"
    while unique in taken:  # should a name itself end in #2
        counts[name] += 1
        unique = f"{name}#{counts[name]}"
    taken.add(unique)
    return unique


def _own_name(name: str, separator: str) -> str:
    """What a caller writes: without the receiver or the class that the definition spells out."""
    last = re.search(re.escape(separator) + _LAST_PART, name) if separator in name else None
    return bounded(last[1] if last else name)


def _kind(symbol: _Symbol, language: Language) -> str:
    """A function directly in a type, or defined under its type's name, is a method."""
    kind, parent = symbol.definition.kind, symbol.parent
    in_type = parent is not None and parent.definition.kind in _TYPES
    if kind == "function" and (in_type or language.separator in symbol.definition.name):
        return "method"
    return kind


def _record(
    path: str,
    language: Language,
    data: bytes,
    captures: Captures,
    line: int,
    symbol: _Symbol,
) -> SourceRecord:
    code = data[symbol.start : symbol.end]
    parts = split(captures.root, data, (symbol.start, symbol.end), symbol.inner)
    return SourceRecord(
        path=path,
        symbol=symbol.name,
        name=_own_name(symbol.definition.name, language.separator),
        kind=_kind(symbol, language),
        language=language.name,
        start_line=line,
        end_line=line + data.count(b"\n", symbol.start, symbol.end - 1),
        signature=_signature(symbol, captures, data),
        docstring=symbol.doc,
        content_hash=hashlib.sha256(code).hexdigest(),
        code=code.decode(),
        inner=_character_spans(symbol.inner, symbol.start, data),
        parts=_character_spans(parts, symbol.start, data),
    )


def _signature(symbol: _Symbol, captures: Captures, data: bytes) -> str:
    """The code up to its body, without attributes inside its node or comments before the body."""
    start, body = symbol.signature_start, symbol.definition.body
    index = bisect_left(captures.leading, (start + 1, 0, ""))
    while index < len(captures.leading):
        item_end, item_start, role = captures.leading[index]
        if item_start != start or role != "decoration":
            break
        index += 1
        space = _WHITESPACE.match(data, item_end)
        start = space.end() if space else item_end
    end = body[0] if body else symbol.end
    while body and (item := captures.leading_before(end)) is not None:
        item_end, item_start, role = item
        if role != "comment" or item_start < start or data[item_end:end].strip():
            break
        end = item_start
    text = data[start:end]
    line = " ".join(text.decode().split())
    if body:
        line = line.rstrip(" ;:={(")
    return line if len(line) <= MAX_SIGNATURE else line[: MAX_SIGNATURE - 1] + "…"


def _character_spans(spans: list[Span], origin: int, data: bytes) -> tuple[Span, ...]:
    """Bytes of the file as characters of the code that begins at `origin`, each decoded once."""
    found: list[Span] = []
    at, characters = origin, 0
    for start, end in spans:
        first = characters + len(data[at:start].decode())
        characters = first + len(data[start:end].decode())
        at = end
        found.append((first, characters))
    return tuple(found)
