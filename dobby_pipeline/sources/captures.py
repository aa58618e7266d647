"""A file's text to what its language's query captures there, as byte spans.

Not here: what the spans mean together, nesting, names and docs (extraction.py).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from time import thread_time

from tree_sitter import Node, Parser, QueryCursor, Tree

from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.languages import Language, grammar, query
from dobby_pipeline.sources.records import KINDS, REFERENCE_KINDS

Span = tuple[int, int]

Found = dict[str, list[Node]]
"""What one match of a query captures."""

MAX_TOKEN_RUN = 20_000
"""Tokens that may follow each other as siblings with no named node between them. A query's time
grows with the square of such runs: 0.6 s at 20,000, half an hour for 1 MiB of `[`. Real code has
runs of a few dozen."""

MAX_PARSE_SECONDS = 10.0
"""Of processor time for one file's text. Grammars recover from some errors in time that grows with
the square of their number: 200 s for 200 kB of `b()` in Bash. Code takes 0.3 s for 1 MiB."""

_UNWATCHED = 32_768
"""Bytes up to which no text is known to take longer than MAX_PARSE_SECONDS."""

_CHUNK = 65_536

MAX_LARGE_NODES = 5_000
"""Nodes of more than MAX_TOKEN_RUN bytes. A chain of 40,000 `.b()` has that many, one in the
other, and a query took a minute for it; a file of hand-written code has some dozens."""

MAX_OPEN_ANGLES = 1000
"""`a<a<a<…`: each may open a generic, and a parser that tries both ways took 2.4 GB for 16,000."""

_OPEN_ANGLES = re.compile(rb"(?:\w{1,64}\s{0,4}<\s{0,4}){%d}" % MAX_OPEN_ANGLES)

_SCOPES = ("scope", "impl")
_DEFINITIONS = KINDS.union(_SCOPES)
_LEADING = ("comment", "decoration", "keyword")

# Nodes that are captured whole, and the field that leads to the last part of their name; where
# there is no such field the child itself, -1 for the last one.
_LAST_PART: dict[str, str | int] = {
    "attribute": "attribute",
    "binary_expression": "right",
    "call": "method",
    "callable_reference": -1,
    "conditional_access_expression": -1,
    "dependent_name": -1,
    "encapsed_string": -1,
    "field_expression": "field",
    "generic_name": 0,
    "member_access_expression": "name",
    "member_binding_expression": "name",
    "member_call_expression": "name",
    "member_expression": "property",
    "method_invocation": "name",
    "method_reference": -1,
    "navigation_expression": -1,
    "navigation_suffix": "suffix",
    "nullsafe_member_call_expression": "name",
    "parenthesized_expression": 0,
    "qualified_identifier": "name",
    "qualified_name": -1,
    "qualified_type": "name",
    "scope_resolution": "name",
    "scoped_call_expression": "name",
    "scoped_identifier": "name",
    "scoped_type_identifier": -1,
    "selector_expression": "field",
    "stable_type_identifier": -1,
    "string": -1,
    "template_function": "name",
    "template_method": "name",
    "template_type": "name",
}
# Names with parts of their own that are names all the same.
_NAMES = frozenset({"destructor_name"})
_LISTED = frozenset({"identifier", "scoped_identifier"})


class UnparsableError(SourceError):
    """The text is not of its language to a degree that takes too long to look at."""


@dataclass(slots=True)
class Definition:
    """A symbol's node, or a scope's.

    Attributes:
        kind: one of records.KINDS, `scope` or `impl`.
        name: without what encloses it.
        start: of the node in bytes; decorators in front of the node are not inside.
        end: one past the last byte.
        body: the part that a signature leaves out.
    """

    kind: str
    name: str
    start: int
    end: int
    body: Span | None


@dataclass(slots=True)
class Captures:
    """All that a query found in one file.

    Attributes:
        root: of the syntax tree.
        definitions: one for each node, in no order.
        leading: comments, decorations and keywords as (end, start, role), sorted.
        docstrings: the strings that are statements, end by start.
        references: names that are called or imported as (start, end, `call` or `import`), sorted.
    """

    root: Node
    definitions: list[Definition] = field(default_factory=list[Definition])
    leading: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])
    docstrings: dict[int, int] = field(default_factory=dict[int, int])
    references: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])

    def leading_before(self, position: int) -> tuple[int, int, str] | None:
        """The last comment, decoration or keyword that ends at `position` or earlier."""
        index = bisect_right(self.leading, (position, position, ""))
        return self.leading[index - 1] if index else None


def capture(language: Language, data: bytes) -> Captures:
    """Parse and query a file. Text with errors gives what still parses in it.

    Raises:
        UnparsableError: for punctuation without end, and for what takes too long to parse.
    """
    compiled = query(language)
    parser = Parser(grammar(language))
    # Counted first: the expression tries each letter of a text, a tenth of the reading.
    if data.count(b"<") >= MAX_OPEN_ANGLES and _OPEN_ANGLES.search(data):
        raise UnparsableError("angle brackets are opened without end")
    tree = _watched(parser, data) if len(data) > _UNWATCHED else parser.parse(data)
    _refuse_token_runs(tree.root_node)
    captures = Captures(tree.root_node)
    by_span: dict[Span, tuple[int, bool, Definition]] = {}
    referring: list[Found] = []
    for pattern, found in QueryCursor(compiled).matches(tree.root_node):
        if "call" in found or "import" in found:
            referring.append(found)
            continue
        kind = next((name for name in found if name in _DEFINITIONS), None)
        if kind is None:
            _add_plain(captures, found)
            continue
        node = found[kind][0]
        body = found.get("body")
        rank = (pattern, body is None)
        known = by_span.get(node.byte_range)
        if known is not None and known[:2] <= rank:
            continue
        name = _name(found, compiled.pattern_settings(pattern).get("name"), language.separator)
        if name:
            span = (body[0].start_byte, body[-1].end_byte) if body else None
            definition = Definition(kind, name, node.start_byte, node.end_byte, span)
            by_span[node.byte_range] = (*rank, definition)
    captures.definitions = [definition for *_, definition in by_span.values()]
    captures.leading.sort()
    captures.references = named_spans(referring)
    return captures


def named_spans(matches: Iterable[Found]) -> list[tuple[int, int, str]]:
    """Where names are called or imported, sorted: of a qualified name the last part."""
    spans: dict[tuple[int, int, str], None] = {}  # two patterns may find the same name
    for found in matches:
        for kind, nodes in found.items():
            if kind in REFERENCE_KINDS:
                for node in nodes:
                    for part in _each(node):
                        name = _last_part(part)
                        if name is not None:
                            spans[name.start_byte, name.end_byte, kind] = None
    return sorted(spans)  # as they come they are almost in order


def _each(node: Node) -> Iterable[Node]:
    """Rust's `{a, b::c}` are several names; lists nest, so the query captures them whole."""
    if node.type != "use_list":
        return (node,)
    return (child for child in node.named_children if child.type in _LISTED)


