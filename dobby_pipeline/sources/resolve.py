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

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from dobby_pipeline.cozo.partition import page_borders, remove_stale
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.schema.relations import DEPENDENCIES, SYMBOL_REFERENCES

REFERENCES_A_BATCH = 20_000
"""References a transaction. Each transaction reads the names of all the repo's records: 8,000 of
them take 0.1 s, and 20,000 references half a second."""

# Languages that share their symbols; any other stands by itself.
_FAMILIES = {
    "cpp": "c",
    "kotlin": "java",
    "scala": "java",
    "tsx": "javascript",
    "typescript": "javascript",
}
# From the last separator of a qualified name to its end.
_LAST_PART = r"(\.|::)[^.:]*$"

_RULES = """
    reference[path, symbol, kind, name, family] :=
        *symbol_references{repo: $repo, path, symbol, kind, name},
        path >= $first, path <= $last,
        *source_files{repo: $repo, path, language}, family = get($families, language, language)
    wanted[family, name] := reference[_, _, _, name, family]

    named[family, name, path, symbol, kind] :=
        *source_records{repo: $repo, path, symbol, name, kind, language},
        family = get($families, language, language), wanted[family, name]
    around[path, symbol, outer] :=
        named[_, _, path, symbol, _], outer = regex_replace(symbol, $last_part, ''),
        outer != symbol
    spelled[family, name, symbol] := named[family, name, _, symbol, _]
    namesake[path, symbol] :=
        named[family, name, path, symbol, _], around[path, symbol, outer],
        spelled[family, name, outer]
    inside[path, symbol] :=
        around[path, symbol, outer], *source_records{repo: $repo, path, symbol: outer, kind},
        is_in(kind, ['function', 'method'])

    candidate[family, name, path, symbol, kind] :=
        named[family, name, path, symbol, kind], not namesake[path, symbol]
    open[family, name, path, symbol, kind] :=
        candidate[family, name, path, symbol, kind], not inside[path, symbol]
    importable[family, name, path, symbol] :=
        open[family, name, path, symbol, kind], kind != 'method'

    here[family, name, path, count(symbol)] := candidate[family, name, path, symbol, _]
    anywhere[family, name, count(symbol)] := open[family, name, _, symbol, _]
    import_here[family, name, path, count(symbol)] := importable[family, name, path, symbol]
    import_anywhere[family, name, count(symbol)] := importable[family, name, _, symbol]

    edge[path, symbol, kind, name, path, to_symbol] :=
        reference[path, symbol, kind, name, family], kind != 'import',
        here[family, name, path, 1], candidate[family, name, path, to_symbol, to_kind],
        to_symbol != symbol || to_kind != 'method'
    edge[path, symbol, kind, name, to_path, to_symbol] :=
        reference[path, symbol, kind, name, family], kind != 'import',
        not here[family, name, path, _],
        anywhere[family, name, 1], open[family, name, to_path, to_symbol, _]
    edge[path, symbol, kind, name, to_path, to_symbol] :=
        reference[path, symbol, kind, name, family], kind == 'import',
        import_anywhere[family, name, 1],
        importable[family, name, to_path, to_symbol], to_path != path
    edge[path, symbol, kind, name, to_path, to_symbol] :=
        reference[path, symbol, kind, name, family], kind == 'import',
        import_anywhere[family, name, 2], import_here[family, name, path, 1],
        importable[family, name, to_path, to_symbol], to_path != path

    known[path, symbol, kind, name] :=
        reference[path, symbol, kind, name, family], kind != 'import', here[family, name, path, _]
    known[path, symbol, kind, name] :=
        reference[path, symbol, kind, name, family], kind != 'import', anywhere[family, name, _]
    known[path, symbol, kind, name] :=
        reference[path, symbol, kind, name, family], kind == 'import',
        import_anywhere[family, name, all], not import_here[family, name, path, _]
    known[path, symbol, kind, name] :=
        reference[path, symbol, kind, name, family], kind == 'import',
        import_anywhere[family, name, all], import_here[family, name, path, own], all > own
"""

_SCRIPT = f"""
{{{_RULES}
    decided[path, symbol, kind, name] := edge[path, symbol, kind, name, _, _]
    ?[path, symbol, kind, name, outcome, to_path, to_symbol] :=
        edge[path, symbol, kind, name, to_path, to_symbol], outcome = 'resolved'
    ?[path, symbol, kind, name, outcome, to_path, to_symbol] :=
        known[path, symbol, kind, name], not decided[path, symbol, kind, name],
        outcome = 'ambiguous', to_path = '', to_symbol = ''
    ?[path, symbol, kind, name, outcome, to_path, to_symbol] :=
        *symbol_references{{repo: $repo, path, symbol, kind, name}},
        path >= $first, path <= $last, not known[path, symbol, kind, name],
        outcome = 'external', to_path = '', to_symbol = ''
    :create _outcome {{path, symbol, kind, name => outcome, to_path, to_symbol}}
}}
{{
    ?[{", ".join(DEPENDENCIES.columns)}] :=
        *_outcome{{path, symbol, kind, outcome: 'resolved', to_path, to_symbol}},
        repo = $repo, run = $run
    :put dependencies {{{", ".join(DEPENDENCIES.keys)} => run}}
}}
{{
    ?[outcome, count(name)] := *_outcome{{path, symbol, kind, name, outcome}}
}}
"""

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


def resolve(
    store: CozoStore, repo: str, run: str, batch_references: int = REFERENCES_A_BATCH
) -> Resolution:
    """Write the edges between the repo's records, and remove those that no longer hold.

    Reads source_files (for the language of a path), source_records and symbol_references, which
    must be complete. A run that dies in the middle removes nothing.

    Raises:
        StoreError: when the database refuses a batch; those before it are committed.
    """
    outcomes: Counter[str] = Counter()
    params = {"repo": repo, "run": run, "families": _FAMILIES, "last_part": _LAST_PART}
    for first, last in page_borders(store, SYMBOL_REFERENCES, repo, batch_references):
        borders = {"first": first, "last": last}
        rows = store.run("resolve references", _SCRIPT, {**params, **borders}, write=True)
        outcomes.update({row["outcome"]: row["count(name)"] for row in rows})
    remove_stale(store, DEPENDENCIES, repo, run)
    return Resolution(
        outcomes.total(), outcomes["resolved"], outcomes["ambiguous"], outcomes["external"]
    )


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
