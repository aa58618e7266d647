"""In a run the disk fills, the database or the GPU is held, weights vanish, the clock jumps.

Not here: the same before a run begins (cli/test_bad_input.py).
"""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.inference.models.manifests import weights_folder
from dobby_pipeline_tests.automation.test_daemon import wait_for
from dobby_pipeline_tests.cli.conftest import Done, models_dir, workplace
from dobby_pipeline_tests.cli.test_bad_input import refused, small_disk
from dobby_pipeline_tests.cli.test_flow import committed, last_metadata, runs
from dobby_pipeline_tests.conftest import commit_files
from dobby_pipeline_tests.cozo.test_store import hold

__all__ = ["models_dir", "small_disk", "workplace"]

COUNT = 100
HELD_S = 4
PATIENCE_S = 2.0


def functions(count: int = COUNT) -> dict[str, str]:
    texts = [f"def f{n:03}(x):\n    return x + {n}\n" for n in range(count)]
    return {"many.py": "\n\n".join(texts)}


def ended(process: "subprocess.Popen[str]") -> Done:
    out, err = process.communicate(timeout=300)
    return Done(process.returncode, out, err)


def in_the_middle(workplace, folder, **env: str) -> "subprocess.Popen[str]":
    """A run in a process of its own that has committed some of its summaries."""
    process = workplace.start("summarize", folder, DOBBY_SESSIONS="1", **env)
    wait_for(
        lambda: (
            process.poll() is not None or (workplace.store.exists and committed(workplace.store))
        ),
        "nothing was committed",
    )
    assert process.poll() is None, process.communicate()
    return process


def finishes(workplace, before: dict[str, str]) -> None:
    """The next run makes what is missing, nothing of it twice, and the database holds."""
    done = workplace.dobby("summarize", "example")
    assert done.status == 0, done.err
    after = committed(workplace.store)
    assert len(after) == COUNT
    assert {key: after[key] for key in before} == before
    assert last_metadata(workplace.home, "symbol_summaries")["generated"] == COUNT - len(before)
    verified = workplace.dobby("verify")
    assert verified.status == 0, verified.out
    assert {run.status.value for run in runs(workplace.home)} <= {"SUCCESS", "FAILURE"}


