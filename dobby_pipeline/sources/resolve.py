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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dobby_pipeline.cozo.partition import read_partition, removal
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore, HeldStore
from dobby_pipeline.schema.relations import (
    DEPENDENCIES,
    REFERENCE_COUNTS,
    RESOLVED,
    SOURCE_FILES,
    SOURCE_RECORDS,
    SYMBOL_REFERENCES,
)

PAGE_ROWS = 5_000
"""Rows read, or files written, in one transaction. They are short."""

_OUTCOMES = ("resolved", "ambiguous", "external")

_OF_PATHS = """
paths[path] <- $paths
?[path, symbol, names] := paths[path], *symbol_references{repo: $repo, path, symbol, names}
"""

_COUNTS = """
?[sum(resolved), sum(ambiguous), sum(external)] :=
    *reference_counts{repo: $repo, path, resolved, ambiguous, external}
"""

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
        resolved: lead to one record.
        ambiguous: several records of the repo can be meant.
        external: no record of the repo has the name: libraries, builtins, variables.
    """

    resolved: int
    ambiguous: int
    external: int

    @property
    def references(self) -> int:
        """All of them."""
        return self.resolved + self.ambiguous + self.external

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


@dataclass(frozen=True)
class Changed:
    """What changed since the references of the whole repo were resolved.

    Attributes:
        paths: files with other rows than before, which have no edges now.
        names: of records that came, went, or became something else.
    """

    paths: set[str] = field(default_factory=set[str])
    names: set[str] = field(default_factory=set[str])


def resolve(store: CozoStore, repo: str, changed: Changed | None = None) -> Resolution:
    """Write the edges between the repo's records, those of a file replacing those it had.

    Reads source_files (for the language of a path), source_records and symbol_references, which
    must be complete. Held in memory are the records' names and paths, some 0.5 kB each, and one
    page of references.

    Args:
        changed: only files that changed, or refer to a name that did, are looked at.

    Raises:
        StoreError: when the database refuses a batch; those before it are committed.
    """
    with store.held("read names") as held:
        names = _names(held, repo)
        families = _families(held, repo)
    for page in _references(store, repo, changed):
        by_path: dict[str, list[Row]] = {}
        for row in page:
            by_path.setdefault(row["path"], []).append(row)
        wanted = {
            path: rows
            for path, rows in by_path.items()
            if changed is None or path in changed.paths or _names_any(rows, changed.names)
        }
        if wanted:
            _write(store, repo, wanted, families, names)
    counts = store.run("count references", _COUNTS, {"repo": repo})
    found = {key: int(row[f"sum({key})"]) for row in counts for key in _OUTCOMES}
    return Resolution(**{key: found.get(key, 0) for key in _OUTCOMES})


def _references(store: CozoStore, repo: str, changed: Changed | None) -> Iterator[list[Row]]:
    """Pages of symbol_references, each of whole files, in which there may be something to do."""
    if changed is None or changed.names:
        yield from read_partition(store, SYMBOL_REFERENCES, [repo], page_rows=PAGE_ROWS)
    elif changed.paths:
        params = {"repo": repo, "paths": [[path] for path in changed.paths]}
        yield store.run("read symbol_references", _OF_PATHS, params)


def _names_any(rows: list[Row], names: set[str]) -> bool:
    return any(name in names for row in rows for _, name, _ in row["names"])


def _write(
    store: CozoStore,
    repo: str,
    references: Mapping[str, list[Row]],
    families: Mapping[str, str],
    names: "_Names",
) -> None:
    """Replace the edges and counts of these files."""
    edges: set[tuple[str, ...]] = set()
    counts: list[list[str | int]] = []
    for path, rows in references.items():
        outcomes: Counter[str] = Counter()
        for row in rows:
            for kind, name, _ in row["names"]:
                meanings = names.get((families.get(path, ""), name))
                found = _meant(kind, path, row["symbol"], meanings) if meanings else None
                if isinstance(found, _Target):
                    edges.add((repo, path, row["symbol"], kind, *found[:2]))
                    outcomes["resolved"] += 1
                else:
                    outcomes["ambiguous" if found else "external"] += 1
        counts.append([repo, path, *(outcomes[key] for key in _OUTCOMES)])
    blocks = [f"{{ {removal(relation)} }}" for relation in RESOLVED]
    params: dict[str, Any] = {
        "repo": repo,
        "replaced": [[path] for path in references],
        "edges": [list(edge) for edge in sorted(edges)],
        "counts": counts,
    }
    if edges:
        blocks.append(DEPENDENCIES.put("edges"))
    blocks.append(REFERENCE_COUNTS.put("counts"))
    store.run("write dependencies", "\n".join(blocks), params, write=True)


def _families(store: HeldStore, repo: str) -> dict[str, str]:
    """Which languages a path's names can be of."""
    pages = read_partition(store, SOURCE_FILES, [repo], ("path", "language"), PAGE_ROWS)
    return {row["path"]: _family(row["language"]) for page in pages for row in page}


def _family(language: str) -> str:
    return _FAMILIES.get(language, language)


def _names(store: HeldStore, repo: str) -> _Names:
    """The records of each family and name."""
    columns = ("path", "symbol", "name", "kind", "language")
    found: dict[tuple[str, str], list[_Target]] = {}
    for page in read_partition(store, SOURCE_RECORDS, [repo], columns, PAGE_ROWS):
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


def _meant(kind: str, path: str, symbol: str, meanings: _Meanings) -> _Target | bool:
    """What the reference leads to; True when it can be several records, False when none."""
    if kind == "import":
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
    delegates = target.is_method and target.symbol == symbol
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
