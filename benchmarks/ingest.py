"""The ingest against universal-ctags, against itself on a second look, and as a repo grows.

Run: `.venv/bin/python benchmarks/ingest.py [networkx] [growth]`; needs `ctags` for the first.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import at_most, below, commit_all, in_child, needs, sdist, told

NETWORKX = "3.4.2"
TURNS = 5
SMALL, LARGE = 10_000, 100_000


def ingest(folder: Path, home: Path, run: str, repo: str = "bench") -> float:
    """Seconds of one ingest of HEAD into a store, imports and Dagster left out."""
    from dobby_pipeline.cozo.partition import write_partition
    from dobby_pipeline.cozo.store import CozoStore
    from dobby_pipeline.schema.migrations import migrate
    from dobby_pipeline.schema.relations import SOURCE_RECORDS
    from dobby_pipeline.sources.git_tree import open_repository, resolve_commit
    from dobby_pipeline.sources.ingest import Ingest
    from dobby_pipeline.sources.reader import GitSource

    store = CozoStore(home)
    migrate(store)
    start = time.perf_counter()
    repository = open_repository(folder)
    source = GitSource(repository, resolve_commit(repository, "HEAD"))
    batches = Ingest(store, repo, run, source, lambda _: None).batches()
    write_partition(store, SOURCE_RECORDS, repo, run, batches, whole=batches.whole)
    batches.finish()
    return time.perf_counter() - start


def looks(folder: Path, home: Path) -> dict[str, float]:
    """Seconds of a first ingest, of one of the same commit, and of one changed file."""
    times = {"first": ingest(folder, home, "first"), "repeat": ingest(folder, home, "repeat")}
    changed = next(folder.rglob("digraph.py"))
    changed.write_text(changed.read_text() + "\n\ndef added():\n    return 1\n")
    commit_all(folder)
    times["one changed file"] = ingest(folder, home, "changed")
    return times


def networkx() -> None:
    """One repository of 900 files: against ctags, then again, then with one changed file.

    Of the first ingest and of ctags, turn by turn, the best counts.
    """
    needs(shutil.which("ctags"), "universal-ctags beside it")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "networkx"
        shutil.copytree(sdist("networkx", NETWORKX), folder)
        ctags, firsts = list[float](), list[float]()
        for turn in range(TURNS):
            ctags.append(_ctags(folder))
            seconds, _ = in_child(ingest, folder, Path(scratch) / f"cozo-{turn}", "first")
            firsts.append(seconds)
        times, peak = in_child(looks, folder, Path(scratch) / "cozo")
    name = f"ingest networkx {NETWORKX}"
    first, again, one = times["first"], times["repeat"], times["one changed file"]
    told(
        at_most(name, "first ingest", min(firsts), "s", "universal-ctags", min(ctags), 10),
        at_most(name, "same commit again", again, "s", "first ingest", first, 0.05),
        at_most(name, "one changed file", one, "s", "first ingest", first, 0.1),
        below(name, "peak memory", peak, "MB", 1000),
    )


def _ctags(folder: Path) -> float:
    files = subprocess.run(["git", "ls-files"], cwd=folder, capture_output=True, check=True).stdout
    start = time.perf_counter()
    command = ["ctags", "-L", "-", "-f", str(folder.parent / "tags")]
    subprocess.run(command, input=files, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def growth() -> None:
    """Ten times the files: ten times the time, and the same memory."""
    results = {}
    for count in (SMALL, LARGE):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "many"
            _many_files(folder, count)
            results[count] = in_child(ingest, folder, Path(scratch) / "cozo", "first")
    (small_s, small_mb), (large_s, large_mb) = results[SMALL], results[LARGE]
    name, peer = f"ingest {LARGE} small files", f"{SMALL} files"
    told(
        at_most(name, "time a file", 1e3 * large_s / LARGE, "ms", peer, 1e3 * small_s / SMALL, 1.5),
        at_most(name, "peak memory", large_mb, "MB", peer, small_mb, 1.5),
    )


def _many_files(folder: Path, count: int) -> None:
    for index in range(count):
        file = folder / f"d{index // 1000:03}" / f"f{index % 1000:03}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"def f{index}(x):\n    return f{(index * 7) % count}(x) + {index}\n")
    commit_all(folder)


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["growth", "networkx"]
    for benchmark in chosen:
        {"networkx": networkx, "growth": growth}[benchmark]()
