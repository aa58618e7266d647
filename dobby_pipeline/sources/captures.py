"""A file's text to what its language's query captures there, as byte spans.

Not here: what the spans mean together, nesting, names and docs (extraction.py).
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import groupby

from tree_sitter import Node, Parser, QueryCursor

from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.languages import Language, grammar, query
from dobby_pipeline.sources.records import KINDS

Span = tuple[int, int]

MAX_TOKEN_RUN = 20_000
"""Tokens that may follow each other as siblings with no named node between them. A query's time
grows with the square of such runs: 0.6 s at 20,000, half an hour for 1 MiB of `[`. Real code has
runs of a few dozen."""

_SCOPES = ("scope", "impl")
_DEFINITIONS = (*sorted(KINDS), *_SCOPES)
_LEADING = ("comment", "decoration", "keyword")


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
    """

    root: Node
    definitions: list[Definition] = field(default_factory=list[Definition])
    leading: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])
    docstrings: dict[int, int] = field(default_factory=dict[int, int])

    def leading_before(self, position: int) -> tuple[int, int, str] | None:
        """The last comment, decoration or keyword that ends at `position` or earlier."""
        index = bisect_right(self.leading, (position, position, ""))
        return self.leading[index - 1] if index else None


def capture(language: Language, data: bytes) -> Captures:
    """Parse and query a file. Text with errors gives what still parses in it.

    Raises:
        UnparsableError: for punctuation without end.
    """
    compiled = query(language)
    tree = Parser(grammar(language)).parse(data)
    _refuse_token_runs(tree.root_node)
    captures = Captures(tree.root_node)
    by_span: dict[Span, tuple[int, bool, Definition]] = {}
    for pattern, found in QueryCursor(compiled).matches(tree.root_node):
        kind = next((name for name in _DEFINITIONS if name in found), None)
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
    return captures


def _refuse_token_runs(root: Node) -> None:
    budget = MAX_TOKEN_RUN**2
    pending = [root]
    while pending:
        node = pending.pop()
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


def _add_plain(captures: Captures, found: dict[str, list[Node]]) -> None:
    for role, nodes in found.items():
        if role in _LEADING:
            captures.leading.extend((node.end_byte, node.start_byte, role) for node in nodes)
        elif role == "docstring":
            captures.docstrings.update(node.byte_range for node in nodes)


def _name(found: dict[str, list[Node]], default: str | None, separator: str) -> str:
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
