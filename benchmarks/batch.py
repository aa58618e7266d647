"""Twenty small repositories in a backfill: loads of the weights, and what is not the model.

Run: `.venv/bin/python benchmarks/batch.py [REPOSITORIES]`; needs `dobby models pull smollm2-135m`.
The backfill is what the UI's dialog launches, under `dagster dev` with its daemon. The
repositories hold real functions, those of gate_set/functions.jsonl. Overhead is the time but for
that in which the sessions had work: Dagster's daemon, steps and checks, starting the worker,
ingests, opening the database, loading the model.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import dagster as dg
import requests
from measure import ROOT, below, commit_all, told
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(ROOT))

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.inference.exposition import METRICS_FILE
from dobby_pipeline.logs import LOG_FILE
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.schema.relations import REPOS
from dobby_pipeline.sources.registry import Repo
from dobby_pipeline_tests.ui import dagster_dev

REPOSITORIES = 20
FUNCTIONS = 4
A_FILE = 2
LOOK_S = 1.0
LAUNCH = """
mutation($names: [String!]) { launchPartitionBackfill(backfillParams: {
  selector: {partitionSetName: "summarize_repo_partition_set",
             repositorySelector: {repositoryName: "__repository__",
                                  repositoryLocationName: "dobby"}},
  partitionNames: $names
}) { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""


@dataclass(frozen=True)
class Found:
    """What a backfill took.

    Attributes:
        seconds: from its launch until the last run's end.
        running: of them, since the first run's start.
        sessions: of them, with work for the model.
        memory: of all of Dagster's processes together at most, in MB.
        pauses: seconds between the end of a run and the start of the next.
    """

    seconds: float
    running: float
    sessions: float
    loads: int
    summaries: int
    memory: float
    pauses: list[float]


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


def registered(folder: Path, home: Path) -> list[str]:
    """All of them in the registry; their names."""
    store = CozoStore(home / "cozo")
    migrate(store)
    repos = [Repo(path.name, str(path), added_at="then") for path in sorted(folder.iterdir())]
    store.run("register", REPOS.put(), {"rows": REPOS.rows(map(vars, repos))}, write=True)
    return [repo.repo for repo in repos]


def backfill(names: list[str], home: Path) -> Found:
    """All of them in a backfill, as the UI launches it, until each has ended well."""
    env = {"DOBBY_DEVICE": "cpu", "DOBBY_MODEL": "smollm2-135m"}
    with (
        dagster_dev(home, env) as address,
        dg.DagsterInstance.from_config(str(home / "dagster")) as instance,
    ):
        instance.add_dynamic_partitions("repo", names)
        launched_at = time.time()
        tag = launched(address, names)
        memory = 0.0
        while len(runs := ended(instance, tag)) < len(names):
            memory = max(memory, group_memory(home))
            time.sleep(LOOK_S)
        assert all(run.dagster_run.is_success for run in runs)
    spans = sorted((run.start_time or 0.0, run.end_time or 0.0) for run in runs)
    made = CozoStore(home / "cozo").run(
        "count", "?[count(summary_key)] := *summary_bodies{summary_key}"
    )
    return Found(
        seconds=spans[-1][1] - launched_at,
        running=spans[-1][1] - spans[0][0],
        sessions=sessions_busy(home / "metrics" / METRICS_FILE),
        loads=loads(home / "logs" / LOG_FILE),
        summaries=made[0]["count(summary_key)"],
        memory=memory,
        pauses=[after[0] - before[1] for before, after in pairwise(spans)],
    )


def launched(address: str, names: list[str]) -> str:
    """The backfill's name, once the UI's server has it."""
    body = {"query": LAUNCH, "variables": {"names": names}}
    answer = requests.post(f"{address}/graphql", json=body, timeout=60).json()
    return answer["data"]["launchPartitionBackfill"]["backfillId"]


def ended(instance: dg.DagsterInstance, backfill_id: str) -> list[dg.RunRecord]:
    """Its runs that have come to an end."""
    runs = instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": backfill_id}))
    return [run for run in runs if run.dagster_run.is_finished]


def group_memory(home: Path) -> float:
    """MB that all processes of `dagster dev` hold, the worker among them; 0 before there is one."""
    command = ["ps", "-eo", "pgid=,rss=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    groups = {row[0] for row in rows if "warm_worker" in row[2] and str(home) in row[2]}
    return sum(int(row[1]) for row in rows if row[0] in groups) / 1000


def sessions_busy(metrics: Path) -> float:
    """Seconds with work for the sessions, of the worker's pool since its weights were loaded."""
    families = text_string_to_metric_families(metrics.read_text())
    samples = [sample for family in families for sample in family.samples]
    return sum(s.value for s in samples if s.name == "dobby_busy_seconds_total")


def loads(log: Path) -> int:
    """Times that a model was loaded."""
    return sum(json.loads(line)["event"] == "model loaded" for line in log.read_text().splitlines())


def main(count: int) -> None:
    """The backfill in a place of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        repositories(Path(scratch) / "repos", count)
        found = backfill(registered(Path(scratch) / "repos", home), home)
    name = f"a backfill of {count} repositories, {found.summaries} summaries"
    since_launch, since_start = (
        (seconds - found.sessions) / found.sessions for seconds in (found.seconds, found.running)
    )
    told(
        below(name, "times that the weights are loaded", found.loads, "", 3),
        below(name, "overhead a second of generation, from its launch", since_launch, "s", 0.2),
        below(name, "overhead a second of generation, from its first run", since_start, "s", 0.2),
        below(name, "peak memory of all processes", found.memory, "MB", 8_000),
    )
    pauses = ", ".join(f"{pause:.2f}" for pause in sorted(found.pauses))
    print(
        f"{found.seconds:.1f} s from the launch, {found.running:.1f} s from the first run's start, "
        f"of which {found.sessions:.1f} s of the model; between runs {pauses} s",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORIES)
