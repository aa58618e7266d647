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

import json
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from dobby_pipeline.cozo.partition import read_page, removal
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore, HeldStore
from dobby_pipeline.schema.relations import (
    DEPENDENCIES,
    REFERENCE_COUNTS,
    RESOLVED,
    SYMBOL_REFERENCES,
)

PAGE_ROWS = 5_000
"""Rows of references that are read, and whose edges are written, while the database is held."""

PATHS_A_PAGE = 500

MAX_TARGETS = 50_000
"""Records whose names are remembered from page to page, some 0.5 kB each; then none is."""

MAX_NAMES = 200
"""Changed names for which the references are searched; with more of them all are resolved."""

_OUTCOMES = ("resolved", "ambiguous", "external")

# A text of the name elsewhere in the row only costs a look at one file more.
_REFERRING = """
wanted[name] <- $names
?[path] := *symbol_references{repo: $repo, path, names}, text = dump_json(names),
    wanted[name], str_includes(text, name)
"""

_READ = ("path", "symbol", "names")

_OF_PATHS = """
paths[path] <- $paths
?[path, symbol, names] := paths[path], *symbol_references{repo: $repo, path, symbol, names}
:order path, symbol
"""

_LANGUAGES = """
paths[path] <- $paths
?[path, language] := paths[path], *source_files{repo: $repo, path, language}
"""

_NAMED = """
wanted[name] <- $names
?[name, path, symbol, kind, language] :=
    wanted[name], *source_records:by_name{repo: $repo, name, path, symbol, kind, language}
"""

_KINDS = """
keys[path, symbol] <- $keys
?[path, symbol, kind] := keys[path, symbol], *source_records{repo: $repo, path, symbol, kind}
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


@dataclass(frozen=True)
class Changed:
    """What changed since the references of the whole repo were resolved.

    Attributes:
        paths: files with other rows than before, which have no edges now.
        names: of records that came, went, or became something else.
    """

    paths: set[str] = field(default_factory=set[str])
    names: set[str] = field(default_factory=set[str])


def resolve(store: CozoStore, repo: str, changed: Changed | None = None) -> None:
    """Write the edges between the repo's records, those of a file replacing those it had.

    Reads source_files (for the language of a path), source_records and symbol_references, which
    must be complete. Held in memory are one page of references and MAX_TARGETS records' names.

    Args:
        changed: only files that changed, or refer to a name that did, are looked at.

    Raises:
        StoreError: when the database refuses a batch; those before it are committed.
    """
    names = _Names(repo)
    if changed is None or len(changed.names) > MAX_NAMES:
        after: str | None = ""
        while after is not None:
            with store.held("resolve references") as held:
                rows, after = read_page(held, SYMBOL_REFERENCES, repo, after, _READ, PAGE_ROWS)
                _resolve_page(held, repo, rows, names)
        return
    with store.held("resolve references") as held:
        paths = sorted(_affected(held, repo, changed))
        page, rest = paths[:PATHS_A_PAGE], paths[PATHS_A_PAGE:]
        _resolve_page(held, repo, _of_paths(held, repo, page), names)
    for start in range(0, len(rest), PATHS_A_PAGE):
        with store.held("resolve references") as held:
            page = rest[start : start + PATHS_A_PAGE]
            _resolve_page(held, repo, _of_paths(held, repo, page), names)


def _affected(held: HeldStore, repo: str, changed: Changed) -> set[str]:
    """Files that changed, and those that refer to a name that did."""
    paths = set(changed.paths)
    if changed.names:
        quoted = [[json.dumps(name, ensure_ascii=False)] for name in changed.names]
        wanted = {"repo": repo, "names": quoted}
        rows = held.run("find who refers to changed names", _REFERRING, wanted)
        paths.update(row["path"] for row in rows)
    return paths


def _of_paths(held: HeldStore, repo: str, paths: list[str]) -> list[Row]:
    params = {"repo": repo, "paths": [[path] for path in paths]}
    return held.run("read symbol_references", _OF_PATHS, params) if paths else []


def _resolve_page(held: HeldStore, repo: str, rows: list[Row], names: "_Names") -> None:
    """Resolve the references of whole files, ordered by path."""
    by_path = {path: list(rows) for path, rows in groupby(rows, key=itemgetter("path"))}
    if by_path:
        _write(held, repo, by_path, names)


def resolution(store: CozoStore | HeldStore, repo: str) -> Resolution:
    """What became of the repo's references when they were last resolved."""
    counts = store.run("count references", _COUNTS, {"repo": repo})
    found = {key: int(row[f"sum({key})"]) for row in counts for key in _OUTCOMES}
    return Resolution(**{key: found.get(key, 0) for key in _OUTCOMES})


