"""Kills of run workers, code servers and daemons at random moments of runs that Dagster launches.

What DESIGN promises must hold after each. Not here: what each process does when it is started
again (test_run_worker.py), and `dobby summarize` (test_soak_command.py).
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import dagster as dg
import requests
import yaml
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from dobby_pipeline.settings import project_file
from dobby_pipeline_tests.automation.test_daemon import LAUNCH, ask, process_of, wait_for
from dobby_pipeline_tests.celery_site import BIN
from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.conftest import commit_files, unmeasured
from dobby_pipeline_tests.inference.remote.llm_server import free_port
from dobby_pipeline_tests.operations.soak import (
    LOOK_S,
    REPOS,
    SEED,
    bodies,
    everything_holds,
    files,
    nothing_is_lost,
    owner,
)

__all__ = ["models_dir", "workplace"]

KILLS = {"run worker": 11, "code server": 7, "daemon": 7}
LONGEST_S = 6.0
"""Between two kills: a run takes 8 to 20 s on two cores, of which its start is half."""


class Processes:
    """The processes that `dagster dev` starts, each by itself, so that each can be replaced."""

    def __init__(self, home, stack: ExitStack) -> None:
        self._home, self._stack = home, stack
        workspace = home / "workspace.yaml"
        server, port = str(free_port()), str(free_port())
        location = {"host": "127.0.0.1", "port": int(server), "location_name": "dobby"}
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": location}]}))
        where, here = ["-w", str(workspace)], ["-h", "127.0.0.1", "-p"]
        module = ["-m", "dobby_pipeline.definitions"]
        self._commands = {
            "code server": ["dagster", "api", "grpc", *here, server, *module],
            "daemon": ["dagster-daemon", "run", *where],
            "webserver": ["dagster-webserver", *where, *here, port],
        }
        self.address = f"http://127.0.0.1:{port}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for name in self._commands:
            self.start(name)
        wait_for(self._answers, "no webserver")

    def start(self, name: str) -> None:
        program, *rest = self._commands[name]
        log = self._stack.enter_context((self._home / f"{name}.log").open("ab"))
        process = subprocess.Popen(
            [str(BIN / program), *rest],
            env={**unmeasured(), "DAGSTER_HOME": str(self._home / "dagster")},
            stdout=log,
            stderr=log,
        )
        self._running[name] = process
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)

    def replace(self, name: str) -> None:
        """Kill it, and start another in its place."""
        assert self._running[name].poll() is None, f"the {name} died of itself"
        self._running[name].kill()
        self._running[name].wait()
        self.start(name)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.address}/server_info", timeout=2).ok
        except requests.RequestException:
            return False


@contextmanager
def processes(home):
    """An instance and its processes, without `dagster dev` over them."""
    (home / "dagster").mkdir(exist_ok=True)
    shutil.copyfile(project_file("dagster.yaml"), home / "dagster" / "dagster.yaml")
    with (
        ExitStack() as stack,
        dg.DagsterInstance.from_config(str(home / "dagster")) as instance,
    ):
        yield Processes(home, stack), instance


def under_way(instance: dg.DagsterInstance, repo: str) -> bool:
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": repo}), limit=1)
    return bool(runs) and not runs[0].is_finished


def workers(instance: dg.DagsterInstance) -> list[int]:
    """The processes that carry out runs now."""
    begun = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    found: list[int] = []
    for run in instance.get_runs(dg.RunsFilter(statuses=begun)):
        with suppress(AssertionError):  # it has not told its process yet
            found.append(process_of(instance, run.run_id))
    return found


def victim_among(pids: list[int], chance: random.Random, database, *, inside: bool) -> int:
    """One of the processes; 0 where there is none, or none that opens the database soon.

    Args:
        inside: one that has the database open at this moment, to read or to commit.
    """
    if not pids or not inside:
        return chance.choice(pids) if pids else 0
    end = time.monotonic() + 1
    while time.monotonic() < end:
        if (pid := owner(database)) in pids:
            return pid
        time.sleep(LOOK_S)
    return 0


def killed(pid: int) -> bool:
    """Kill it, unless it has come to its end before."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def settled(instance: dg.DagsterInstance) -> bool:
    """Every run has ended, and so has the retry of each that has one."""
    for run in instance.get_runs():
        waits = run.tags.get(WILL_RETRY_TAG) == "true" and AUTO_RETRY_RUN_ID_TAG not in run.tags
        if waits or not run.is_finished:
            return False
    return True


def test_kills_of_any_process_lose_nothing_make_nothing_twice_and_leave_nothing_taken(
    workplace, git_repo, monkeypatch
):
    monkeypatch.setenv("DOBBY_SESSIONS", "1")
    chance = random.Random(SEED)
    folders = {repo: git_repo(files(repo, 0), repo) for repo in REPOS}
    for repo, folder in folders.items():
        assert workplace.dobby("repos", "add", repo, folder).status == 0
    victims = [name for name, count in KILLS.items() for _ in range(count)]
    chance.shuffle(victims)
    seen: dict[str, str] = {}
    edits = 0
    with processes(workplace.home) as (running, instance):

        def busy() -> bool:
            """See that each repository has a run that is asked for; always true."""
            nonlocal edits
            for repo in REPOS:
                if not under_way(instance, repo):
                    edits += 1
                    commit_files(folders[repo], files(repo, edits))
                    ask(running.address, LAUNCH, repo=repo)  # in vain without a code server
            return True

        def kill_worker(*, inside: bool) -> bool:
            pids = workers(instance) if busy() else []
            pid = victim_among(pids, chance, workplace.store.path, inside=inside)
            return bool(pid) and killed(pid)

        for number, victim in enumerate(victims):
            wait_for(lambda: busy() and workers(instance), "no run began")
            time.sleep(chance.uniform(0, LONGEST_S))
            if victim == "run worker":
                inside = number % 2 == 1 and sys.platform == "linux"
                wait_for(partial(kill_worker, inside=inside), "no run worker to kill")
            else:
                running.replace(victim)
            now = bodies(workplace.store)
            nothing_is_lost(seen, now)
            seen = now
        wait_for(lambda: settled(instance), "runs did not come to their end")
    everything_holds(workplace, seen)
