"""A plan that finds nothing to do, on 25,000, 50,000 and 100,000 records: seconds and memory.

Run: `.venv/bin/python benchmarks/planning.py [RECORDS…]`. Each size has a process of its own, which
plans all levels: each symbol, file and directory, and the repository, is found to have its summary.
"""

import sys
import tempfile
import time
from pathlib import Path

from generated import LEVELS, Levels, fill, write_repository
from measure import at_most, below, in_child, told

SIZES = (25_000, 50_000, 100_000)
SECONDS = 10
GROWTH = 1.3
"""Of the time a record, and of the memory, from the smallest repository to the largest: the tree of
the files' texts is held, some 300 bytes a file."""


def plan(home: Path) -> dict[str, float]:
    """Seconds of planning each level, and of the processor for all of them."""
    from dobby_pipeline.summaries.work import Work

    levels, seconds = Levels(home, Work), dict[str, float]()
    begun = time.process_time()
    for level in LEVELS:
        start = time.perf_counter()
        _, batches = levels.batches(level)
        for _ in batches:
            pass
        seconds[level] = time.perf_counter() - start
    return {**seconds, "all": sum(seconds.values()), "cpu": time.process_time() - begun}


def main(sizes: tuple[int, ...]) -> None:
    """Fill a store of each size, then plan it."""
    results = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            folder, home = Path(scratch) / "repo", Path(scratch) / "cozo"
            write_repository(folder, size)
            in_child(fill, folder, home)
            results[size] = in_child(plan, home)
    first, last = min(sizes), max(sizes)
    (least, least_mb), (most, most_mb) = results[first], results[last]
    name, peer = f"planning {last} records with nothing to do", f"{first} records"
    for size, (seconds, megabytes) in results.items():
        shown = ", ".join(f"{what} {value:.2f} s" for what, value in seconds.items())
        print(f"{size} records: {shown}, {megabytes:.0f} MB", file=sys.stderr)
    told(
        below(name, "time", most["all"], "s", SECONDS),
        below(name, "processor time", most["cpu"], "s", SECONDS),
        at_most(name, "processor time a record", 1e3 * most["cpu"] / last, "ms", peer,
                1e3 * least["cpu"] / first, GROWTH),
        at_most(name, "peak memory", most_mb, "MB", peer, least_mb, GROWTH),
    )  # fmt: skip


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)
