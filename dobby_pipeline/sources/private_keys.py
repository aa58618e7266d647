r"""Where the bodies of private keys lie in a text: PEM, OpenPGP and PuTTY.

Not here: what is put in their place (secrets.py). A key may stand in a string with `\n` for its
line breaks, in one string a line, or in a comment; its header and footer stay.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

MARKS = (b"PRIVATE KEY", b"PuTTY-User-Key-File")
"""One of these stands in every text with such a key."""

_REACH = 32 * 1024  # characters of one key; 16,384 bits of RSA in PEM have 13,000
_LONG = 16  # characters of base64 that are no word; PEM's own lines have 64

_EDGE = re.compile(
    r"-{2,5} ?(BEGIN|END) (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)? ?-{2,5}"
    r"|PuTTY-User-Key-File-\d:[^\n]{0,80}",
    re.ASCII,
)
_LINE = re.compile(r"[^\n]*\n?")
_BREAK = re.compile(r"\\+[nr]|[\s\\]+")
_HEADER = re.compile(r"[\s\"'`#*/]{0,80}[A-Z][A-Za-z-]{2,40}: ")
_PIECE = re.compile(
    r"(?:[\"'`#*>|;,.()+&/-]|[rbfuRBFU]{1,2}(?=[\"'`]))*+([A-Za-z0-9+/=]{2,})?+[\"'`+;,.()]*"
)
_RUN = re.compile(rf"[A-Za-z0-9+/=]{{{_LONG},}}")

_Place = tuple[int, int]


def key_places(text: str) -> Iterator[_Place]:
    """[start, end) of each piece of base64 that belongs to a private key, in order."""
    edges = [*_EDGE.finditer(text)]
    for edge, following in pairwise([*edges, None]):
        if edge is None or edge[1] == "END":
            continue
        end = following.start() if following else len(text)
        closed = following is not None and following[1] == "END" and end - edge.end() < _REACH
        yield from _body(text, edge.end(), min(end, edge.end() + _REACH), closed=closed)


def _body(text: str, start: int, end: int, *, closed: bool) -> Iterator[_Place]:
    """Everything, where there is nothing but base64 up to the footer; else what is long.

    Without a footer the body ends at the first line that is something else.
    """
    pieces: list[_Place] = []
    pure = closed
    for line in _LINE.finditer(text, start, end):
        if _HEADER.match(line[0]):
            pieces += [match.span() for match in _RUN.finditer(text, *line.span())]
            continue
        places, only_base64 = _pieces(text, *line.span())
        pieces += places
        if not only_base64:
            pure = False
            if not closed:
                break
    after_long = False
    for piece in pieces:
        run = text[slice(*piece)]
        long = len(run) >= _LONG and any(character in "0123456789+/=" for character in run)
        if pure or long or after_long:
            yield piece
        after_long = long


def _pieces(text: str, start: int, end: int) -> tuple[list[_Place], bool]:
    """The runs of base64 in a line, and whether there is nothing but them and punctuation."""
    places: list[_Place] = []
    only_base64 = True
    breaks = [match.span() for match in _BREAK.finditer(text, start, end)]
    for stop, following in [*breaks, (end, end)]:
        piece = _PIECE.fullmatch(text, start, stop)
        if piece is None:
            only_base64 = False
            places += [match.span() for match in _RUN.finditer(text, start, stop)]
        elif piece[1]:
            places.append(piece.span(1))
        start = following
    return places, only_base64
