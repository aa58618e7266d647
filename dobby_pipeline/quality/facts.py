"""What parsing a piece of code tells for certain: parameters, whether it returns or raises.

Not here: what a summary says about them (claims.py). Where the grammar is not known, the text does
not parse, or the language's row is missing, nothing is told rather than guessed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node, Parser

from dobby_pipeline.quality.node_names import GRAMMARS, Grammar, node_set
from dobby_pipeline.sources.languages import LANGUAGES, grammar

MAX_BYTES = 32_768
"""Of code that is parsed: half a minute was seen for 60 kB of backticks, a second at half of that.
Larger symbols are shown in parts anyway."""

MAX_STEPS = 500
"""Calls of the parser's progress callback, each some 100 steps. 100 kB of C++ took 543, 72 kB of
Python 115; 20 kB of `b()` in Bash 833, and 1.8 s: error recovery is slow. Counted and not timed,
so that the same code has the same facts on any machine."""

_OPEN_ANGLES = re.compile(rb"(?:\w{1,64}\s{0,4}<\s{0,4}){200}")
"""A parser that tries each as a generic took 1.3 GB for 10,000 of them."""

_CHUNK = 4_096

_WRAPPED = {
    "php": ((b"<?php ", b""), (b"<?php class _ { ", b" }")),
    **dict.fromkeys(
        ("javascript", "typescript", "tsx", "java", "csharp", "cpp"),
        ((b"", b""), (b"class _ { ", b" }")),
    ),
}
"""Ways to make a file of a record's code: a method is none by itself in most languages."""


_LAMBDAS = node_set("lambda lambda_expression arrow_function anonymous_function closure_expression")
_NAMED = node_set("identifier variable_name field_identifier")
_NAMING = ("name", "pattern", "left", "declarator")
_NOTHING = frozenset({b"None", b"undefined", b"null", b"void 0", b"NULL", b"nil"})
_OWN = frozenset({b"self", b"cls", b"this"})
_RAISED = re.compile(rb"(?:raise|throw)\s+(?:new\s+)?(?:[a-z_]\w*\.)*([A-Z][A-Za-z0-9_]*)\b")
"""By custom a type's name begins with a capital; what else is raised is a variable."""
_ROWS = {row.name: row for row in LANGUAGES}


@dataclass(frozen=True)
class FunctionFacts:
    """What is certain about a function.

    Attributes:
        name: its own; empty where it has none.
        parameters: how many it has, the receiver (`self`) left out.
        is_open: it takes any number, or takes one apart, so that a count or a name says little.
        parameter_names: every word in its parameters.
        parameter_order: their names in order, the receiver left out.
        returns_value: it has a `return` with a value, or a type that says so.
        returns_nothing: somewhere it returns without one, or its type is `void`.
        gives_nothing: whoever calls it gets no value, whatever happens.
        can_raise: whether the language raises at all.
        raises: it has a statement that raises.
        raised: names of types that such statements name, in order.
        raises_unnamed: one of them names no type: it raises again, or what a variable holds.
        yields: it is a generator.
        is_stub: there is no code in it that does anything.
    """

    name: str
    parameters: int
    is_open: bool
    parameter_names: frozenset[str]
    parameter_order: tuple[str, ...]
    returns_value: bool
    returns_nothing: bool
    gives_nothing: bool
    can_raise: bool
    raises: bool
    raised: tuple[str, ...]
    raises_unnamed: bool
    yields: bool
    is_stub: bool


@dataclass(frozen=True)
class Facts:
    """What is certain about a piece of code.

    Attributes:
        bare_code: the code without comments and docstring.
        function: None where the code is no function.
    """

    bare_code: str
    function: FunctionFacts | None


