"""A file that a run's process keeps locked while it lives, so that its death can be seen.

Not here: who keeps it (cli/runs.py, executor.py) and who else asks (automation/launcher.py).
"""

import contextlib
import fcntl
import threading
from collections.abc import Generator
from pathlib import Path
from typing import IO

import dagster as dg

FOLDER = "run_locks"


SETTLE_S = 10.0
"""How often a run looks for others that died, since it may wait for what they hold."""


def lock_run(instance: dg.DagsterInstance, run_id: str) -> IO[str]:
    """The run's file, locked until it is closed or this process ends."""
    path = _path(instance, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    unseen = path.with_suffix(".new")  # nobody finds the file before it is locked
    file = unseen.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    unseen.rename(path)
    return file


@contextlib.contextmanager
def run_lock(instance: dg.DagsterInstance, run_id: str) -> Generator[None]:
    """Keep the run's file locked, and settle meanwhile the runs that this one may wait for."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(SETTLE_S):
            # What is wrong with the instance is told by the run, which needs it as well.
            with contextlib.suppress(Exception):
                settle_dead_runs(instance)

    with lock_run(instance, run_id):
        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()
    settle_dead_runs(instance)


@contextlib.contextmanager
def held_if_dead(instance: dg.DagsterInstance, run_id: str) -> Generator[bool]:
    """Whether the run's process had the lock on this machine and is gone; nobody else is told so
    meanwhile.

    False for one that keeps no lock here: it runs on another machine, or has not begun yet.
    """
    path = _path(instance, run_id)
    try:
        file = path.open()
    except FileNotFoundError:
        yield False
        return
    with file:
        # The kernel drops a dead process's lock. The path is gone if another one settled the run.
        yield locked(file) and path.exists()


def settle_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark as failed the runs that have not come to an end although their process has.

    Such a run would stay `started` for ever, and its place in the GPU pool would stay taken.
    """
    for path in sorted((Path(instance.root_directory) / FOLDER).glob("*.lock")):
        with held_if_dead(instance, path.stem) as dead:
            if not dead:
                continue
            run = instance.get_run_by_id(path.stem)
            if run and not run.is_finished:
                instance.report_run_failed(run, "The process of this run ended without a word.")
            instance.event_log_storage.free_concurrency_slots_for_run(path.stem)
            path.unlink(missing_ok=True)


def _path(instance: dg.DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / FOLDER / f"{run_id}.lock"


def locked(file: IO[str]) -> bool:
    """Take the lock of an open file; False where another one has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
