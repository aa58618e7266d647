"""Which records a run with a limit takes: of the files that others rely on most, for their size.

In the order of paths a limit would show whatever folder comes first. Not here: what is done with
them (work.py).
"""

from itertools import accumulate

from dobby_pipeline.cozo.store import CozoStore

_SIZES = "?[path, count(symbol)] := *source_records{repo: $repo, path, symbol}"

_RELIED_ON = """
?[to_path, kind, count_unique(path)] :=
    *dependencies{repo: $repo, path, kind, to_path}, path != to_path
"""


def taken(store: CozoStore, repo: str, limit: int) -> frozenset[int]:
    """The positions of the records that a limit takes, among all of the repository in key order.

    Files stand in the order of how many others import them, for each of their records, then of how
    many call them, then of their paths; records of a file as in key order. So what a limit takes, a
    higher one takes too, most files are taken whole and have a summary of their own, and small
    files that all others need come first. Calls count last, as a method is found by its name alone.

    Two scans of keys, without code.

    Raises:
        StoreError: when the database cannot be read.
    """
    params = {"repo": repo}
    sizes = store.run("count records of files", _SIZES, params)
    records = {row["path"]: row["count(symbol)"] for row in sizes}
    rows = store.run("count what files rely on", _RELIED_ON, params)
    relying = {(row["to_path"], row["kind"]): row["count_unique(path)"] for row in rows}

    def rank(path: str) -> tuple[float, float, str]:
        imports, calls = (relying.get((path, kind), 0) for kind in ("import", "call"))
        return -imports / records[path], -calls / records[path], path

    paths = sorted(records)  # as the keys are
    ends = accumulate(records[path] for path in paths)
    firsts = {path: end - records[path] for path, end in zip(paths, ends, strict=True)}
    positions: list[int] = []
    for path in sorted(paths, key=rank):
        if len(positions) >= limit:
            break
        positions += range(firsts[path], firsts[path] + records[path])
    return frozenset(positions[:limit])
