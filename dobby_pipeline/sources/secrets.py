"""Takes secrets out of a text before anything else sees it.

Not here: how they are found (secret_finders.py). Nothing of a text is logged or put into an
error.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dobby_pipeline.sources import secret_values
from dobby_pipeline.sources.secret_finders import PLACEHOLDER, Place, SecretFinder
from dobby_pipeline.sources.secret_formats import FORMATS, LITERALS, PLUGINS

_HEURISTICS = 1  # raise it when other texts are redacted though the tables are the same
_ECHO = 8  # characters from which on a secret is taken out wherever it stands
_WORD = 4  # a shorter one only where it stands as a word, from this length on

_LONGEST = 1024  # characters of a secret that is looked for elsewhere, so that time is bounded
_TAKEN = 9  # the rank of a placeholder that is there already

_PLACEHOLDER = re.compile(PLACEHOLDER.pattern.encode())
_QUOTES = (b"'", b'"', b"`")
_WORD_BYTE = re.compile(rb"[A-Za-z0-9_]")


def redaction_fingerprint() -> str:
    """A short hash of the rules: detect-secrets' version, tables, names, heuristics."""
    from importlib.metadata import version  # what only reads files does not ask

    names = (secret_values.NAME, secret_values.WEAK_NAME, secret_values.HASH_NAME)
    rules = (_HEURISTICS, version("detect-secrets"), FORMATS, LITERALS, PLUGINS, names)
    return hashlib.sha256(repr(rules).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its secrets.

    Attributes:
        data: as many lines as before, with a word like `REDACTED_GITHUB_TOKEN` for each secret.
        found: how many places were redacted, by kind.
    """

    data: bytes
    found: Mapping[str, int]


def redact(data: bytes) -> Redacted:
    """The text with a placeholder for each secret. Redacting the result changes nothing.

    Args:
        data: valid UTF-8; so is the result.
    """
    found: Counter[str] = Counter()
    # Each pass takes characters away that are no placeholder's, so there is a last one: as a
    # rule the second, which finds nothing.
    while places := _places(data):
        found.update(place.kind for place in places)
        data = _replaced(data, places)
    return Redacted(data, dict(sorted(found.items())))


def _places(data: bytes) -> list[Place]:
    """What to replace, in order, without overlap."""
    found = [*SecretFinder(data).places()]
    found = _merged(data, found)
    return _merged(data, [*found, *_echoes(data, found)]) if found else []


def _merged(data: bytes, places: list[Place]) -> list[Place]:
    """Places that overlap become one; none is left that only covers placeholders."""
    taken = [match.span() for match in _PLACEHOLDER.finditer(data)] if places else []
    merged: list[Place] = []
    for place in sorted([*places, *(Place(*span, _TAKEN, "") for span in taken)]):
        last = merged[-1] if merged else None
        if last is not None and place.start < last.end:
            kind = min(last, place, key=lambda item: item.rank)
            merged[-1] = Place(last.start, max(last.end, place.end), kind.rank, kind.kind)
        else:
            merged.append(place)
    covered = set(taken)
    return [
        _whole_characters(data, place)
        for place in merged
        if place.rank != _TAKEN and (place.start, place.end) not in covered
    ]


def _whole_characters(data: bytes, place: Place) -> Place:
    start, end = place.start, place.end
    while start > 0 and data[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end += 1
    return Place(start, end, place.rank, place.kind)


def _echoes(data: bytes, places: list[Place]) -> Iterator[Place]:
    """Further occurrences of the secrets that were found.

    One pass over the text, whatever their number: a table of their first bytes says which
    lengths to try.
    """
    secrets = {data[place.start : place.end]: place for place in reversed(places)}
    lengths: defaultdict[bytes, set[int]] = defaultdict(set)
    for secret in secrets:
        if _WORD <= len(secret) <= _LONGEST:
            lengths[secret[:_WORD]].add(len(secret))
    for start in range(len(data) - _WORD + 1 if lengths else 0):
        for length in lengths.get(data[start : start + _WORD], ()):
            end = start + length
            place = secrets.get(data[start:end])
            if place is not None and _is_echo(data, start, end):
                yield Place(start, end, place.rank, place.kind)


def _is_echo(data: bytes, start: int, end: int) -> bool:
    """A word of letters could be any word: it counts as a whole string, if long as a whole word."""
    around = data[max(0, start - 1) : start], data[end : end + 1]
    alone = not any(map(_WORD_BYTE.match, around))
    if data[start:end].isalpha():
        quoted = around[0] in _QUOTES and around[1] in _QUOTES
        return quoted or (alone and end - start >= _ECHO)
    return alone or end - start >= _ECHO


def _replaced(data: bytes, places: list[Place]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for place in places:
        parts += (data[at : place.start], b"REDACTED_", place.kind.upper().encode())
        at = place.end
    return b"".join([*parts, data[at:]])
