"""From names to edges: which record of the repo a reference leads to, where the name tells.

Not here: how references are found (references.py). Names are all that is compared, there are no
types: what is not certain by name gives no edge.

What a name can mean:
  - A call means a record of its own file first, then one of another file. Exactly one of them
    must have the name. A method that calls its own name means another object's, more often than
    not, and gives no edge.
  - An import means a record of another file, and no method.
  - Records of languages that cannot call each other do not count.
  - A record inside a function counts in its own file only.
  - A constructor, or whatever else has the name of the record around it, stands behind that one.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dobby_pipeline.cozo.partition import read_partition, remove_stale
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.schema.relations import (
    DEPENDENCIES,
    SOURCE_FILES,
    SOURCE_RECORDS,
    SYMBOL_REFERENCES,
)

PAGE_ROWS = 20_000
"""Rows a transaction. They are short, and after tens of MB of writes each opening of the database
takes 0.1 to 0.2 s: 190,000 references took 11 s by this many, 48 s by 2,000."""

# Languages that share their symbols; any other stands by itself.
_FAMILIES = {
    "cpp": "c",
    "kotlin": "java",
    "scala": "java",
    "tsx": "javascript",
    "typescript": "javascript",
}
_LAST_PART = re.compile(r"(?:\.|::)[^.:]*$")

_CALLEES = """
    wanted[path, symbol] <- $keys
    ?[path, symbol, to_path, to_symbol] :=
        wanted[path, symbol], *dependencies{repo: $repo, path, symbol, to_path, to_symbol},
        [path, symbol] != [to_path, to_symbol]
    :order path, symbol, to_path, to_symbol
"""

SymbolKey = tuple[str, str]
"""The path and the symbol of a record."""


@dataclass(frozen=True)
class Resolution:
    """What became of a repo's references, counted by distinct path, symbol, kind and name.

    Attributes:
        references: all of them, the sum of the others.
        resolved: lead to one record.
        ambiguous: several records of the repo can be meant.
        external: no record of the repo has the name: libraries, builtins, variables.
    """

    references: int
    resolved: int
    ambiguous: int
    external: int

    @property
    def share(self) -> float:
        """Resolved ones among those that the repo could answer, 0 to 1; 1 where there are none.

        External ones say nothing about how well names are resolved.
        """
        internal = self.resolved + self.ambiguous
        return self.resolved / internal if internal else 1.0


class _Target(NamedTuple):
    path: str
    symbol: str
    is_method: bool
    is_local: bool


class _Meanings(NamedTuple):
    """The records of one name, sorted by path; `anywhere` and `importable` for other files."""

    all: Sequence[_Target]
    anywhere: Sequence[_Target]
    importable: Sequence[_Target]


_Names = dict[tuple[str, str], _Meanings]


def resolve(store: CozoStore, repo: str, run: str, page_rows: int = PAGE_ROWS) -> Resolution:
    """Write the edges between the repo's records, and remove those that no longer hold.

    Reads source_files (for the language of a path), source_records and symbol_references, which
    must be complete. A run that dies in the middle removes nothing. Held in memory are the
    records' names and paths, some 0.5 kB each, and one page of references.

    Raises:
        StoreError: when the database refuses a batch; those before it are committed.
    """
    names = _names(store, repo, page_rows)
    families = _families(store, repo, page_rows)
    outcomes: Counter[str] = Counter()
    for page in read_partition(store, SYMBOL_REFERENCES, [repo], page_rows=page_rows):
        edges: set[tuple[str, ...]] = set()
        for row in page:
            meanings = names.get((families.get(row["path"], ""), row["name"]))
            found = _meant(row, meanings) if meanings else None
            if isinstance(found, _Target):
                edges.add((repo, row["path"], row["symbol"], row["kind"], *found[:2], run))
                outcomes["resolved"] += 1
            else:
                outcomes["ambiguous" if found else "external"] += 1
        rows = {"rows": [list(edge) for edge in sorted(edges)]}
        store.run("write dependencies", DEPENDENCIES.put(), rows, write=True)
    remove_stale(store, DEPENDENCIES, repo, run)
    return Resolution(
        outcomes.total(), outcomes["resolved"], outcomes["ambiguous"], outcomes["external"]
    )


def _families(store: CozoStore, repo: str, page_rows: int) -> dict[str, str]:
    """Which languages a path's names can be of."""
    pages = read_partition(store, SOURCE_FILES, [repo], ("path", "language"), page_rows)
    return {row["path"]: _family(row["language"]) for page in pages for row in page}


def _family(language: str) -> str:
    return _FAMILIES.get(language, language)


def _names(store: CozoStore, repo: str, page_rows: int) -> _Names:
    """The records of each family and name."""
    columns = ("path", "symbol", "name", "kind", "language")
    found: dict[tuple[str, str], list[_Target]] = {}
    for page in read_partition(store, SOURCE_RECORDS, [repo], columns, page_rows):
        kinds = {(row["path"], row["symbol"]): row["kind"] for row in page}
        for row in page:
            around = kinds.get((row["path"], _LAST_PART.sub("", row["symbol"])))
            is_local = around in ("function", "method") and bool(_LAST_PART.search(row["symbol"]))
            target = _Target(row["path"], row["symbol"], row["kind"] == "method", is_local)
            found.setdefault((_family(row["language"]), row["name"]), []).append(target)
    return {name: _meanings(targets) for name, targets in found.items()}


def _meanings(targets: list[_Target]) -> _Meanings:
    symbols = {target.symbol for target in targets}
    outer = sorted(
        target
        for target in targets
        if (around := _LAST_PART.sub("", target.symbol)) == target.symbol or around not in symbols
    )
    anywhere = [target for target in outer if not target.is_local]
    return _Meanings(outer, anywhere, [target for target in anywhere if not target.is_method])


def _meant(reference: Row, meanings: _Meanings) -> _Target | bool:
    """What the reference leads to; True when it can be several records, False when none."""
    path = reference["path"]
    if reference["kind"] == "import":
        targets = meanings.importable
        first, last = _of_path(targets, path)
        others = len(targets) - (last - first)
        return targets[0 if first else last] if others == 1 else others > 1
    targets = meanings.all
    first, last = _of_path(targets, path)
    if last == first:
        others = len(meanings.anywhere)
        return meanings.anywhere[0] if others == 1 else others > 1
    target = targets[first]
    delegates = target.is_method and target.symbol == reference["symbol"]
    return True if last - first > 1 or delegates else target


def _of_path(targets: Sequence[_Target], path: str) -> tuple[int, int]:
    """The range of the targets that lie in the file `path`."""
    first = bisect_left(targets, path, key=_path)
    return first, bisect_right(targets, path, first, key=_path)


def _path(target: _Target) -> str:
    return target.path


def callees(
    store: CozoStore, repo: str, keys: Iterable[SymbolKey]
) -> dict[SymbolKey, list[SymbolKey]]:
    """What each of the symbols depends on, itself left out, sorted; only those with an edge.

    An empty symbol stands for what a file does outside of its records.
    """
    params = {"repo": repo, "keys": [list(key) for key in keys]}
    found: dict[SymbolKey, list[SymbolKey]] = {}
    for row in store.run("read dependencies", _CALLEES, params):
        key = (row["path"], row["symbol"])
        found.setdefault(key, []).append((row["to_path"], row["to_symbol"]))
    return found
