"""Git's path patterns, as `.gitignore` and `.gitattributes` write them: which one matches a path.

Not here: the files that patterns stand in (dobbyignore.py, attributes.py).

A repository's patterns are not to be trusted, so no pattern may take long: each part between two
`/` is one regular expression that never goes back over a `*`, and `**` is stepped through side by
side. (pathspec's expressions take 5 s for `*a*a*a*a*b` on a name of 200 bytes and a hundred times
that for each further two `*a`; they also match all that lies below a path, where git asks about
the path itself.) Everything is bytes, as in git: `?` is one byte.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

Value = TypeVar("Value")

MAX_LINE_BYTES = 2048
"""Git's bound on a line of `.gitattributes` (ATTR_MAX_LINE_LENGTH); here for both files."""

_STAR = "*"
_SLASH = "/"
_Token = bytes | str  # a regular expression for one byte, _STAR or _SLASH

_LITERAL = re.compile(rb"[^*?\[\\]+")

# What git's ctype says of ASCII, in any locale.
_CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb" \t\n\r",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}


class _NeverMatches(Exception):
    """The pattern is malformed; git keeps such a one and it matches nothing."""


@dataclass(frozen=True, slots=True)
class _Glob:
    """A pattern with wildcards.

    Attributes:
        folders_only: it ended in `/`.
        anchored: it is compared with the whole path, otherwise with the last name in it.
        segments: one expression for each name, None for `**`.
    """

    folders_only: bool
    anchored: bool
    segments: tuple[re.Pattern[bytes] | None, ...]

    def matches(self, names: list[bytes]) -> bool:
        """Whether a path of these names is what the pattern describes."""
        # The two ends decide most, without the stepping.
        end = self.segments[-1]
        if end is not None and not end.fullmatch(names[-1]):
            return False
        if not self.anchored:
            return True
        start = self.segments[0]
        if start is not None and not start.fullmatch(names[0]):
            return False
        last = len(self.segments)
        states = self._after({0})
        for name in names:
            following: set[int] = set()
            for state in states:
                if state == last:
                    continue
                segment = self.segments[state]
                if segment is None:
                    following |= {state, last} if state == last - 1 else {state}
                elif segment.fullmatch(name):
                    following.add(state + 1)
            states = self._after(following)
            if not states:
                return False
        return last in states

    def _after(self, states: set[int]) -> set[int]:
        """With the states behind a `**/`, which may stand for no folder at all."""
        reached = set(states)
        for state in states:
            behind = state
            while behind < len(self.segments) - 1 and self.segments[behind] is None:
                behind += 1
                reached.add(behind)
        return reached


class Patterns(Generic[Value]):
    """The patterns of one file, in its order, each with what it says of a path.

    Patterns without wildcards cost nothing, however many there are; each other one is tried.
    """

    def __init__(self, lines: Iterable[tuple[bytes, Value]]) -> None:
        """`lines`: patterns without a leading `!`, and their values."""
        self._values: list[Value] = []
        self._literals: dict[tuple[bool, bool, bytes], int] = {}
        self._globs: list[tuple[int, _Glob]] = []
        for pattern, value in lines:
            index = len(self._values)
            self._values.append(value)
            folders_only = pattern.endswith(b"/")
            text = pattern.removesuffix(b"/")
            anchored = b"/" in text
            text = text.removeprefix(b"/")
            if _LITERAL.fullmatch(text):
                self._literals[anchored, folders_only, text] = index
                continue
            try:
                segments = tuple(_segments(text, anchored=anchored))
            except _NeverMatches:
                continue
            self._globs.append((index, _Glob(folders_only, anchored, segments)))

    def __bool__(self) -> bool:
        return bool(self._literals or self._globs)

    def last_match(self, path: bytes, *, is_folder: bool) -> Value | None:
        """What the last pattern that matches says; None when none does.

        Args:
            path: relative to the folder of the patterns' file, without a `/` at its end.
            is_folder: whether patterns that end in `/` apply.
        """
        name = path[path.rfind(b"/") + 1 :]
        found = -1
        for folders_only in (False, True) if is_folder else (False,):
            found = max(
                found,
                self._literals.get((True, folders_only, path), -1),
                self._literals.get((False, folders_only, name), -1),
            )
        names = path.split(b"/") if self._globs else []
        for index, glob in reversed(self._globs):
            if index < found:
                break
            if (is_folder or not glob.folders_only) and glob.matches(names):
                found = index
                break
        return self._values[found] if found >= 0 else None


