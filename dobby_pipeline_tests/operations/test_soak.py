"""Fifty kills at random moments of real processes; what DESIGN promises must hold after each."""

import os
import random
import signal
import subprocess
import time

import dagster as dg

from dobby_pipeline.cozo.store import CozoStore, StoreError
from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.cli.test_flow import runs
from dobby_pipeline_tests.conftest import commit_files

__all__ = ["models_dir", "workplace"]

KILLS = 50
SEED = 20_261_123
REPOS = ("one", "two", "three")
FUNCTIONS = 40
LONGEST = 2.0
"""Of an undisturbed run's time: of the three at once the first take about that long, so that the
start, the ingest, the loading of the weights, generation, roll-ups and checks are all hit."""


def files(repo: str, edit: int) -> dict[str, str]:
    """A repository's files; each edit changes a function in each of them."""
    added = {n: n + 1000 * edit if n % 10 == edit % 10 else n for n in range(FUNCTIONS)}
    texts = [f"def {repo}{n}(x):\n    return x + {number}\n" for n, number in added.items()]
    return {f"pkg/m{n}.py": "\n\n".join(texts[n : n + 10]) for n in range(0, FUNCTIONS, 10)}


def killed(process: "subprocess.Popen[str]", after_s: float) -> bool:
    """Kill it then, unless it has come to its end before."""
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        # The whole group: whatever it has started dies with it, as on a machine that goes down.
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def bodies(store: CozoStore) -> dict[str, str]:
    """When each summary of any level was made; empty while the schema is not there yet."""
    made = "?[k, t] := *summary_bodies{summary_key: k, created_at: t}"
    try:
        return {row["k"]: row["t"] for row in store.run("made", made)}
    except StoreError:
        return {}


def nothing_is_left_taken(workplace) -> None:
    """No run that is dead counts as under way, or has the GPU, or keeps its lock."""
    ended = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
    assert {run.status for run in runs(workplace.home)} <= ended
    with dg.DagsterInstance.from_config(str(workplace.home / "dagster")) as instance:
        assert not instance.event_log_storage.get_concurrency_info("gpu").claimed_slots
    assert list((workplace.home / "dagster" / "run_locks").glob("*.lock")) == []


def test_fifty_kills_lose_nothing_make_nothing_twice_and_leave_nothing_taken(
    workplace, git_repo, monkeypatch
):
    # A process that is killed tells nothing of what it covered, but would start the slower.
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    chance = random.Random(SEED)
    began = time.monotonic()
    whole = workplace.start("summarize", git_repo(files("whole", 0), "whole"), DOBBY_SESSIONS="1")
    whole.communicate()
    assert whole.returncode == 0
    longest = LONGEST * (time.monotonic() - began)
    folders = {repo: git_repo(files(repo, 0), repo) for repo in REPOS}
    for repo, folder in folders.items():
        assert workplace.dobby("repos", "add", repo, folder).status == 0
    kills = rounds = 0
    seen: dict[str, str] = {}
    while kills < KILLS:
        rounds += 1
        assert rounds < 4 * KILLS, f"{kills} kills in {rounds} rounds: runs end before they are hit"
        order = chance.sample(REPOS, len(REPOS))
        if rounds % 3 == 0:
            commit_files(folders[order[0]], files(order[0], rounds))
        started = [workplace.start("summarize", repo, DOBBY_SESSIONS="1") for repo in order]
        moments = sorted(chance.uniform(0, longest) for _ in started)
        for process, before, moment in zip(started, [0.0, *moments], moments, strict=False):
            kills += killed(process, moment - before)
        now = bodies(workplace.store)
        assert {key: now.get(key) for key in seen} == seen, f"round {rounds}, seed {SEED}"
        seen = now
        if rounds % 10 == 0:
            assert workplace.dobby("ingest", order[0]).status == 0
            nothing_is_left_taken(workplace)

    for repo in REPOS:
        done = workplace.dobby("summarize", repo)
        assert done.status == 0, done.err
    verified = workplace.dobby("verify")
    assert verified.status == 0, verified.err
    for row in workplace.dobby("status", "--json").rows:
        assert row["symbol"] == {"published": FUNCTIONS, "quarantined": 0, "missing": 0}
    after = bodies(workplace.store)
    assert {key: after[key] for key in seen} == seen

    nothing_is_left_taken(workplace)
