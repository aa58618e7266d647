"""Dagster's UI in a real browser: what a team does there in its first hour."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import dagster as dg
import pytest

from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.conftest import commit_files
from dobby_pipeline_tests.inference.tiny_model import SENTENCE
from dobby_pipeline_tests.ui import chromium, dagster_dev, page

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["models_dir", "workplace"]

PATIENCE_S = 300
FUNCTION = "def f(x):\n    return x + {}\n"
REGISTER = "ops: {{register: {{config: {{name: one, location: {}}}}}}}"


@contextlib.contextmanager
def step(tab: "Page", folder: Path, name: str) -> Iterator[None]:
    """A part of the story; where it fails, its name and a picture of the page are told."""
    try:
        yield
    except Exception as error:
        picture = folder / f"{name.replace(' ', '-')}.png"
        tab.screenshot(path=picture)
        error.add_note(f"in the step: {name}; the page: {picture}")
        raise


def wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(1)


def ended(home: Path, job: str = "summarize_repo") -> list[str]:
    """The states of its runs."""
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        return [run.status.value for run in instance.get_runs(dg.RunsFilter(job_name=job))]


def choose_all(tab: "Page", chosen: str) -> None:
    """Choose all partitions in the dialog, whose button takes those that it has fetched by then."""

    def clicked() -> bool:
        tab.get_by_role("button", name="All", exact=True).click()
        tab.wait_for_timeout(1000)
        return tab.get_by_text(chosen).is_visible()

    wait_for(clicked)


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None, reason="needs Chromium")
def test_a_sensor_a_commit_its_checks_and_a_backfill(workplace, git_repo, tmp_path):
    home = workplace.home
    folder = git_repo({"a.py": FUNCTION.format(0)}, "one")

    home.mkdir()
    with dagster_dev(home, {}) as address, page() as tab:
        tab.set_default_timeout(1000 * PATIENCE_S)
        with step(tab, tmp_path, "register a repository"):
            launchpad = f"{address}/locations/dobby/jobs/register_repo/playground/setup"
            tab.goto(f"{launchpad}?config={quote(REGISTER.format(folder))}")
            tab.get_by_text("No errors").wait_for()
            tab.get_by_role("button", name="Launch Run").click()
            wait_for(lambda: ended(home, "register_repo") == ["SUCCESS"])

        with step(tab, tmp_path, "turn the sensor on"):
            tab.goto(f"{address}/locations/dobby/sensors/new_commits")
            tab.get_by_role("checkbox").dispatch_event("click")
            tab.get_by_role("checkbox", checked=True).wait_for(state="attached")

        with step(tab, tmp_path, "see the run of its commit appear and pass"):
            tab.goto(f"{address}/runs")
            tab.get_by_role("link", name="new_commits").first.wait_for()
            wait_for(lambda: ended(home) == ["SUCCESS"])

        commit_files(folder, {"b.py": FUNCTION.format(1)})
        with step(tab, tmp_path, "see the run of a new commit appear and pass"):
            wait_for(lambda: ended(home) == ["SUCCESS", "SUCCESS"])
            tab.reload()
            tab.get_by_text("Success", exact=True).nth(2).wait_for()

        with step(tab, tmp_path, "open the check"):
            check = "checkDetail=every_record_has_a_verdict"
            tab.goto(f"{address}/assets/symbol_summaries?view=checks&{check}")
            tab.get_by_text("Passed", exact=True).first.wait_for()
            tab.get_by_text("one: 0 records without a summary").first.wait_for()

        with step(tab, tmp_path, "turn the sensor off"):
            tab.goto(f"{address}/locations/dobby/sensors/new_commits")
            tab.get_by_role("checkbox", checked=True).dispatch_event("click")
            tab.get_by_role("checkbox", checked=False).wait_for(state="attached")

        for number, name in enumerate(["two", "three"], 2):
            added = git_repo({"a.py": FUNCTION.format(number)}, name)
            assert workplace.dobby("repos", "add", name, added).status == 0
        with step(tab, tmp_path, "launch a backfill over three partitions"):
            tab.goto(f"{address}/locations/dobby/jobs/summarize_repo")
            tab.get_by_role("button", name="Materialize all").click()
            choose_all(tab, "3 partitions")
            tab.get_by_role("button", name="Launch backfill").click()
            wait_for(lambda: ended(home) == ["SUCCESS"] * 5)

        with step(tab, tmp_path, "see them green"):
            tab.goto(f"{address}/assets/symbol_summaries?view=partitions&partition=three")
            tab.get_by_text("Materialized (3)").wait_for()
            tab.get_by_text("Failed (0)").wait_for()
            tab.get_by_text(SENTENCE).first.wait_for()
    rows = workplace.dobby("status", "--json").rows
    assert {row["repo"]: row["symbol"]["published"] for row in rows} == {
        "one": 2,
        "two": 1,
        "three": 1,
    }