def _segments(pattern: bytes, *, anchored: bool) -> Iterator[re.Pattern[bytes] | None]:
    tokens = list(_tokens(pattern))
    segment: list[_Token] = []
    for token in [*tokens, _SLASH]:
        if token != _SLASH:
            segment.append(token)
            continue
        if anchored and len(segment) > 1 and set(segment) == {_STAR}:
            yield None
        else:
            yield _expression(segment)
        segment = []


def _expression(tokens: list[_Token]) -> re.Pattern[bytes]:
    """For one name. What stands between two stars takes the first place where it fits."""
    pieces = [b""]
    for is_star, group in groupby(tokens, key=lambda token: token == _STAR):
        if is_star:
            pieces.append(b"")
        else:
            pieces[-1] = b"".join(token for token in group if isinstance(token, bytes))
    first, *middle, last = pieces if len(pieces) > 1 else [*pieces, b""]
    stars = b"".join(b"(?>.*?%b)" % piece for piece in middle)
    expression = first + stars + (b".*" + last if len(pieces) > 1 else b"")
    return re.compile(expression, re.DOTALL)


def _tokens(pattern: bytes) -> Iterator[_Token]:
    position = 0
    while position < len(pattern):
        byte = pattern[position : position + 1]
        position += 1
        if byte == b"\\":
            byte = pattern[position : position + 1]
            position += 1
            if not byte:
                raise _NeverMatches
            yield _SLASH if byte == b"/" else re.escape(byte)
        elif byte == b"[":
            expression, position = _bracket(pattern, position)
            yield expression
        else:
            yield {b"*": _STAR, b"/": _SLASH, b"?": b"."}.get(byte) or re.escape(byte)


def _bracket(pattern: bytes, position: int) -> tuple[bytes, int]:
    """The set that begins behind a `[`, and where the pattern goes on behind its `]`."""
    negated = pattern[position : position + 1] in (b"!", b"^")
    position += negated
    members: list[bytes] = []
    previous: int | None = None
    start = position
    while position == start or pattern[position : position + 1] != b"]":
        if pattern[position : position + 2] == b"[:":
            end = pattern.find(b"]", position + 2)
            if end < 0:
                raise _NeverMatches
            if end > position + 2 and pattern[end - 1 : end] == b":":
                name = pattern[position + 2 : end - 1]
                if name not in _CLASSES:
                    raise _NeverMatches
                members.append(_CLASSES[name])
                previous, position = None, end + 1
                continue
        is_range = (
            pattern[position : position + 1] == b"-"
            and previous is not None
            and pattern[position + 1 : position + 2] not in (b"", b"]")
        )
        byte, position = _member(pattern, position + is_range)
        if is_range and previous is not None:
            if previous <= byte:
                members.append(b"\\x%02x-\\x%02x" % (previous, byte))
            previous = None
        else:
            members.append(b"\\x%02x" % byte)
            previous = byte
    if not members:  # nothing but a range from a byte to a smaller one
        return (b"." if negated else b"(?!)"), position + 1
    return b"[%b%b]" % (b"^" if negated else b"", b"".join(members)), position + 1


def _member(pattern: bytes, position: int) -> tuple[int, int]:
    position += pattern[position : position + 1] == b"\\"
    if position >= len(pattern):
        raise _NeverMatches
    return pattern[position], position + 1
