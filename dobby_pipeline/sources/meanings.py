"""Which record of a repo a name means, where the name tells.

Not here: which names are asked about, and the edges that come of it (resolve.py). Names are all
that is compared, there are no types: what is not certain by name gives no edge.

What a name can mean:
  - A call means a record of its own file first, then one of another file. Exactly one of them
    must have the name. A method that calls its own name means another object's, more often than
    not, and gives no edge. Neither does a name that the language itself has (`items`, `append`),
    unless it is a function that the file imports: of 14,000 edges of networkx 1,100 led from dicts
    and lists to methods of one class, while 39 calls such as `nx.center()` lose theirs.
  - An import means a record of another file, and no method.
  - Records of languages that cannot call each other do not count.
  - A record inside a function counts in its own file only.
  - A constructor, or whatever else has the name of the record around it, stands behind that one.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.schema.relations import SOURCE_FILES, SOURCE_RECORDS, SYMBOL_REFERENCES

MAX_TARGETS = 50_000
"""Records whose names are remembered from page to page, some 0.5 kB each; then none is."""

MAX_SEEN = 80_000
"""Files, symbols and names that are kept until they are resolved, some 0.2 kB each. Of networkx
(900 files) there are 60,000."""

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

# Languages that share their symbols; any other stands by itself.
_FAMILIES = {
    "cpp": "c",
    "kotlin": "java",
    "scala": "java",
    "tsx": "javascript",
    "typescript": "javascript",
}
_FUNCTIONS = ("function", "method")
_LAST_PART = re.compile(r"(?:\.|::)[^.:]*$")

SymbolKey = tuple[str, str]
"""The path and the symbol of a record."""


class Target(NamedTuple):
    """A record that a name may mean; a local one stands inside a function."""

    path: str
    symbol: str
    is_method: bool
    is_local: bool


class Meanings(NamedTuple):
    """The records of one name, sorted by path; `anywhere` and `importable` for other files."""

    all: Sequence[Target]
    anywhere: Sequence[Target]
    importable: Sequence[Target]


class Names(Protocol):
    """The records of a repo by their names."""

    def families(self, paths: Iterable[str]) -> Mapping[str, str]:
        """By path, in which languages a name is looked for there."""
        ...

    def know(self, names: set[str]) -> None:
        """Look up the records of these names, as far as they are not known."""
        ...

    def meanings(self, family: str, name: str) -> Meanings | None:
        """What a known name can mean in these languages."""
        ...


@dataclass
class StoredNames:
    """As Names, looked up in the store as they are needed."""

    store: CozoStore
    repo: str
    _known: dict[str, dict[str, Meanings]] = field(
        default_factory=dict[str, dict[str, Meanings]], init=False
    )
    _targets: int = field(default=0, init=False)

    def families(self, paths: Iterable[str]) -> Mapping[str, str]:
        """As Names.families."""
        params = {"repo": self.repo, "paths": [[path] for path in paths]}
        rows = self.store.run("read languages of source_files", _LANGUAGES, params)
        return {row["path"]: _family(row["language"]) for row in rows}

    def know(self, names: set[str]) -> None:
        """As Names.know."""
        if self._targets > MAX_TARGETS:
            self._known, self._targets = {}, 0
        unknown = names - self._known.keys()
        params = {"repo": self.repo, "names": [[name] for name in sorted(unknown)]}
        rows = self.store.run("read names of source_records", _NAMED, params) if unknown else []
        locals_ = self._locals(rows)
        found: dict[str, dict[str, list[Target]]] = {name: {} for name in unknown}
        for row in rows:
            key = (row["path"], row["symbol"])
            target = Target(*key, row["kind"] == "method", key in locals_)
            found[row["name"]].setdefault(_family(row["language"]), []).append(target)
        self._targets += len(rows)
        for name, families in found.items():
            self._known[name] = {family: _meanings(all_) for family, all_ in families.items()}

    def meanings(self, family: str, name: str) -> Meanings | None:
        """As Names.meanings."""
        return self._known[name].get(family)

    def _locals(self, rows: list[Row]) -> set[SymbolKey]:
        """Those of the records that stand inside a function."""
        around: dict[SymbolKey, SymbolKey] = {}
        for row in rows:
            outer = _LAST_PART.sub("", row["symbol"])
            if outer != row["symbol"]:
                around[row["path"], row["symbol"]] = (row["path"], outer)
        params = {"repo": self.repo, "keys": [list(key) for key in sorted({*around.values()})]}
        kinds = self.store.run("read kinds of source_records", _KINDS, params) if around else []
        functions = {(row["path"], row["symbol"]) for row in kinds if row["kind"] in _FUNCTIONS}
        return {key for key, outer in around.items() if outer in functions}


@dataclass
class SeenNames:
    """As Names, of what was written just now, as long as it is little.

    A first ingest need not read again what it wrote.

    Attributes:
        whole: whether it is of all files of the repo.
        references: by path, the symbols with the names that they refer to.
    """

    whole: bool = True
    references: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]], init=False)
    _families: dict[str, str] = field(default_factory=dict[str, str], init=False)
    _records: dict[str, list[list[Any]]] = field(
        default_factory=dict[str, list[list[Any]]], init=False
    )
    _functions: set[SymbolKey] = field(default_factory=set[SymbolKey], init=False)
    _known: dict[str, dict[str, Meanings]] = field(
        default_factory=dict[str, dict[str, Meanings]], init=False
    )
    _kept: int = field(default=0, init=False)

    def add(self, rows: Mapping[str, list[list[Any]]]) -> None:
        """Remember what is written, by relation; nothing at all once it is too much."""
        if not self.whole:
            return
        for _, path, _, _, language, *_ in rows.get(SOURCE_FILES.name, ()):
            self._families[path] = _family(language)
            self._kept += 1
        for _, path, symbol, names in rows.get(SYMBOL_REFERENCES.name, ()):
            self.references.setdefault(path, []).append({"symbol": symbol, "names": names})
            self._kept += 1 + len(names)
        for _, path, symbol, name, kind, language, *_ in rows.get(SOURCE_RECORDS.name, ()):
            self._records.setdefault(name, []).append([path, symbol, kind, language])
            self._kept += 2
            if kind in _FUNCTIONS:
                self._functions.add((path, symbol))
        if self._kept > MAX_SEEN:
            self.forget()

    def forget(self) -> None:
        """What was seen is not everything, or too much."""
        self.whole = False
        self.references, self._families, self._records = {}, {}, {}
        self._functions = set()

    def families(self, paths: Iterable[str]) -> Mapping[str, str]:
        """As Names.families."""
        del paths
        return self._families

    def know(self, names: set[str]) -> None:
        """As Names.know."""
        for name in names - self._known.keys():
            found: dict[str, list[Target]] = {}
            for path, symbol, kind, language in self._records.get(name, ()):
                outer = _LAST_PART.sub("", symbol)
                is_local = outer != symbol and (path, outer) in self._functions
                target = Target(path, symbol, kind == "method", is_local)
                found.setdefault(_family(language), []).append(target)
            self._known[name] = {family: _meanings(all_) for family, all_ in found.items()}

    def meanings(self, family: str, name: str) -> Meanings | None:
        """As Names.meanings."""
        return self._known[name].get(family)


def _family(language: str) -> str:
    return _FAMILIES.get(language, language)


def _meanings(targets: list[Target]) -> Meanings:
    symbols = {target.symbol for target in targets}
    outer = sorted(
        target
        for target in targets
        if (around := _LAST_PART.sub("", target.symbol)) == target.symbol or around not in symbols
    )
    anywhere = [target for target in outer if not target.is_local]
    return Meanings(outer, anywhere, [target for target in anywhere if not target.is_method])


def meant(
    kind: str, path: str, symbol: str, meanings: Meanings, *, is_builtin: bool = False
) -> Target | bool:
    """What the reference leads to; True when it can be several records, False when none.

    Args:
        is_builtin: whether it can be something of the language as well.
    """
    if kind == "import":
        targets = meanings.importable
        first, last = _of_path(targets, path)
        others = len(targets) - (last - first)
        return targets[0 if first else last] if others == 1 else others > 1
    targets = meanings.all
    first, last = _of_path(targets, path)
    if last == first:
        others = len(meanings.anywhere)
        return meanings.anywhere[0] if others == 1 and not is_builtin else others > 0
    target = targets[first]
    delegates = target.is_method and target.symbol == symbol
    return True if last - first > 1 or delegates else target


def _of_path(targets: Sequence[Target], path: str) -> tuple[int, int]:
    """The range of the targets that lie in the file `path`.

    Compared as tuples, which takes no call for each; NUL is in no path and sorts before all.
    """
    first = bisect_left(targets, (path,))
    return first, bisect_left(targets, (f"{path}\0",), first)
