"""What the soaks share: repositories that change, and what must hold after every kill.

Not here: who is killed (test_soak_command.py, test_soak_processes.py).
"""

import fcntl
import os
import struct
from pathlib import Path

import dagster as dg

from dobby_pipeline.cozo.kept_open import KEPT_OPEN
from dobby_pipeline.cozo.store import CozoStore, StoreError
from dobby_pipeline_tests.cli.test_flow import runs

REPOS = ("one", "two", "three")
FUNCTIONS = 40
SEED = 20_261_123
LOOK_S = 0.0005
"""Between two looks for who has the database open: others who want it have it for some 10 ms."""

_FLOCK = "hhqqi"
"""Linux's `struct flock`: type, whence, start, length, process."""


def files(repo: str, edit: int) -> dict[str, str]:
    """A repository's files; each edit changes a function in each of them."""
    added = {n: n + 1000 * edit if n % 10 == edit % 10 else n for n in range(FUNCTIONS)}
    texts = [f"def {repo}{n}(x):\n    return x + {number}\n" for n, number in added.items()]
    return {f"pkg/m{n}.py": "\n\n".join(texts[n : n + 10]) for n in range(0, FUNCTIONS, 10)}


def bodies(store: CozoStore) -> dict[str, str]:
    """When each summary of any level was made; empty while the schema is not there yet."""
    made = "?[k, t] := *summary_bodies{summary_key: k, created_at: t}"
    try:
        return {row["k"]: row["t"] for row in store.run("made", made)}
    except StoreError:
        return {}


def nothing_is_lost(seen: dict[str, str], now: dict[str, str]) -> None:
    """Each summary that was there is there, and was not made again."""
    assert {key: now.get(key) for key in seen} == seen


def owner(database: Path) -> int:
    """The process that has the embedded database open at this moment; 0 for none. Linux only."""
    KEPT_OPEN.close_all()  # closing the file below would drop this process's own lock
    try:
        file = (database / "data" / "LOCK").open("rb+")
    except FileNotFoundError:
        return 0
    with file:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        found = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return 0 if found[0] == fcntl.F_UNLCK else found[-1]


def nothing_is_left_taken(home: Path) -> None:
    """No run that is dead counts as under way, or has the GPU, or keeps its lock."""
    ended = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
    assert {run.status for run in runs(home)} <= ended
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        assert not instance.event_log_storage.get_concurrency_info("gpu").claimed_slots
    assert list((home / "dagster" / "run_locks").glob("*.lock")) == []


def everything_holds(workplace, seen: dict[str, str]) -> None:
    """The flow comes to its end, and with it all that DESIGN promises."""
    for repo in REPOS:
        done = workplace.dobby("summarize", repo)
        assert done.status == 0, done.err
    verified = workplace.dobby("verify")
    assert verified.status == 0, verified.err
    for row in workplace.dobby("status", "--json").rows:
        assert row["symbol"] == {"published": FUNCTIONS, "quarantined": 0, "missing": 0}
    nothing_is_lost(seen, bodies(workplace.store))
    nothing_is_left_taken(workplace.home)