def _write(
    store: HeldStore, repo: str, references: Mapping[str, list[Row]], names: "_Names"
) -> None:
    """Replace the edges and counts of these files."""
    families = _families(store, repo, references)
    names.know(
        store, {name for rows in references.values() for row in rows for _, name, _ in row["names"]}
    )
    edges: set[tuple[str, ...]] = set()
    counts: list[list[str | int]] = []
    for path, rows in references.items():
        outcomes: Counter[str] = Counter()
        for row in rows:
            for kind, name, _ in row["names"]:
                meanings = names.meanings(families.get(path, ""), name)
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


def _families(store: HeldStore, repo: str, paths: Iterable[str]) -> dict[str, str]:
    """Which languages a path's names can be of."""
    params = {"repo": repo, "paths": [[path] for path in paths]}
    rows = store.run("read languages of source_files", _LANGUAGES, params)
    return {row["path"]: _family(row["language"]) for row in rows}


def _family(language: str) -> str:
    return _FAMILIES.get(language, language)


@dataclass
class _Names:
    """The records of names, looked up as they are needed."""

    repo: str
    _known: dict[str, dict[str, _Meanings]] = field(
        default_factory=dict[str, dict[str, _Meanings]], init=False
    )
    _targets: int = field(default=0, init=False)

    def know(self, store: HeldStore, names: set[str]) -> None:
        """Look up the records of these names, as far as they are not known."""
        if self._targets > MAX_TARGETS:
            self._known, self._targets = {}, 0
        unknown = names - self._known.keys()
        params = {"repo": self.repo, "names": [[name] for name in sorted(unknown)]}
        rows = store.run("read names of source_records", _NAMED, params) if unknown else []
        locals_ = self._locals(store, rows)
        found: dict[str, dict[str, list[_Target]]] = {name: {} for name in unknown}
        for row in rows:
            key = (row["path"], row["symbol"])
            target = _Target(*key, row["kind"] == "method", key in locals_)
            found[row["name"]].setdefault(_family(row["language"]), []).append(target)
        self._targets += len(rows)
        for name, families in found.items():
            self._known[name] = {family: _meanings(all_) for family, all_ in families.items()}

    def meanings(self, family: str, name: str) -> _Meanings | None:
        """What a known name can mean in these languages."""
        return self._known[name].get(family)

    def _locals(self, store: HeldStore, rows: list[Row]) -> set[SymbolKey]:
        """Those of the records that stand inside a function."""
        around: dict[SymbolKey, SymbolKey] = {}
        for row in rows:
            outer = _LAST_PART.sub("", row["symbol"])
            if outer != row["symbol"]:
                around[row["path"], row["symbol"]] = (row["path"], outer)
        params = {"repo": self.repo, "keys": [list(key) for key in sorted({*around.values()})]}
        kinds = store.run("read kinds of source_records", _KINDS, params) if around else []
        functions = {
            (row["path"], row["symbol"]) for row in kinds if row["kind"] in ("function", "method")
        }
        return {key for key, outer in around.items() if outer in functions}


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