def read_facts(language: str, code: str) -> Facts | None:
    """The facts, or None where the language has no row or the code takes too long to parse."""
    row, names = _ROWS.get(language), GRAMMARS.get(language)
    data = code.encode("utf-8", "replace")
    if row is None or names is None or not 0 < len(data) <= MAX_BYTES or _OPEN_ANGLES.search(data):
        return None
    first: Facts | None = None
    among_errors: Facts | None = None
    for before, behind in _WRAPPED.get(language, ((b"", b""),)):
        source = before + data + behind
        root = _parse(Parser(grammar(row)), source)
        if root is None:
            return None
        facts = Facts(_bare(root, source, len(before), len(behind)), None)
        first = first or facts
        function = _first_function(root, names, skip=1 if b"class _" in before else 0)
        if function and not function.has_error:  # else they would be wrong
            facts = Facts(facts.bare_code, _of_function(function, names, source))
            if not root.has_error:
                return facts
            # A method by itself: what parses may be a function inside it.
            among_errors = among_errors or facts
        elif function is None and not root.has_error and _defines_type(root, names):
            return facts  # else its first method would be taken for it
    return among_errors or first


def _parse(parser: Parser, data: bytes) -> Node | None:
    steps = 0

    def is_enough(_position: int, _has_error: bool) -> bool:
        nonlocal steps
        steps += 1
        return steps > MAX_STEPS

    try:
        tree = parser.parse(
            lambda position, _point: data[position : position + _CHUNK], progress_callback=is_enough
        )
    except ValueError:
        return None  # given up
    return tree.root_node


def _walk(node: Node, leave: frozenset[str] = frozenset()) -> Iterator[Node]:
    """The node's descendants in order, without what lies inside nodes of the types to leave."""
    pending = list(reversed(node.children))
    while pending:
        child = pending.pop()
        yield child
        if child.type not in leave:
            pending.extend(reversed(child.children))


def _bare(root: Node, data: bytes, before: int, behind: int) -> str:
    """The code without comments, and without strings that are statements, as docstrings are."""
    pieces: list[bytes] = []
    position = before
    for node in _walk(root, node_set("comment line_comment block_comment expression_statement")):
        is_comment = "comment" in node.type
        only = node.children[0] if node.child_count == 1 else None
        is_docstring = node.type == "expression_statement" and only and only.type == "string"
        if (is_comment or is_docstring) and node.start_byte >= position:
            pieces.append(data[position : node.start_byte])
            position = node.end_byte
    pieces.append(data[position : len(data) - behind])
    return b"".join(pieces).decode("utf-8", "replace")


def _first_function(root: Node, names: Grammar, skip: int) -> Node | None:
    """The first function, unless a type begins before it: then the code is no function."""
    for node in _walk(root):
        if node.type in names.functions:
            return node
        if node.type in names.types and node.is_named and node.child_by_field_name("body"):
            skip -= 1
            if skip < 0:
                return None
    return None


def _defines_type(root: Node, names: Grammar) -> bool:
    return any(node.type in names.types and node.is_named for node in _walk(root))


def _of_function(function: Node, names: Grammar, data: bytes) -> FunctionFacts:
    def text(node: Node) -> bytes:
        return data[node.start_byte : node.end_byte]

    parameters = _parameters(function)
    count, is_open = _counted(parameters, names, data)
    body = function.child_by_field_name("body")
    leave = names.functions | names.types | _LAMBDAS
    inside = list(_walk(body, leave)) if body else []
    returns = [node for node in inside if node.type == "return_statement"]
    raising = [node for node in inside if node.type in names.raising]
    values = [child for node in returns for child in node.named_children if not _is_comment(child)]
    valued = any(text(child).strip() not in _NOTHING for child in values)
    declared = function.child_by_field_name(names.value) if names.value else None
    is_void = declared is not None and text(declared).strip() in (b"void", b"Void", b"()", b"!")
    if names.value in ("result", "return_type"):
        valued = declared is not None and not is_void
    declarator = function.child_by_field_name("declarator")
    is_void = is_void and (declarator is None or declarator.type != "pointer_declarator")
    is_expression = body is not None and function.type in _LAMBDAS and "block" not in body.type
    statements = [] if body is None else [n for n in body.named_children if not _is_comment(n)]
    is_stub = body is None or all(_does_nothing(node, text(node)) for node in statements)
    yields = any("yield" in node.type for node in inside)
    returns_value = valued or is_expression
    is_declared = names.value in ("type", "returns")  # or it is a constructor: those have no type
    raised = [found[1].decode() for node in raising if (found := _RAISED.match(text(node)))]
    return FunctionFacts(
        name=_name(function, data),
        parameters=count,
        is_open=is_open,
        parameter_names=frozenset(
            word.lower() for word in re.findall(r"\w+", text(parameters).decode("utf-8", "replace"))
        )
        if parameters
        else frozenset(),
        parameter_order=tuple(_ordered(parameters, data)),
        returns_value=returns_value,
        returns_nothing=is_void
        or any(
            not node.named_children or text(node.named_children[0]).strip() in _NOTHING
            for node in returns
        ),
        gives_nothing=not (returns_value or yields or is_stub) and (is_void or not is_declared),
        can_raise=bool(names.raising),
        raises=bool(raising),
        raised=tuple(raised),
        raises_unnamed=len(raised) < len(raising),
        yields=yields,
        is_stub=is_stub,
    )


