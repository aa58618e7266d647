"""A large symbol cut along its syntax tree into parts that a model's prompt has room for.

Not here: which symbols there are and where (extraction.py), and what is asked about a part
(summaries/). What counts is the outline, since a model is shown nothing else. The tree is walked
for large symbols alone, and only into their large nodes, by a cursor: its depth is no matter,
and the time is in proportion to the code.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

Span = tuple[int, int]

MAX_PART_BYTES = 4_000
"""Of a part as it is shown, in UTF-8. The smallest prompt budget among models/*.toml is 2,048
tokens, of which the words around a part and its signature take up to 280. Code has 3.5 bytes a
token on average, but not everywhere: of 1,464 parts of Debian's Python 3.11 and its packages, cut
at 4,000, one in 500 went over the budget, and of those of requests, zod and networkx, cut at
6,000, one in 16. Bytes, because the tokenizers start from them: Kannada has 1.2 characters a
token."""

_OPENED = MAX_PART_BYTES // 4
"""Nodes above it are looked into, so that a part can always be filled to its half."""

_ELLIPSIS = b"..."

_TOKEN, _NODE, _LINE = range(3)
"""How good it is to cut in front of a token, of a node, and of a node that begins its line."""
_WHOLE = 3
"""Added where the cut goes through no node that would fit into a part."""

_Boundary = tuple[int, int]
"""A position, and how good it is."""


def split(root: "Node", data: bytes, span: Span, inner: Sequence[Span]) -> list[Span]:
    """The parts of one symbol: contiguous, in order, together the whole of it.

    Each is filled with the nodes that follow, up to MAX_PART_BYTES. A node that is too large by
    itself is opened and its children are packed; where there is nothing to open (a long string
    or comment) it is cut at a line's end, and a line without end at a character.

    Args:
        root: of the file's syntax tree.
        data: the file, in UTF-8.
        span: of the symbol. Like all spans here, bytes of the file, [start, end).
        inner: of the bodies of nested records, in order, none of them empty. No part ends
            within one.

    Returns:
        The parts' spans; none when the outline fits in one part.
    """
    start, end = span
    if end - start + len(_ELLIPSIS) * len(inner) <= MAX_PART_BYTES:
        return []
    text = _outline(data, span, inner)
    if len(text) <= MAX_PART_BYTES:
        return []
    boundaries = _in_outline(_boundaries(root, data, span, inner), start, inner)
    cuts = _in_file(_cuts(text, boundaries, _ellipses(start, inner)), start, inner)
    return list(pairwise([start, *cuts, end]))


def split_text(data: bytes) -> list[Span]:
    """The parts of a text of which there is no syntax tree: cut at the ends of lines.

    Returns:
        The parts' spans; none when it fits in one part.
    """
    cuts = list(_cuts(data, [], []))
    return list(pairwise([0, *cuts, len(data)])) if cuts else []


def _boundaries(
    root: "Node", data: bytes, span: Span, inner: Sequence[Span]
) -> Iterator[_Boundary]:
    """Where the nodes begin that are small enough or cannot be opened; ascending."""
    start, end = span
    cursor = (root.descendant_for_byte_range(start, end) or root).walk()
    bodies = chain(inner, [(end, end)])
    body = next(bodies)
    depth, fitting = 0, -1  # the depth of the outermost opened node that would fit into a part
    last = start
    while (node := cursor.node) is not None and node.start_byte < end:
        while body[1] <= node.start_byte and body[0] < end:
            last = max(last, body[1])
            body = next(bodies)
        shown = start < node.end_byte and node.start_byte < body[0]
        if shown and node.start_byte > last:
            line = _line_start(data, node.start_byte, last)
            last = node.start_byte
            good = _TOKEN if not node.is_named else _NODE if line is None else _LINE
            yield last if line is None else line, good + (_WHOLE if fitting < 0 else 0)
        size = node.end_byte - node.start_byte
        if shown and size > _OPENED and cursor.goto_first_child_for_byte(start) is not None:
            fitting = depth if fitting < 0 and size <= MAX_PART_BYTES else fitting
            depth += 1
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            depth -= 1
            fitting = -1 if depth == fitting else fitting


def _line_start(data: bytes, position: int, floor: int) -> int | None:
    """Where the line of this position begins, when there is only indentation before it."""
    before = position
    while before > floor and data[before - 1] in b" \t":
        before -= 1
    return before if before > floor and data[before - 1] in b"\r\n" else None


def _cuts(text: bytes, boundaries: Iterable[_Boundary], ellipses: list[int]) -> Iterator[int]:
    """Where the parts after the first begin: ascending, MAX_PART_BYTES apart at most."""
    start = 0
    waiting: list[_Boundary] = []
    for boundary in chain(boundaries, [(len(text), _LINE)]):
        while boundary[0] - start > MAX_PART_BYTES:
            start = _best_cut(text, start, waiting, ellipses)
            waiting = [later for later in waiting if later[0] > start]
            yield start
        waiting.append(boundary)


def _best_cut(text: bytes, start: int, waiting: list[_Boundary], ellipses: list[int]) -> int:
    """Where to end the part that begins at `start`.

    In its second half a good boundary is preferred to a late one. Before a node is cut that
    would fit into a part, a quarter is enough. The last part is not left with a bracket alone.
    """
    quarter, half, full = (start + MAX_PART_BYTES // n for n in (4, 2, 1))
    full = min(full, len(text) - MAX_PART_BYTES // 4)
    late = max(((good, at) for at, good in waiting if half < at <= full), default=(-1, 0))
    if late[0] >= _WHOLE:
        return late[1]
    early = max((at for at, good in waiting if quarter < at <= half and good >= _WHOLE), default=0)
    newline = text.rfind(b"\n", half, full) + 1
    return early or late[1] or newline or _between_characters(text, full, ellipses)


def _between_characters(text: bytes, position: int, ellipses: list[int]) -> int:
    """The position itself, or the next one before it that is within nothing."""
    index = bisect_right(ellipses, position) - 1
    if index >= 0 and position < ellipses[index] + len(_ELLIPSIS):
        return ellipses[index]
    while text[position] & 0xC0 == 0x80:  # a byte that goes on with a character
        position -= 1
    return position


def _outline(data: bytes, span: Span, inner: Sequence[Span]) -> bytes:
    """The symbol's bytes with an ellipsis for each nested body."""
    pieces: list[bytes] = []
    position, end = span
    for body in inner:
        pieces += [data[position : body[0]], _ELLIPSIS]
        position = body[1]
    return b"".join([*pieces, data[position:end]])


def _ellipses(start: int, inner: Sequence[Span]) -> list[int]:
    """Where the ellipses begin in the outline."""
    starts: list[int] = []
    for body in inner:
        starts.append(body[0] - start)
        start += _hidden(body)
    return starts


def _in_outline(
    boundaries: Iterable[_Boundary], start: int, inner: Sequence[Span]
) -> Iterator[_Boundary]:
    """Positions in the file as positions in the outline."""
    passed = 0
    for position, good in boundaries:
        while passed < len(inner) and inner[passed][1] <= position:
            start += _hidden(inner[passed])
            passed += 1
        yield position - start, good


def _in_file(cuts: Iterable[int], start: int, inner: Sequence[Span]) -> Iterator[int]:
    """Positions in the outline as positions in the file."""
    passed = 0
    for cut in cuts:
        while passed < len(inner) and inner[passed][0] - start < cut:
            start += _hidden(inner[passed])
            passed += 1
        yield start + cut


def _hidden(body: Span) -> int:
    """By how much an outline is shorter for this body; below 0 for a very short one."""
    return body[1] - body[0] - len(_ELLIPSIS)
