"""Up to 100,000 records of one repository through all assets: seconds, memory, the UI's answers.

Run: `.venv/bin/python benchmarks/large.py [RECORDS…]`; 25,000, 50,000 and 100,000 take a quarter of
an hour on two cores. The run is Dagster's, in a process of its own for each size, with all checks;
what stands in is the model, at the session pool's border. While the largest one is under way, and
after it, a real webserver is asked for what the page of an asset shows.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import requests
from generated import REPO, write_repository
from measure import ROOT, at_most, below, in_child, told

SIZES = (25_000, 50_000, 100_000)
MEMORY_MB = 2_000
ANSWER_S = 2
LINEAR = 1.3
"""Of the processor's time a record, from the smallest repository to the largest."""

ASK_EVERY_S = 5
BESIDE_S = 0.05
"""Of the processor, as an answer takes: a loop of so much beside each tells what waits for us, and
what for the machine."""

PAGE = """
query Asset($key: AssetKeyInput!, $partition: String!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode {
    id isMaterializable description
    partitionStats { numMaterialized numFailed numPartitions }
    assetMaterializations(limit: 100, partitions: [$partition]) {
      runId timestamp partition
      metadataEntries { label description __typename
        ... on MarkdownMetadataEntry { mdStr } ... on IntMetadataEntry { intValue }
        ... on FloatMetadataEntry { floatValue } ... on TextMetadataEntry { text } } }
    assetChecksOrError { ... on AssetChecks { checks {
      name executionForLatestMaterialization { status evaluation { success description } } } } } } }
}
"""

EVENTS = """
query Events($run: ID!) {
  logsForRun(runId: $run, limit: 1000) { ... on EventConnection {
    hasMore events { __typename ... on MessageEvent { message timestamp } } } }
}
"""

_ASSETS = ("source_records", "symbol_summaries", "file_summaries", "repo_summary")


class SayingPool:
    """A sentence for each request, at once; the gate lets it pass."""

    device = "cpu"
    sessions = 20

    def generate(self, requests: Iterator[Any]) -> Iterator[Any]:
        """One completion after another, each of another text."""
        from dobby_pipeline.inference.requests import Completion

        for request in requests:
            said = f"It adds values above a limit to the total, in case {request.request_id[:12]}."
            yield Completion(request.request_id, said, "stop", 100, 12, 1.0, -0.1)