def _last_part(node: Node) -> Node | None:
    """The name at the end of what is called or imported; None for one that is computed.

    A query that waited for it behind the object would take time by the square of a chain's
    length: half an hour for 1 MiB of `.a()`.
    """
    part: Node | None = node
    while part is not None and (place := _LAST_PART.get(part.type)) is not None:
        if isinstance(place, int):
            children = part.named_children
            part = children[place] if children else None
        else:
            whole, part = part, part.child_by_field_name(place)
            if place == "method" and part is not None and part.text == b"new":
                part = whole.child_by_field_name("receiver")  # Ruby: `A.new` calls A
    if part is None or (part.named_child_count and part.type not in _NAMES):
        return None
    return part


def _watched(parser: Parser, data: bytes) -> Tree:
    """The text's tree, given up when it takes too long: only a text read in chunks can be.

    Nodes of that tree have no text, so that it is of no use to a query; parsing once more with it
    at hand takes a twentieth of the time.
    """
    end = thread_time() + MAX_PARSE_SECONDS

    def is_late(_position: int, _has_error: bool) -> bool:
        return thread_time() > end

    try:
        tree = parser.parse(
            lambda position, _point: data[position : position + _CHUNK], progress_callback=is_late
        )
    except ValueError as error:
        raise UnparsableError("the text takes too long to parse") from error
    return parser.parse(data, tree)


def _refuse_token_runs(root: Node) -> None:
    budget = MAX_TOKEN_RUN**2
    pending = [root]
    seen = 0
    while pending:
        node = pending.pop()
        seen += 1
        if seen > MAX_LARGE_NODES:
            raise UnparsableError("nested too deep")
        children = node.children
        if len(children) > MAX_TOKEN_RUN:
            runs = groupby(children, key=lambda child: child.is_named)
            budget -= sum(len(list(run)) ** 2 for is_named, run in runs if not is_named)
            if budget < 0:
                raise UnparsableError("too many tokens in a row belong to nothing")
        # A token has a byte at least: in a shorter node there is no long run.
        pending.extend(
            child for child in children if child.end_byte - child.start_byte > MAX_TOKEN_RUN
        )


def _add_plain(captures: Captures, found: Found) -> None:
    for role, nodes in found.items():
        if role in _LEADING:
            captures.leading.extend((node.end_byte, node.start_byte, role) for node in nodes)
        elif role == "docstring":
            captures.docstrings.update(node.byte_range for node in nodes)


def _name(found: Found, default: str | None, separator: str) -> str:
    """The definition's own name; empty when the parser had to invent it."""
    if "declarator" in found:
        return _declared(found["declarator"][0])
    name = _text(found["name"][0]) if "name" in found else default or ""
    if name and "implements" in found:
        return f"<{name} as {_text(found['implements'][0])}>"
    if name and "receiver" in found:
        return f"{_text(found['receiver'][0])}{separator}{name}"
    return name


def _declared(declarator: Node) -> str:
    """The name of the function that a C declarator declares, under its pointers and parameters.

    Empty for anything else: a macro that the grammar cannot know turns `MACRO namespace n { … }`
    and `MACRO class C { … }` into something like a function definition.
    """
    if declarator.has_error:
        return ""
    is_function = False
    while declarator.type != "operator_cast":  # `operator bool()` is itself the name
        is_function = is_function or declarator.type == "function_declarator"
        inner = declarator.child_by_field_name("declarator")
        if inner is None and declarator.type.endswith("declarator"):
            # Parentheses and references have no field for what they wrap.
            inner = declarator.named_child(declarator.named_child_count - 1)
        if inner is None:
            return _text(declarator) if is_function else ""
        declarator = inner
    return _text(declarator).partition("(")[0].rstrip()


def _text(node: Node) -> str:
    return " ".join((node.text or b"").decode("utf-8", "replace").split())
