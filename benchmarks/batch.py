"""Twenty small repositories in one batch: loads of the weights, and what is not the model.

Run: `.venv/bin/python benchmarks/batch.py [REPOSITORIES]`; needs `dobby models pull smollm2-135m`.
The repositories hold real functions, those of gate_set/functions.jsonl. Overhead is the job's time
but for that in which the sessions had work: Dagster's steps and checks, ingests, opening the
database, loading the model.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

from measure import ROOT, below, commit_all, in_child, told

REPOSITORIES = 20
FUNCTIONS = 4
A_FILE = 2
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


def repositories(folder: Path, count: int) -> None:
    """Repositories of FUNCTIONS functions each, no function twice."""
    lines = (Path(__file__).parent / "gate_set" / "functions.jsonl").read_text("utf-8").splitlines()
    codes = [row["code"] for row in map(json.loads, lines) if row["language"] == "python"]
    for number in range(count):
        own = codes[number * FUNCTIONS : (number + 1) * FUNCTIONS]
        repo = folder / f"r{number:02}"
        repo.mkdir(parents=True)
        for start in range(0, len(own), A_FILE):
            text = "\n\n\n".join(own[start : start + A_FILE])
            (repo / f"m{start // A_FILE}.py").write_text(f"{text}\n", "utf-8")
        commit_all(repo)


def batch(folder: Path, home: Path) -> dict[str, float]:
    """The job over all of them: seconds in all and of the sessions, pools opened, records."""
    os.environ |= {"DOBBY_HOME": str(home), "DOBBY_DEVICE": "cpu", "DOBBY_MODEL": "smollm2-135m"}
    import dagster as dg

    from dobby_pipeline.cozo.store import CozoStore
    from dobby_pipeline.definitions import build_defs
    from dobby_pipeline.inference import resource
    from dobby_pipeline.inference.pool import SessionPool
    from dobby_pipeline.schema.migrations import migrate
    from dobby_pipeline.schema.relations import REPOS
    from dobby_pipeline.sources.registry import Repo

    opened: list[SessionPool] = []

    class Counted(SessionPool):
        """A pool that is remembered."""

        def __init__(self, *args: Any, **options: Any) -> None:
            opened.append(self)
            super().__init__(*args, **options)

    resource.SessionPool = Counted
    store = CozoStore(home / "cozo")
    migrate(store)
    repos = [Repo(path.name, str(path), added_at="then") for path in sorted(folder.iterdir())]
    store.run("register", REPOS.put(), {"rows": REPOS.rows(map(vars, repos))}, write=True)
    (home / "dagster").mkdir()
    (home / "dagster" / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        job = build_defs().resolve_job_def("summarize_many")
        start = time.perf_counter()
        assert job.execute_in_process(instance=instance, run_config=QUIET).success
        seconds = time.perf_counter() - start
    made = store.run("count", "?[count(summary_key)] := *summary_bodies{summary_key}")
    return {
        "seconds": seconds,
        "sessions": sum(pool.stats().seconds for pool in opened),
        "loads": len(opened),
        "summaries": made[0]["count(summary_key)"],
        # Its own alone: a git that it calls begins as a copy of it, which takes no memory.
        "peak": getrusage(RUSAGE_SELF).ru_maxrss / 1000,
    }


def main(count: int) -> None:
    """The batch in a process of its own, as a run has one."""
    with tempfile.TemporaryDirectory() as scratch:
        repositories(Path(scratch) / "repos", count)
        found, _ = in_child(batch, Path(scratch) / "repos", Path(scratch))
    name = f"a batch of {count} repositories, {found['summaries']} summaries"
    overhead = found["seconds"] - found["sessions"]
    told(
        below(name, "times that the weights are loaded", found["loads"], "", 3),
        below(name, "overhead a second of generation", overhead / found["sessions"], "s", 0.2),
        below(name, "peak memory", found["peak"], "MB", 8_000),
    )
    seconds = f"{found['seconds']:.1f} s, of which {found['sessions']:.1f} s of the model"
    print(seconds, file=sys.stderr)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORIES)
