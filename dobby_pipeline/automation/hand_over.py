"""Runs that are handed to the warm worker: a file for each, and three locks.

A file is there from the hand-over until the run has ended, so whoever asks (the daemon, the UI's
server, the worker) sees the same. Whether the worker or the daemon lives is told by a lock, which
ends with its process; a process's number may be that of a dead one nobody has waited for yet.
Not here: which runs these are (launcher.py), and what is done with them (warm_worker.py).
"""

import contextlib
import fcntl
import functools
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TextIO

import dagster as dg

from dobby_pipeline.run_lock import locked

FOLDER = "warm_worker"
_RUN = ".run"
_GIVER = "giver.pid"


def hand_over(instance: dg.DagsterInstance, run_id: str, start: Callable[[int], None]) -> None:
    """Give a run to the worker, which is started if there is none.

    Args:
        start: as for `wake`.
    """
    with _door(instance) as folder:
        file = folder / f"{run_id}{_RUN}"
        file.touch()
        try:
            _wake(folder, start)
        except BaseException:
            file.unlink()
            raise


def wake(instance: dg.DagsterInstance, start: Callable[[int], None]) -> None:
    """Start a worker if runs wait and there is none: one was killed.

    Args:
        start: starts a process that inherits the worker's lock by this file descriptor.
    """
    with _door(instance) as folder:
        if any(folder.glob(f"*{_RUN}")):
            _wake(folder, start)


def handed_over(instance: dg.DagsterInstance) -> list[str]:
    """The runs that have not ended, in the order in which they came."""
    found: list[tuple[int, str]] = []
    for file in _folder(instance).glob(f"*{_RUN}"):
        with contextlib.suppress(FileNotFoundError):  # it has ended since
            found.append((file.stat().st_mtime_ns, file.stem))
    return [run_id for _, run_id in sorted(found)]


def done(instance: dg.DagsterInstance, run_id: str) -> None:
    """Forget a run, which has ended."""
    (_folder(instance) / f"{run_id}{_RUN}").unlink(missing_ok=True)


def giver_lives(instance: dg.DagsterInstance) -> bool:
    """Whether a process that has handed over is there: Dagster's daemon."""
    try:
        with (_folder(instance) / _GIVER).open() as file:
            return not locked(file)
    except FileNotFoundError:
        return False  # the folder was removed under a daemon that goes on


def left(instance: dg.DagsterInstance, lock: int, *, anyway: bool = False) -> bool:
    """Leave if no run is there, or nobody who gives any, so that the next one gets a new worker.

    Runs that wait go back into Dagster's queue, from where its daemon launches them anew: one that
    is told to be starting would otherwise be given up after the time that a run has to start.

    Args:
        lock: the worker's own file descriptor, which is closed if it may end.
        anyway: whether to leave although runs are there.
    """
    with _door(instance) as folder:
        waiting = handed_over(instance)
        if waiting and giver_lives(instance) and not anyway:
            return False
        for run_id in waiting:
            _back_to_queue(instance, run_id)
            (folder / f"{run_id}{_RUN}").unlink(missing_ok=True)
        os.close(lock)
        return True


def _back_to_queue(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status == dg.DagsterRunStatus.STARTING:
        kind = dg.DagsterEventType.RUN_ENQUEUED.value
        text = "Back in the queue: the warm worker ended before this run began."
        event = dg.DagsterEvent(kind, run.job_name, message=text)
        instance.report_dagster_event(event, run_id)


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / FOLDER


@contextlib.contextmanager
def _door(instance: dg.DagsterInstance) -> Generator[Path]:
    """One at a time: a worker that leaves and a run that comes cannot miss each other."""
    folder = _folder(instance)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "door.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield folder


def _wake(folder: Path, start: Callable[[int], None]) -> None:
    _give_from_here(folder)
    # The lock belongs to the open file, which the process that is started holds until its end.
    with (folder / "worker.lock").open("w") as file:
        if locked(file):
            start(file.fileno())


@functools.cache
def _give_from_here(folder: Path) -> TextIO:
    """The process's number in a file, which is held until its end; several may hold it."""
    file = (folder / _GIVER).open("a+")
    fcntl.flock(file, fcntl.LOCK_SH)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
