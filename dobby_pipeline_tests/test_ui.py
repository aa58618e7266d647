"""Dagster's UI in a real browser: a person launches a backfill and sees it through."""

import time

import dagster as dg
import pytest

from dobby_pipeline_tests.cli.conftest import SENTENCE, models_dir, workplace
from dobby_pipeline_tests.ui import chromium, dagster_dev, page

__all__ = ["models_dir", "workplace"]

FUNCTION = "def f(x):\n    return x + {}\n"


def wait_for(condition, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(1)


def states(home) -> set[dg.DagsterRunStatus]:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        return {run.status for run in instance.get_runs()}


@pytest.mark.browser
@pytest.mark.skipif(chromium() is None, reason="needs Chromium")
def test_a_backfill_launched_in_the_browser_summarises_each_repository(workplace, git_repo):
    for number, name in enumerate(["one", "two"]):
        folder = git_repo({"a.py": FUNCTION.format(number)}, name)
        assert workplace.dobby("repos", "add", name, folder).status == 0

    with dagster_dev(workplace.home, {}) as address, page() as tab:
        tab.goto(f"{address}/locations/dobby/jobs/summarize_repo")
        tab.get_by_role("button", name="Materialize all").click()
        tab.get_by_role("button", name="All", exact=True).click()
        tab.get_by_text("2 partitions").wait_for()
        tab.get_by_role("button", name="Launch backfill").click()

        def summarised() -> bool:
            rows = workplace.dobby("status", "--json").rows
            return [row["symbol"]["published"] for row in rows] == [1, 1]

        wait_for(summarised)
        wait_for(lambda: states(workplace.home) == {dg.DagsterRunStatus.SUCCESS})
        tab.goto(f"{address}/assets/symbol_summaries?view=partitions&partition=two")
        tab.get_by_text("Materialized", exact=True).first.wait_for()
        tab.get_by_text(SENTENCE).first.wait_for()
        tab.goto(f"{address}/assets/symbol_summaries?view=checks")
        tab.get_by_text("every_record_has_a_verdict").first.wait_for()