def fill(disk: Path) -> Path:
    """A file that takes all the space there is, to the last block."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1_000_000, 4096):
            with pytest.raises(OSError, match="No space"):
                while True:
                    file.write(b"\0" * size)
    return ballast


def test_a_disk_that_fills_in_a_run_is_one_line_and_the_next_goes_on(
    workplace, git_repo, small_disk, monkeypatch
):
    monkeypatch.setenv("DOBBY_HOME", str(small_disk / "home"))
    here = type(workplace)(small_disk / "home", monkeypatch, workplace.capsys)
    process = in_the_middle(here, git_repo(functions()))
    ballast = fill(small_disk)
    done = ended(process)
    ballast.unlink()
    refused(done, "free some space")
    assert done.status == 1
    before = committed(here.store)
    assert 0 < len(before) < COUNT
    finishes(here, before)


def test_a_run_waits_for_a_database_that_is_held_and_goes_on(workplace, git_repo):
    process = in_the_middle(workplace, git_repo(functions()))
    other = hold(workplace.store.path, HELD_S)
    assert process.poll() is None
    done = ended(process)
    assert other.wait() == 0
    assert done.status == 0, done.err
    assert len(committed(workplace.store)) == COUNT
    (run,) = runs(workplace.home)
    assert run.status.value == "SUCCESS"


def test_a_database_that_is_held_for_longer_than_a_run_waits_is_one_line(
    workplace, git_repo, monkeypatch
):
    folder = git_repo(functions())
    # The run of the flow, in this process, has the store's own patience: a minute.
    monkeypatch.setattr(CozoStore.__init__, "__defaults__", ("", "", PATIENCE_S, False))
    monkeypatch.setenv("DOBBY_SESSIONS", "1")
    with ThreadPoolExecutor() as aside:
        holder = aside.submit(held_in_the_middle, CozoStore(workplace.store.path, lock_wait_s=60))
        done = workplace.dobby("summarize", folder)
        other = holder.result()
    # What the command shows at its end waits as well, so the line may be told of either.
    assert other.poll() is None
    other.kill()
    other.wait()
    refused(done, "held by another process", str(workplace.store.path))
    assert done.status == 1
    before = committed(workplace.store)
    assert 0 < len(before) < COUNT
    finishes(workplace, before)


def held_in_the_middle(store: CozoStore) -> "subprocess.Popen[str]":
    """Another process that has the database, since some summaries were committed."""
    wait_for(lambda: store.exists and committed(store), "nothing was committed")
    return hold(store.path, 600)


def test_a_run_that_waits_for_the_gpu_goes_on_when_the_run_that_has_it_is_killed(
    workplace, git_repo
):
    # Far more than the first can summarise while the second starts.
    first = in_the_middle(workplace, git_repo(functions(40 * COUNT), "first"))
    second = workplace.start("summarize", git_repo({"a.py": "def a(): return 1\n"}, "second"))
    with dg.DagsterInstance.from_config(str(workplace.home / "dagster")) as instance:
        storage = instance.event_log_storage
        wait_for(
            lambda: len(storage.get_concurrency_info("gpu").pending_steps) > 1,
            "the second did not come to wait",
        )
        first.kill()
        first.communicate()
        done = ended(second)
        assert done.status == 0, done.err
        assert not storage.get_concurrency_info("gpu").claimed_slots
    assert sorted(run.status.value for run in runs(workplace.home)) == ["FAILURE", "SUCCESS"]


def test_weights_that_vanish_when_the_run_has_begun_are_one_line(workplace, git_repo):
    weights = weights_folder("sentence") / "model.safetensors"
    hidden = weights.with_suffix(".hidden")
    folder = git_repo(functions())
    process = workplace.start("summarize", folder)
    locks = workplace.home / "dagster" / "run_locks"
    # The command has seen to its model by now; the run itself reads the repository first.
    wait_for(lambda: list(locks.glob("*.lock")) or process.poll() is not None, "no run began")
    weights.rename(hidden)
    try:
        done = ended(process)
    finally:
        hidden.rename(weights)
    refused(done, "sentence")
    assert done.status == 1
    assert committed(workplace.store) == {}
    finishes(workplace, {})


@pytest.fixture
def yesterday(tmp_path) -> dict[str, str]:
    """The environment of a process whose clock is a day behind."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or not compiler:
        pytest.skip("needs Linux and a C compiler to shift a process's clock")
    library = tmp_path / "clock.so"
    source = Path(__file__).with_name("clock.c")
    options = ["-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run([compiler, *options], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT_S": "-86400"}


def test_a_clock_that_goes_back_a_day_between_two_runs_changes_nothing(
    workplace, git_repo, yesterday
):
    folder = git_repo(functions(10))
    assert workplace.dobby("summarize", folder).status == 0
    before = committed(workplace.store)

    commit_files(folder, {"more.py": "def more(x):\n    return 2 * x\n"})
    done = ended(workplace.start("summarize", "example", **yesterday))
    assert done.status == 0, done.err
    after = committed(workplace.store)
    assert {key: after[key] for key in before} == before
    (new,) = after.keys() - before.keys()
    assert after[new] < min(before.values())  # the clock did go back

    (status,) = workplace.dobby("status", "--json").rows
    assert status["symbol"] == {"published": 11, "quarantined": 0, "missing": 0}
    assert set(status["stale"].values()) == {0}
    assert status["commit"] == status["latest_commit"]
    shown = workplace.dobby("summaries", "example", "--json", "--level", "symbol").rows
    assert {row["symbol"] for row in shown} >= {"more"}
    assert workplace.dobby("verify").status == 0
    events = workplace.dobby("audit", "example", "--json").rows
    assert sorted(event["action"] for event in events) == ["registered", "summarised", "summarised"]
    assert [event["time"] for event in events] == sorted((e["time"] for e in events), reverse=True)

    again = workplace.dobby("summarize", "example")
    assert again.status == 0, again.err
    assert committed(workplace.store) == after
    assert workplace.dobby("gc").status == 0
    assert committed(workplace.store) == after
