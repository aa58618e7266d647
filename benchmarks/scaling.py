"""A Cozo server against the embedded database, and Celery's workers against Dagster's own runs.

Run: `.venv/bin/python benchmarks/scaling.py [store] [flow]`. `flow` runs 20 repositories; it needs
redis-server and the extras dev and distributed. Its model always says the same sentence, so that
what is measured is everything but generation.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
from measure import ROOT, at_least, at_most, needs, told

sys.path.insert(0, str(ROOT))

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.inference.models.manifests import load_manifest
from dobby_pipeline.inference.models.pull import pull
from dobby_pipeline_tests.celery_site import Site, site
from dobby_pipeline_tests.conftest import commit_files
from dobby_pipeline_tests.cozo.server import CozoServer
from dobby_pipeline_tests.inference.tiny_model import write_manifest, write_sentence_model

ROWS = 500
BATCHES = 40
LOOKUPS = 1000
RUNS_AT_ONCE = 4  # dagster.yaml's max_concurrent_runs
REPOS = [f"repo{number:02}" for number in range(20)]

WORK = """
import sys, time
from pathlib import Path
from dobby_pipeline.cozo.store import CozoStore
path, url, auth, who, what, batches, size = sys.argv[1:8]
store = CozoStore(Path(path), url, auth)
start = time.perf_counter()
for batch in range(int(batches)):
    first = batch * int(size)
    if what == "write":
        rows = [[who, k, "x" * 1500] for k in range(first, first + int(size))]
        store.run("put", "?[w, k, v] <- $rows :put s {w, k => v}", {"rows": rows}, write=True)
    else:
        bound = {"w": who, "first": first, "last": first + int(size)}
        script = "?[k, v] := *s{w: $w, k, v}, k >= $first, k < $last"
        assert len(store.run("page", script, bound)) == int(size)
print(time.perf_counter() - start)
"""


def store() -> None:
    """Rows a second, of one process and of four at once.

    On one machine the embedded database should be no reason to move to a server.
    """
    for processes in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            embedded = _rates(processes, Path(folder) / "cozo", "", "")
        with (
            tempfile.TemporaryDirectory() as folder,
            CozoServer(Path(folder), "a token") as server,
        ):
            served = _rates(processes, Path(folder) / "unused", server.url, "a token")
        name = f"embedded database, {processes} processes"
        for what, unit in (("written", "rows/s"), ("read", "rows/s"), ("looked up", "a second")):
            told(at_least(name, what, embedded[what], unit, "the server", served[what], 0.5))


def _rates(processes: int, path: Path, url: str, auth: str) -> dict[str, float]:
    CozoStore(path, url, auth).run(
        "create", "{:create s {w: String, k: Int => v: String}}", write=True
    )
    rows = processes * BATCHES * ROWS
    where = [path, url, auth]
    return {
        "written": rows / _together(processes, where, ["write", BATCHES, ROWS]),
        "read": rows / _together(processes, where, ["read", BATCHES, ROWS]),
        "looked up": processes * LOOKUPS / _together(processes, where, ["read", LOOKUPS, 1]),
    }


def _together(processes: int, where: list[object], what: list[object]) -> float:
    """The slowest of the processes' seconds, each without its start."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, *map(str, [*where, f"w{number}", *what])],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    return max(float(process.communicate()[0]) for process in started)


def flow() -> None:
    """Seconds for 20 repositories of 4 functions each, 4 runs at once."""
    needs(shutil.which("redis-server"), "redis-server")
    with tempfile.TemporaryDirectory() as folder:
        env = _model(Path(folder))
        with site(_new(folder, "own"), env) as found:
            _register(found, Path(folder) / "own")
            found.env.pop("DOBBY_CELERY_CONFIG")
            alone = _run_all(found)
        with site(_new(folder, "celery"), env) as found:
            _register(found, Path(folder) / "celery")
            with found.worker("ingest"), found.worker("gpu"):
                celery = _run_all(found)
    name = f"{len(REPOS)} repositories on two Celery workers"
    told(at_most(name, "time", celery, "s", "each run by itself", alone, 1.5))


def _new(folder: str, name: str) -> Path:
    place = Path(folder) / name
    place.mkdir()
    return place


def _model(folder: Path) -> dict[str, str]:
    models = folder / "models"
    models.mkdir()
    os.environ["DOBBY_MODELS"] = str(models)
    write_sentence_model(models / "sources" / "sentence")
    write_manifest(models, "sentence", models / "sources" / "sentence")
    pull(load_manifest("sentence"))
    return {"DOBBY_MODEL": "sentence", "DOBBY_DEVICE": "cpu"}


def _register(found: Site, place: Path) -> None:
    for repo in REPOS:
        files = {
            f"{name}.py": f"def {name}_{repo}(x):\n    return x\n" for name in ("a", "b", "c", "d")
        }
        commit_files(place / repo, files)
        found.dobby("repos", "add", repo, place / repo)
    with dg.DagsterInstance.from_config(found.env["DAGSTER_HOME"]) as instance:
        instance.add_dynamic_partitions("repo", REPOS)


def _run_all(found: Site) -> float:
    def finish(repo: str) -> int:
        run = found.run("summarize_repo", repo)
        run.communicate()
        return run.returncode

    start = time.perf_counter()
    with ThreadPoolExecutor(RUNS_AT_ONCE) as runs:
        failed = sum(map(bool, runs.map(finish, REPOS)))
    seconds = time.perf_counter() - start
    rows = [json.loads(line) for line in found.dobby("status", "--json").splitlines()]
    done = sum(row["symbol"]["published"] for row in rows)
    assert (failed, done) == (0, 4 * len(REPOS)), (failed, done)
    return seconds


if __name__ == "__main__":
    for benchmark in sys.argv[1:] or ["store", "flow"]:
        {"store": store, "flow": flow}[benchmark]()