def _name(function: Node, data: bytes) -> str:
    """The function's name, or that of the variable that it is assigned to."""
    node: Node | None = function
    if function.type in _LAMBDAS and function.parent is not None:
        node = function.parent
    for _ in range(16):  # C's declarators
        if node is None:
            return ""
        found = node.child_by_field_name("name")
        if found is not None:
            return data[found.start_byte : found.end_byte].decode("utf-8", "replace")
        if node.type in ("identifier", "field_identifier"):
            return data[node.start_byte : node.end_byte].decode("utf-8", "replace")
        node = node.child_by_field_name("declarator")
    return ""


def _parameters(function: Node) -> Node | None:
    """The list of parameters; in C it hangs under the declarators."""
    node: Node | None = function
    for _ in range(16):
        if node is None:
            return None
        found = node.child_by_field_name("parameters") or node.child_by_field_name("parameter")
        if found is not None:
            return found
        node = node.child_by_field_name("declarator") or next(
            (child for child in node.named_children if child.type.endswith("declarator")), None
        )
    return None


def _counted(parameters: Node | None, names: Grammar, data: bytes) -> tuple[int, bool]:
    if parameters is None:
        return 0, False
    nodes = [parameters] if parameters.type == "identifier" else parameters.named_children
    count, is_open = 0, False
    for position, node in enumerate(nodes):
        text = data[node.start_byte : node.end_byte].strip()
        if node.type in names.rest or (
            text != b"*" and text.startswith((b"...", b"*", b"{", b"["))
        ):
            is_open = True
        is_own = position == 0 and re.split(rb"[\s:=]", text)[0] in _OWN
        if node.type in names.parameters and not is_own and text != b"void":
            # Go: `a, b int` is one declaration of two.
            count += max(1, len(node.children_by_field_name("name")))
        first = node.named_children[0] if node.named_children else None
        is_open = is_open or (first is not None and first.type in names.rest)
    return count, is_open


def _ordered(parameters: Node | None, data: bytes) -> Iterator[str]:
    """The parameters' names; of what is taken apart none."""
    if parameters is None:
        return
    single = parameters.type == "identifier"
    for position, node in enumerate([parameters] if single else parameters.named_children):
        for name in map(_innermost, node.children_by_field_name("name") or [node]):
            text = data[name.start_byte : name.end_byte].lstrip(b"*&.$") if name else b""
            if text and not (position == 0 and text in _OWN) and text.isascii():
                yield text.decode()


def _innermost(node: Node) -> Node | None:
    """The identifier that a parameter declares, under its type, default and marks."""
    part: Node | None = node
    for _ in range(16):
        if part is None or part.type in _NAMED:
            return part
        fields = (part.child_by_field_name(field) for field in _NAMING)
        named = next((child for child in fields if child is not None), None)
        if named is None:  # `*args`, `args: int`, `...rest`: no field names the name
            children = part.named_children
            named = children[0] if children and children[0].type in _NAMED else None
        part = named
    return None


def _is_comment(node: Node) -> bool:
    return "comment" in node.type


def _does_nothing(statement: Node, text: bytes) -> bool:
    """`pass`, `...`, a docstring, or a raise that says that something is missing."""
    if statement.type in ("pass_statement", "raise_statement", "throw_statement"):
        return True
    only = statement.named_children[0] if statement.named_child_count == 1 else None
    return text == b"..." or bool(only and only.type in ("string", "ellipsis"))
