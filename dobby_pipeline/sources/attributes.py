"""`.gitattributes`: what a repository itself says of a file being vendored or generated.

Not here: the patterns (path_patterns.py); files in subfolders (tree_rules.py). Only committed
files count, as on GitHub, so a result never depends on the machine.
"""

import codecs
import re
from collections.abc import Iterator
from enum import Enum

from dobby_pipeline.sources.path_patterns import MAX_LINE_BYTES, Patterns

ATTRIBUTES_FILE = ".gitattributes"
VENDORED = b"linguist-vendored"
GENERATED = b"linguist-generated"
ATTRIBUTES = (VENDORED, GENERATED)

_BLANK = b" \t\r\n"
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:([0-3][0-7]{2})|(.))", re.DOTALL)
_ESCAPED = dict(zip(b'abfnrtv"\\', b'\a\b\f\n\r\t\v"\\', strict=True))
_STATE = re.compile(rb"(-|!)?([A-Za-z0-9_.][A-Za-z0-9_.-]*)(?:=(.*))?", re.DOTALL)
_MACRO = b"[attr]"


class State(Enum):
    """What a line says of one attribute; git's own words."""

    SET = "set"
    UNSET = "unset"
    UNSPECIFIED = "unspecified"


Macros = dict[bytes, dict[bytes, State]]
_Line = tuple[bytes, list[tuple[bytes, State]]]


class Attributes:
    """One file's lines about the two attributes that Dobby reads.

    Attributes:
        patterns: by attribute; of several states in one line the last counts.
        macros: what `[attr]NAME …` lines of the topmost file say of the two; git takes
            definitions only there. Kept simple: a macro that names another macro says nothing more,
            and a line with `-NAME` takes back nothing that `NAME` said further up.
    """

    def __init__(self, data: bytes, *, macros: Macros | None) -> None:
        """`macros`: those that are defined at the top; None for the topmost file itself."""
        lines = list(_lines(data.removeprefix(codecs.BOM_UTF8)))
        self.macros = macros if macros is not None else _macros(lines)
        stated = [
            (pattern, _expanded(states, self.macros))
            for pattern, states in lines
            if not pattern.startswith((_MACRO, b"!"))
        ]
        self.patterns: dict[bytes, Patterns[State]] = {
            name: Patterns((pattern, states[name]) for pattern, states in stated if name in states)
            for name in ATTRIBUTES
        }


def _lines(data: bytes) -> Iterator[_Line]:
    for raw in data.split(b"\n"):
        line = raw.strip(_BLANK)
        if not line or line.startswith(b"#") or len(raw) >= MAX_LINE_BYTES:
            continue
        quoted = _QUOTED.match(line)
        if quoted:
            pattern, rest = _ESCAPE.sub(_unescaped, quoted[1]), line[quoted.end() :]
        else:
            pattern, *more = line.split(None, 1)
            rest = more[0] if more else b""
        states = [_STATE.fullmatch(word) for word in rest.split()]
        if all(states):  # git drops a line with a word that is no attribute
            yield pattern, [(state[2], _state(state[1], state[3])) for state in states if state]


def _state(prefix: bytes | None, value: bytes | None) -> State:
    """As Linguist reads it: `=false` is the one value that says no."""
    if prefix == b"!":
        return State.UNSPECIFIED
    return State.UNSET if prefix == b"-" or value == b"false" else State.SET


def _macros(lines: list[_Line]) -> Macros:
    return {
        pattern.removeprefix(_MACRO): _expanded(states, {})
        for pattern, states in lines
        if pattern.startswith(_MACRO) and pattern != _MACRO
    }


def _expanded(states: list[tuple[bytes, State]], macros: Macros) -> dict[bytes, State]:
    said: dict[bytes, State] = {}
    for name, state in states:
        if name in ATTRIBUTES:
            said[name] = state
        elif state is State.SET:
            said.update(macros.get(name, {}))
    return said


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes([int(found[1], 8)])
    return bytes([_ESCAPED.get(found[2][0], found[2][0])])
