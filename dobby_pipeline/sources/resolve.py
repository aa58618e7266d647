"""From names to edges: which record of the repo a reference leads to, where the name tells.

Not here: how references are found (references.py), and which record a name means (meanings.py).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from dobby_pipeline.cozo.partition import read_page, removal
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore, HeldStore
from dobby_pipeline.schema.relations import (
    DEPENDENCIES,
    REFERENCE_COUNTS,
    RESOLVED,
    SYMBOL_REFERENCES,
)
from dobby_pipeline.sources.builtin_names import builtin_names
from dobby_pipeline.sources.meanings import (
    Names,
    SeenNames,
    StoredNames,
    SymbolKey,
    Target,
    meant,
)

PAGE_ROWS = 2_000
"""Rows of references that are read, and whose edges are written, in one operation. With smaller
pages more of the writing of one goes on beside the next one's resolving."""

PATHS_A_PAGE = 500

MAX_NAMES = 200
"""Changed names for which the references are searched; with more of them all are resolved."""

MAX_PATHS = 10_000
"""Changed files that are remembered; with more of them all references are resolved."""

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

_COUNTS = """
?[sum(resolved), sum(ambiguous), sum(external)] :=
    *reference_counts{repo: $repo, path, resolved, ambiguous, external}
"""

_CALLEES = """
    wanted[path, symbol] <- $keys
    ?[path, symbol, to_path, to_symbol] :=
        wanted[path, symbol], *dependencies{repo: $repo, path, symbol, to_path, to_symbol},
        [path, symbol] != [to_path, to_symbol]
    :order path, symbol, to_path, to_symbol
"""


@dataclass(frozen=True)
class Resolution:
    """What became of a repo's references, counted by distinct path, symbol, kind and name.

    Attributes:
        resolved: lead to one record.
        ambiguous: several records of the repo can be meant, or one and something of the language.
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


@dataclass(frozen=True)
class Changed:
    """What changed since the references of the whole repo were resolved.

    Attributes:
        paths: files with other rows than before, which have no edges now.
        names: of records that came, went, or became something else.
    """

    paths: set[str] = field(default_factory=set[str])
    names: set[str] = field(default_factory=set[str])

    @property
    def is_much(self) -> bool:
        """Whether to resolve everything is better than to remember more."""
        return len(self.names) > MAX_NAMES or len(self.paths) > MAX_PATHS


def resolve(
    store: CozoStore, repo: str, changed: Changed | None = None, seen: SeenNames | None = None
) -> None:
    """Write the edges between the repo's records, those of a file replacing those it had.

    Reads source_files (for the language of a path), source_records and symbol_references, which
    must be complete. Held in memory are one page of references and MAX_TARGETS records' names.

    Args:
        changed: only files that changed, or refer to a name that did, are looked at.
        seen: all that the repo has, if it is whole.

    Raises:
        StoreError: when the database refuses a batch; those before it are committed.
    """
    if seen is not None and seen.whole:
        # What their files had went when they were written.
        pages = _pages(seen.references)
        _write_behind(store, (_edges(repo, page, seen, had_edges=False) for page in pages))
        return
    names = StoredNames(store, repo)
    if changed is None or changed.is_much:
        after: str | None = ""
        while after is not None:
            with store.held("read symbol_references") as held:
                rows, after = read_page(held, SYMBOL_REFERENCES, repo, after, _READ, PAGE_ROWS)
            _resolve_page(store, repo, rows, names)
        return
    paths = sorted(_affected(store, repo, changed))
    for start in range(0, len(paths), PATHS_A_PAGE):
        page = paths[start : start + PATHS_A_PAGE]
        _resolve_page(store, repo, _of_paths(store, repo, page), names)


def _write_behind(store: CozoStore, writes: Iterable["_Write"]) -> None:
    """Write each while the next one is found: the engine lets go of the interpreter."""
    with ThreadPoolExecutor(1) as writer:
        under_way: Future[Any] | None = None
        for write in writes:
            if under_way is not None:
                under_way.result()
            under_way = writer.submit(write.to, store)
        if under_way is not None:
            under_way.result()


def _pages(references: Mapping[str, list[Row]]) -> Iterator[dict[str, list[Row]]]:
    """Whole files in order, of some PAGE_ROWS rows together."""
    page: dict[str, list[Row]] = {}
    size = 0
    for path in sorted(references):
        page[path] = references[path]
        size += len(references[path])
        if size >= PAGE_ROWS:
            yield page
            page, size = {}, 0
    if page:
        yield page


def _affected(store: CozoStore, repo: str, changed: Changed) -> set[str]:
    """Files that changed, and those that refer to a name that did."""
    paths = set(changed.paths)
    if changed.names:
        quoted = [[json.dumps(name, ensure_ascii=False)] for name in changed.names]
        wanted = {"repo": repo, "names": quoted}
        rows = store.run("find who refers to changed names", _REFERRING, wanted)
        paths.update(row["path"] for row in rows)
    return paths


def _of_paths(store: CozoStore, repo: str, paths: list[str]) -> list[Row]:
    params = {"repo": repo, "paths": [[path] for path in paths]}
    return store.run("read symbol_references", _OF_PATHS, params) if paths else []


def _resolve_page(store: CozoStore, repo: str, rows: list[Row], names: Names) -> None:
    """Resolve the references of whole files, ordered by path."""
    by_path = {path: list(rows) for path, rows in groupby(rows, key=itemgetter("path"))}
    if by_path:
        _edges(repo, by_path, names).to(store)


def resolution(store: CozoStore | HeldStore, repo: str) -> Resolution:
    """What became of the repo's references when they were last resolved."""
    counts = store.run("count references", _COUNTS, {"repo": repo})
    found = {key: int(row[f"sum({key})"]) for row in counts for key in _OUTCOMES}
    return Resolution(**{key: found.get(key, 0) for key in _OUTCOMES})