def summarize(folder: Path, home: Path) -> dict[str, float]:
    """One run of the job `summarize_repo`; seconds by the clock and of the processor."""
    import dagster as dg

    os.environ |= {"DOBBY_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    from dobby_pipeline.cozo.resource import CozoResource
    from dobby_pipeline.definitions import build_defs
    from dobby_pipeline.inference.resource import MlxSessionsResource
    from dobby_pipeline.schema.migrations import migrate
    from dobby_pipeline.schema.relations import REPOS
    from dobby_pipeline.sources.registry import Repo
    from dobby_pipeline.summaries import assets

    cozo = CozoResource(home=str(home))
    migrate(cozo.store())
    repo = Repo(REPO, str(folder), added_at="now")
    rows = REPOS.rows([vars(repo)])
    cozo.store().run("register", REPOS.put(), {"rows": rows}, write=True)
    # The pool and the weights' revision are all that the assets ask of a model.
    pool = SayingPool()
    MlxSessionsResource.pool_of = lambda _, __: pool  # type: ignore[assignment]
    assets.fetched_revision = lambda _: "1"
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        instance.add_dynamic_partitions("repo", [REPO])
        job = build_defs().resolve_job_def("summarize_repo")
        start, begun = time.perf_counter(), time.process_time()
        done = job.execute_in_process(instance=instance, partition_key=REPO)
        seconds = {"run": time.perf_counter() - start, "cpu": time.process_time() - begun}
        assert done.success
        steps = {stats.step_key: stats for stats in instance.get_run_step_stats(done.run_id)}
    for name, stats in steps.items():
        seconds[name] = (stats.end_time or 0) - (stats.start_time or 0)
    return seconds


@contextlib.contextmanager
def webserver(home: Path) -> Iterator[str]:
    """A webserver on the run's instance; yields its address."""
    port = 3900 + os.getpid() % 1000
    command = [str(Path(sys.executable).parent / "dagster-webserver"), "-w"]
    command += [str(ROOT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]
    env = {**os.environ, "DOBBY_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with (home / "webserver.log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(600):
                with contextlib.suppress(requests.RequestException):
                    if requests.get(f"{address}/server_info", timeout=2).ok:
                        break
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()
            process.wait()


def answers(address: str) -> list[float]:
    """Seconds that each asset's page takes, and the log of the latest run."""
    seconds = []

    def ask(query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        start = time.perf_counter()
        answer = requests.post(f"{address}/graphql", json=body, timeout=60).json()
        seconds.append(time.perf_counter() - start)
        assert "errors" not in answer, answer
        return answer["data"]

    for asset in _ASSETS:
        page = ask(PAGE, key={"path": [asset]}, partition=REPO)["assetNodeOrError"]
        assert page["isMaterializable"], page
    runs = ask("{ runsOrError(limit: 1) { ... on Runs { results { runId status } } } }")
    for run in runs["runsOrError"]["results"]:
        assert "events" in ask(EVENTS, run=run["runId"])["logsForRun"]
    return seconds


def ask_until(
    ended: threading.Event, address: str, seconds: list[float], beside: list[float]
) -> None:
    """Ask again and again, and see how long nothing but BESIDE_S of the processor takes."""
    while not ended.wait(ASK_EVERY_S):
        seconds.extend(answers(address))
        start, begun = time.perf_counter(), time.thread_time()
        while time.thread_time() - begun < BESIDE_S:
            pass
        beside.append(time.perf_counter() - start)


def watched(folder: Path, home: Path) -> tuple[dict[str, float], float, list[float], list[float]]:
    """A run beside a webserver: what it took, its memory, and the answers during and after it."""
    during, beside = list[float](), list[float]()
    with webserver(home) as address:
        answers(address)  # the first one loads the code
        ended = threading.Event()
        asking = threading.Thread(target=ask_until, args=(ended, address, during, beside))
        asking.start()
        try:
            seconds, megabytes = in_child(summarize, folder, home)
        finally:
            ended.set()
            asking.join()
        after = [second for _ in range(5) for second in answers(address)]
    for what, taken in (("answers", during), (f"{BESIDE_S} s of the processor", beside)):
        shown = f"median {median(taken):.2f} s, slowest {max(taken):.2f} s"
        print(f"during the run, {what}: {shown}", file=sys.stderr, flush=True)
    return seconds, megabytes, during, after


def main(sizes: tuple[int, ...]) -> None:
    """Each size in a process and a database of its own, the largest one beside a webserver."""
    results: dict[int, tuple[dict[str, float], float]] = {}
    during, after = list[float](), list[float]()
    first, last = min(sizes), max(sizes)
    for size in sorted(sizes):
        with tempfile.TemporaryDirectory() as scratch:
            folder, home = Path(scratch) / "repo", Path(scratch) / "home"
            write_repository(folder, size)
            (home / "dagster").mkdir(parents=True)
            (home / "dagster" / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
            if size == last:
                *results[size], during, after = watched(folder, home)
            else:
                results[size] = in_child(summarize, folder, home)
        seconds, megabytes = results[size]
        shown = ", ".join(f"{what} {value:.1f} s" for what, value in seconds.items())
        print(f"{size} records: {shown}, {megabytes:.0f} MB", file=sys.stderr, flush=True)
    (least, least_mb), (most, most_mb) = results[first], results[last]
    name, peer = f"{last} records through all assets", f"{first} records"
    told(
        at_most(name, "processor time a record", 1e3 * most["cpu"] / last, "ms", peer,
                1e3 * least["cpu"] / first, LINEAR),
        at_most(name, "time a record", 1e3 * most["run"] / last, "ms", peer,
                1e3 * least["run"] / first, LINEAR),
        below(name, "peak memory, readers included", most_mb, "MB", MEMORY_MB),
        at_most(name, "peak memory against a smaller one's", most_mb, "MB", peer, least_mb, 1.5),
        below(name, f"slowest of {len(during)} answers during the run", max(during), "s", ANSWER_S),
        below(name, f"slowest of {len(after)} answers after it", max(after), "s", ANSWER_S),
    )  # fmt: skip


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)
