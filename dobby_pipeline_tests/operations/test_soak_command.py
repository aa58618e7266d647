"""Kills of `dobby summarize` at random moments; what DESIGN promises must hold after each.

Not here: the processes of Dagster's own (test_soak_processes.py).
"""

import os
import random
import signal
import subprocess
import sys
import time

from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.conftest import commit_files
from dobby_pipeline_tests.operations.soak import (
    LOOK_S,
    REPOS,
    SEED,
    bodies,
    everything_holds,
    files,
    nothing_is_left_taken,
    nothing_is_lost,
    owner,
)

__all__ = ["models_dir", "workplace"]

KILLS = 25
LONGEST = 1.2
"""Of the time of an undisturbed run, which summarises all. Of the three at once, which go on from
what is there, most are under way for about as long, so that the start, the ingest, the loading of
the weights, generation, roll-ups and checks are all hit. At twice as long half of them ended."""


def in_the_database(process: "subprocess.Popen[str]", workplace) -> None:
    """Wait until it has the database open, to read or to commit; or until its end."""
    while process.poll() is None and owner(workplace.store.path) != process.pid:
        time.sleep(LOOK_S)


def killed(process: "subprocess.Popen[str]", after_s: float, workplace, *, inside: bool) -> bool:
    """Kill it then, unless it has come to its end before.

    Args:
        inside: not before it has the database open again.
    """
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        if inside and sys.platform == "linux":
            in_the_database(process, workplace)
        if process.poll() is None:
            # The whole group: what it has started dies with it, as on a machine that goes down.
            os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def test_kills_of_the_command_lose_nothing_make_nothing_twice_and_leave_nothing_taken(
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
        if rounds % 2 == 0:
            commit_files(folders[order[0]], files(order[0], rounds))
        started = [workplace.start("summarize", repo, DOBBY_SESSIONS="1") for repo in order]
        moments = sorted(chance.uniform(0, longest) for _ in started)
        for process, before, moment in zip(started, [0.0, *moments], moments, strict=False):
            kills += killed(process, moment - before, workplace, inside=kills % 2 == 1)
        now = bodies(workplace.store)
        nothing_is_lost(seen, now)
        seen = now
        if rounds % 10 == 0:
            assert workplace.dobby("ingest", order[0]).status == 0
            nothing_is_left_taken(workplace.home)
    everything_holds(workplace, seen)
