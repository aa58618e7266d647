"""The names that a file calls or imports, each with the innermost record around it.

Not here: finding them (captures.py, queries/*.refs.scm) and what they lead to (resolve.py).
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from dobby_pipeline.sources.records import Reference

MAX_NAME = 200
"""Of one part of a qualified name: an expression can stand where a name does."""


def bounded(name: str) -> str:
    """The name, cut where it is longer than `MAX_NAME`."""
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


def attributed(
    found: Iterable[tuple[int, int, str]], records: Iterable[tuple[int, int, str]], data: bytes
) -> list[Reference]:
    """One reference for each symbol, kind and name, in the order in which they first stand there.

    Args:
        found: (start, end, kind) of each name in bytes, sorted.
        records: (start, end, symbol) of each record, sorted by start, the outer ones first.
        data: the file.
    """
    starts, symbols = _innermost(records)
    names: dict[tuple[str, bytes], str] = {}
    counts: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for start, end, kind in found:
        spelled = kind, data[start:end]
        name = names.get(spelled)
        if name is None:
            name = names[spelled] = _last_part(spelled[1].decode("utf-8", "replace"), kind)
        if name:
            counts[symbols[bisect_right(starts, start) - 1], kind, name] += 1
    return [Reference(*key, count) for key, count in counts.items()]


def _innermost(records: Iterable[tuple[int, int, str]]) -> tuple[Sequence[int], Sequence[str]]:
    """Where in the file another record becomes the innermost one, and which; empty for none."""
    starts, symbols = [0], [""]
    around: list[tuple[int, str]] = []

    def leave_until(position: float) -> None:
        while around and around[-1][0] <= position:
            starts.append(around.pop()[0])
            symbols.append(around[-1][1] if around else "")

    for start, end, symbol in records:
        leave_until(start)
        # A `;` may belong to the inner record and no more to the outer one.
        around.append((min(end, around[-1][0]) if around else end, symbol))
        starts.append(start)
        symbols.append(symbol)
    leave_until(float("inf"))
    return starts, symbols


def _last_part(text: str, kind: str) -> str:
    """`types.h` of an import spelled `<sys/types.h>`; names of code are such parts already."""
    name = " ".join(text.split())
    if kind == "import":
        name = name.strip("<>'\"`")
    name = name.rstrip("/")
    return bounded(name.rpartition("/")[2])
