"""The condition of the roll-ups on the own assets: real runs, a real model, a real evaluation."""

import shutil

import dagster as dg
import pytest

from dobby_pipeline.automation.conditions import FLOW_TAG
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.definitions import build_defs
from dobby_pipeline.inference.requests import PoolError
from dobby_pipeline.progress import LogReporter, Progress
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.schema.relations import REPOS
from dobby_pipeline.sources.registry import Repo, add_repo, list_repos
from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.conftest import commit_files

__all__ = ["models_dir", "workplace"]

REPO = "example"
ROLL_UPS = {"file_summaries", "repo_summary"}
ONE = "def one(x):\n    return x + 1\n"
TWO = "\n\ndef two(x):\n    return x + 2\n"


class Site:
    """A repository that went through the whole flow, and the daemon that looks on."""

    def __init__(self, instance, folder, workplace=None):
        self.instance, self.folder, self.workplace = instance, folder, workplace
        self.defs, self.cursor = build_defs(), None

    def job(self, name: str, *assets: str, fails: bool = False) -> dg.DagsterRun:
        """A run of a job; of the whole job unless assets are named."""
        keys = [dg.AssetKey(name) for name in assets]
        result = self.defs.resolve_job_def(name).execute_in_process(
            instance=self.instance,
            partition_key=REPO,
            asset_selection=keys or None,
            raise_on_error=False,
        )
        assert result.success is not fails
        return result.dagster_run

    def alone(self, *assets: str) -> None:
        """What `Materialize` on an asset's page runs."""
        self.job("__ASSET_JOB", *assets)

    def tick(self) -> set[str]:
        """The assets that are asked for; the partition is always the same."""
        result = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        found = set()
        for name in ROLL_UPS:
            requested = result.get_requested_partitions(dg.AssetKey(name))
            assert requested <= {REPO}
            found |= {name} if requested else set()
        assert result.total_requested == len(found)
        return found

    def edit(self) -> None:
        commit_files(self.folder, {"a.py": ONE + TWO})


@pytest.fixture(scope="module")
def summarised(tmp_path_factory, models_dir):
    """A folder with a repository, a home and a Dagster instance after a run of the whole flow."""
    place = tmp_path_factory.mktemp("summarised")
    commit_files(place / "repository", {"a.py": ONE, "b.py": ONE})
    (place / "dagster").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOBBY_HOME", str(place / "home"))
        patch.setenv("DOBBY_MODELS", str(models_dir))
        patch.setenv("DOBBY_MODEL", "sentence")
        patch.setenv("DOBBY_DEVICE", "cpu")
        store = CozoStore(place / "home" / "cozo")
        migrate(store)
        add_repo(store, Repo(REPO, str(place / "repository")))
        with dg.DagsterInstance.from_config(str(place / "dagster")) as instance:
            instance.add_dynamic_partitions("repo", [REPO])
            Site(instance, place / "repository").job("summarize_repo")
    return place


@pytest.fixture
def site(summarised, workplace, tmp_path):
    """A copy of it, and the first tick of the daemon."""
    shutil.copytree(summarised, tmp_path, dirs_exist_ok=True)
    (repo,) = list_repos(workplace.store)
    rows = REPOS.rows([{**vars(repo), "location": str(tmp_path / "repository")}])
    workplace.store.run("move", REPOS.put(), {"rows": rows}, write=True)
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        made = Site(instance, tmp_path / "repository", workplace)
        assert made.tick() == set()
        yield made


def published(site) -> list[int]:
    (row,) = site.workplace.dobby("status", REPO, "--json").rows
    return [row[level]["published"] for level in ("symbol", "file", "repo_summary")]


def stale(site) -> int:
    (row,) = site.workplace.dobby("status", REPO, "--json").rows
    return row["stale"]["file"]


def test_symbols_that_were_summarised_alone_are_rolled_up_once(site):
    site.edit()
    site.job("ingest_repo")
    assert site.tick() == set()
    site.alone("symbol_summaries")
    assert stale(site) == 1
    assert site.tick() == ROLL_UPS
    assert site.tick() == set()
    site.alone(*ROLL_UPS)
    assert (published(site), stale(site)) == ([3, 2, 1], 0)
    assert site.tick() == set()
    assert site.tick() == set()


def test_a_run_of_the_whole_job_which_names_no_assets_is_not_rolled_up_again(site):
    site.edit()
    run = site.job("summarize_repo")
    assert not run.asset_selection  # as the sensor, the schedule and a backfill launch it
    assert FLOW_TAG in run.tags
    assert published(site) == [3, 2, 1]
    assert site.tick() == set()
    assert site.tick() == set()


def test_a_level_that_was_asked_for_on_the_command_line_is_left_as_it_is(site):
    site.edit()
    site.job("summarize_repo", "cozo_schema", "source_records", "symbol_summaries")
    assert stale(site) == 1
    assert site.tick() == set()


def test_what_a_run_of_the_sensor_that_waits_will_roll_up_is_left_to_it(site):
    site.edit()
    site.job("ingest_repo")
    site.alone("symbol_summaries")
    waiting = site.instance.create_run_for_job(
        site.defs.resolve_job_def("summarize_repo"),
        status=dg.DagsterRunStatus.NOT_STARTED,
        tags={"dagster/partition": REPO, FLOW_TAG: "summarize_repo"},
    )
    assert site.tick() == set()
    site.instance.report_run_canceled(waiting)
    site.job("summarize_repo")
    assert site.tick() == set()


class FailsAtFiles(LogReporter):
    """Takes the place of anything that can break while files are summarised."""

    def to(self, write):
        report = super().to(write)

        def tell(progress: Progress) -> None:
            if progress.stage == "file_summaries":
                raise PoolError("the model broke")
            report(progress)

        return tell


def test_a_run_of_the_whole_job_that_breaks_at_the_files_is_left_to_be_run_again(site):
    site.edit()
    whole = site.defs
    site.defs = build_defs({"progress": FailsAtFiles()})
    failed = site.job("summarize_repo", fails=True)
    assert not failed.asset_selection
    assert (published(site)[0], stale(site)) == (3, 1)
    site.defs = whole
    assert site.tick() == set()


def test_symbols_that_fail_their_check_are_not_rolled_up(site, monkeypatch):
    site.edit()
    site.job("ingest_repo")
    monkeypatch.setenv("DOBBY_MODEL", "random")
    site.defs = build_defs()
    site.job("__ASSET_JOB", "symbol_summaries", fails=True)
    assert stale(site) >= 1
    assert site.tick() == set()
