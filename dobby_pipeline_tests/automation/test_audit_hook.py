"""The audit log's row for a run that summarised: a real run with a tiny real model."""

import dagster as dg

from dobby_pipeline.schema.audit import person, read_events
from dobby_pipeline_tests.cli.conftest import models_dir, workplace
from dobby_pipeline_tests.conftest import git

__all__ = ["models_dir", "workplace"]


def test_a_run_of_the_flow_leaves_one_event_with_what_the_repository_then_held(workplace, git_repo):
    folder = git_repo({"a.py": "def f(x):\n    return x + 1\n"})
    assert workplace.dobby("summarize", folder).status == 0
    events = {event.action: event for event in read_events(workplace.store, "example")}
    assert events["registered"].actor == person()
    done = events["summarised"]
    assert done.actor.startswith("dagster:run:")
    assert done.detail == {
        "asset": "symbol_summaries",
        "commit": git(folder, "rev-parse", "HEAD"),
        "published": 1,
        "quarantined": 0,
        "missing": 0,
    }


def test_dobby_audit_prints_the_newest_first_for_people_and_for_programs(workplace, git_repo):
    folder = git_repo({"a.py": ""})
    workplace.dobby("repos", "add", "one", folder)
    workplace.dobby("repos", "add", "two", folder)
    assert workplace.dobby("repos", "remove", "one").status == 0
    assert workplace.dobby("gc").status == 0
    lines = workplace.dobby("audit").out.splitlines()
    assert [line.split("  ")[2:4] for line in lines] == [
        ["cleaned", "-"],
        ["removed", "one"],
        ["registered", "two"],
        ["registered", "one"],
    ]
    assert person() in lines[0]
    assert f"location={folder}" in lines[1]
    rows = workplace.dobby("audit", "one", "--json").rows
    assert [row["action"] for row in rows] == ["removed", "registered"]
    assert rows[0]["detail"]["location"] == str(folder)
    assert len(workplace.dobby("audit", "--limit", "1", "--json").rows) == 1


def test_a_repository_is_not_removed_under_a_run(workplace, git_repo):
    workplace.dobby("repos", "add", "one", git_repo({"a.py": ""}))
    tags = {"dagster/partition": "one"}
    run = dg.DagsterRun("summarize_repo", status=dg.DagsterRunStatus.STARTED, tags=tags)
    with dg.DagsterInstance.from_config(str(workplace.home / "dagster")) as instance:
        instance.add_run(run)
    done = workplace.dobby("repos", "remove", "one")
    assert done.status == 2
    assert "a run of one is queued or under way" in done.err
    assert done.err.count("\n") == 1
    assert [row["repo"] for row in workplace.dobby("repos", "list", "--json").rows] == ["one"]


def test_a_dagster_home_that_cannot_be_made_is_one_clear_line(workplace, git_repo, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster").write_text("a file stands here")
    done = workplace.dobby("repos", "add", "one", git_repo({"a.py": ""}))
    assert done.status == 1
    assert str(tmp_path / "home" / "dagster") in done.err
    assert done.err.count("\n") == 1