@dataclass(frozen=True)
class _Write:
    """Edges and counts of some files, and what they replace."""

    script: str
    params: Mapping[str, Any]

    def to(self, store: CozoStore) -> None:
        store.run("write dependencies", self.script, self.params, write=True)


def _edges(
    repo: str, references: Mapping[str, list[Row]], names: Names, *, had_edges: bool = True
) -> _Write:
    """The edges and counts of these files, if they have any."""
    families = names.families(references)
    names.know(
        {name for rows in references.values() for row in rows for _, name, _ in row["names"]}
    )
    edges: dict[tuple[str, ...], None] = {}  # by path, almost in the order of the keys
    counts: list[list[str | int]] = []
    for path, rows in references.items():
        family = families.get(path, "")
        outcomes = dict.fromkeys(_OUTCOMES, 0)
        imported = {name for row in rows for kind, name, _ in row["names"] if kind == "import"}
        builtin = builtin_names(family)
        for row in rows:
            symbol = row["symbol"]
            for kind, name, _ in row["names"]:
                meanings = names.meanings(family, name)
                found: Target | bool = False
                if meanings:
                    is_imported = name in imported and bool(meanings.importable)
                    is_builtin = name in builtin and not is_imported
                    found = meant(kind, path, symbol, meanings, is_builtin=is_builtin)
                if isinstance(found, Target):
                    edges[repo, path, symbol, kind, found.path, found.symbol] = None
                    outcomes["resolved"] += 1
                else:
                    outcomes["ambiguous" if found else "external"] += 1
        counts.append([repo, path, *outcomes.values()])
    blocks = [f"{{ {removal(relation)} }}" for relation in RESOLVED] if had_edges else []
    params: dict[str, Any] = {
        "repo": repo,
        "replaced": [[path] for path in references],
        "edges": [list(edge) for edge in edges],
        "counts": counts,
    }
    if edges:
        blocks.append(DEPENDENCIES.put("edges"))
    blocks.append(REFERENCE_COUNTS.put("counts"))
    return _Write("\n".join(blocks), params)


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
