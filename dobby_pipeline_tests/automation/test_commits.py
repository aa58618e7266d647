"""The sensor on new commits, on a real store and real repositories."""

import json
import shutil
import socket
import threading

import dagster as dg
import pytest

from dobby_pipeline.automation import commits as sensor
from dobby_pipeline.automation.commit_cursor import CommitCursor
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.definitions import build_defs
from dobby_pipeline.schema.audit import read_events
from dobby_pipeline.sources.registry import Repo, add_repo, last_read, list_repos, remove_repo
from dobby_pipeline_tests.automation.conftest import Ticks, ingested
from dobby_pipeline_tests.conftest import commit_files, git

FILES = {"a.py": "def f():\n    return 1\n"}


@pytest.fixture
def example(git_repo, cozo):
    folder = git_repo(FILES)
    add_repo(cozo.store(), Repo("example", str(folder)))
    return folder


@pytest.fixture
def silent_server():
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/repo.git"


def ingest(cozo, instance, *repos: str) -> dg.ExecuteInProcessResult:
    """Real runs of the job that reads records."""
    for repo in repos:
        result = (
            build_defs({"cozo": cozo})
            .resolve_job_def("ingest_repo")
            .execute_in_process(instance=instance, partition_key=repo)
        )
    return result


def test_a_registered_repository_gets_a_partition_and_a_run_with_the_commit_in_its_key(
    ticks, example
):
    assert ticks.tick() == ["example"]
    assert ticks.instance.get_dynamic_partitions("repo") == ["example"]
    (key,) = ticks.keys
    assert key.startswith(f"example@{git(example, 'rev-parse', 'HEAD')}~")


def test_a_repository_that_is_registered_during_a_tick_keeps_its_partition(
    ticks, example, monkeypatch
):
    def meanwhile(store):
        repos = list_repos(store)
        ticks.instance.add_dynamic_partitions("repo", ["later"])
        return repos

    monkeypatch.setattr(sensor, "list_repos", meanwhile)
    ticks.tick()
    assert ticks.instance.get_dynamic_partitions("repo") == ["later", "example"]


def test_nothing_is_requested_when_nothing_changed(ticks, cozo, example):
    assert ticks.tick() == ["example"]
    assert not ticks.tick()
    assert not ticks.result.run_requests
    ingested(cozo, "example", git(example, "rev-parse", "HEAD"))
    assert not ticks.tick()
    assert not ticks.result.run_requests
    assert not ticks.result.dynamic_partitions_requests
    assert ticks.skipped == "1 repositories, no new commit"


def test_without_its_cursor_it_asks_for_nothing_that_was_read(ticks, cozo, example):
    ingested(cozo, "example", git(example, "rev-parse", "HEAD"))
    ticks.tick()
    ticks.cursor = "not ours"
    assert not ticks.tick()


def test_a_new_commit_of_the_registered_ref_only_is_requested(ticks, cozo, example):
    git(example, "branch", "stable")
    add_repo(cozo.store(), Repo("stable", str(example), ref="stable"))
    for repo in ("example", "stable"):
        ingested(cozo, repo, git(example, "rev-parse", "HEAD"))
    assert not ticks.tick()
    commit_files(example, {"b.py": "y = 1\n"})
    assert ticks.tick() == ["example"]


def test_another_ref_under_the_same_name_is_requested(ticks, cozo, example):
    first = git(example, "rev-parse", "HEAD")
    git(example, "branch", "stable")
    ingested(cozo, "example", commit_files(example, {"b.py": "y = 1\n"}))
    assert not ticks.tick()
    add_repo(cozo.store(), Repo("example", str(example), ref="stable"))
    assert ticks.tick() == ["example"]
    assert first in ticks.result.run_requests[0].run_key


def test_a_commit_that_comes_back_is_read_again(ticks, cozo, example):
    first = git(example, "rev-parse", "HEAD")
    assert ticks.tick() == ["example"]
    ingested(cozo, "example", first, "1")
    second = commit_files(example, {"b.py": "y = 1\n"})
    assert ticks.tick() == ["example"]
    ingested(cozo, "example", second, "2")
    git(example, "reset", "--hard", first)
    assert ticks.tick() == ["example"]
    ingested(cozo, "example", first, "3")
    assert not ticks.tick()
    git(example, "reset", "--hard", second)
    assert ticks.tick() == ["example"]


def test_a_commit_that_comes_back_is_requested_although_no_run_came_to_its_end(ticks, example):
    first = git(example, "rev-parse", "HEAD")
    assert ticks.tick() == ["example"]
    second = commit_files(example, {"b.py": "y = 1\n"})
    for commit in (first, second, first):
        git(example, "reset", "--hard", commit)
        ticks.tick()
    git(example, "reset", "--hard", second)
    assert ticks.tick() == ["example"]


def test_a_commit_that_went_away_and_came_back_while_it_was_the_last_read_one(ticks, cozo, example):
    first = git(example, "rev-parse", "HEAD")
    ingested(cozo, "example", first)
    second = commit_files(example, {"b.py": "y = 1\n"})
    assert ticks.tick() == ["example"]  # its run fails
    git(example, "reset", "--hard", first)
    assert not ticks.tick()
    git(example, "reset", "--hard", second)
    assert ticks.tick() == ["example"]


def test_history_that_was_rewritten_is_read_like_any_other(ticks, cozo, example, instance):
    ticks.tick()
    ingest(cozo, instance, "example")
    assert not ticks.tick()
    git(example, "checkout", "-q", "--orphan", "fresh")
    rewritten = commit_files(example, {"a.py": None, "c.py": "def g():\n    return 2\n"})
    git(example, "branch", "-M", "fresh", "main")
    git(example, "reflog", "expire", "--expire=now", "--all")
    git(example, "gc", "-q", "--prune=now")
    assert ticks.tick() == ["example"]
    assert ingest(cozo, instance, "example").success
    assert last_read(cozo.store())["example"][0] == rewritten
    assert paths(cozo.store()) == {"c.py"}
    assert not ticks.tick()


def paths(store: CozoStore) -> set[str]:
    return {row["path"] for row in store.run("paths", "?[path] := *source_records{path}")}


def test_a_repository_that_shrinks_to_nothing_is_read_and_keeps_no_row(
    ticks, cozo, example, instance
):
    ticks.tick()
    ingest(cozo, instance, "example")
    assert paths(cozo.store()) == {"a.py"}
    empty = commit_files(example, {"a.py": None})
    assert ticks.tick() == ["example"]
    assert ingest(cozo, instance, "example").success
    assert paths(cozo.store()) == set()
    assert last_read(cozo.store())["example"][0] == empty
    assert not ticks.tick()


def test_an_ingest_that_was_cut_off_is_asked_for_again_though_the_commit_is_the_old_one(
    ticks, cozo, example
):
    ingested(cozo, "example", git(example, "rev-parse", "HEAD"), content="")
    assert ticks.tick() == ["example"]


def test_a_repository_that_cannot_be_read_is_told_in_a_line_and_stops_no_other(
    ticks, cozo, git_repo, instance
):
    for name in ("gone", "there", "unborn"):
        add_repo(cozo.store(), Repo(name, str(git_repo(FILES, name))))
    ticks.tick()
    ingest(cozo, instance, "gone", "there")
    locations = {repo.repo: repo.location for repo in list_repos(cozo.store())}
    shutil.move(locations["gone"], locations["gone"] + "-moved")
    shutil.rmtree(locations["unborn"] + "/.git")
    git(cozo.home_path.parent / "unborn", "init", "-q")
    commit_files(cozo.home_path.parent / "there", {"b.py": "y = 1\n"})
    assert ticks.tick() == ["there"]
    told = sorted(ticks.messages)
    assert [line.partition(":")[0] for line in told] == ["gone", "unborn"]
    assert "does not exist: check the path" in told[0]
    assert "has no commits yet" in told[1]
    assert not any("\n" in line for line in told)
    assert not ticks.tick()
    assert "2 cannot be read (gone, unborn)" in ticks.skipped
    assert "a.py" in paths(cozo.store())  # what was stored of it stays
    shutil.move(locations["gone"] + "-moved", locations["gone"])
    commit_files(cozo.home_path.parent / "gone", {"b.py": "y = 1\n"})
    assert ticks.tick() == ["gone"]


def test_a_url_that_fails_waits_and_the_others_do_not(ticks, cozo, example):
    add_repo(cozo.store(), Repo("dead", f"file://{cozo.home}/nowhere.git"))
    assert ticks.tick() == ["example"]
    assert ticks.messages[0].startswith("dead: file://")
    commit_files(example, {"b.py": "y = 1\n"})
    assert ticks.tick() == ["example"]
    assert not ticks.messages
    ticks.tick()
    assert "1 wait after failures" in ticks.skipped


def test_each_failure_doubles_the_wait_up_to_an_hour():
    cursor, now, waits = CommitCursor(), 1_800_000_000.0, []
    for _ in range(8):
        cursor.failed("dead", now, waits=True)
        start = now
        while not cursor.due("remote", ["dead"], now):
            now += 60
        waits.append(now - start)
    assert waits == [120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_clock_that_was_set_back_keeps_nobody_waiting_for_days():
    cursor = CommitCursor()
    cursor.failed("dead", 1_800_000_000.0, waits=True)
    assert cursor.due("remote", ["dead"], 1_800_000_000.0 - 10 * 86400) == ["dead"]


def test_a_url_is_asked_for_its_newest_commit(ticks, cozo, git_repo):
    folder = git_repo(FILES)
    add_repo(cozo.store(), Repo("remote", folder.as_uri()))
    assert ticks.tick() == ["remote"]
    ingested(cozo, "remote", git(folder, "rev-parse", "HEAD"))
    assert not ticks.tick()
    commit_files(folder, {"b.py": "y = 1\n"})
    assert ticks.tick() == ["remote"]


def test_a_url_that_hangs_delays_neither_the_others_nor_the_next_tick(
    ticks, cozo, example, silent_server, monkeypatch
):
    monkeypatch.setattr("dobby_pipeline.sources.checkout.LS_REMOTE_TIMEOUT_S", 1)
    add_repo(cozo.store(), Repo("hangs", silent_server))
    assert ticks.tick() == ["example"]
    assert "git did not answer within 1 s" in ticks.messages[0]
    ticks.tick()
    assert "1 wait after failures" in ticks.skipped


def test_what_does_not_end_in_time_is_told_and_waits(cozo, example, monkeypatch):
    never = threading.Event()

    def look(repo: Repo) -> str | None:
        if repo.repo == "stuck":
            never.wait()
        return "v1"

    monkeypatch.setattr(sensor, "latest_version", look)
    add_repo(cozo.store(), Repo("stuck", str(example)))
    repos, cursor = list_repos(cozo.store()), CommitCursor()
    tick = sensor.look_at(repos, {}, cursor, budget_s=0.2, grace_s=0.1)
    assert list(tick.requests) == ["example"]
    assert "did not answer in time" in tick.problems["stuck"]
    assert sensor.look_at(repos, {}, cursor, 0.2, 0.1).waiting == 1
    never.set()


def test_a_tick_that_cannot_look_at_all_goes_on_where_it_stopped(cozo, monkeypatch):
    repos = [Repo(f"r{n:03}", "/somewhere", added_at="then") for n in range(30)]
    looked: list[str] = []
    lock = threading.Lock()
    deadline = threading.Event()

    def look(repo: Repo) -> str | None:
        with lock:
            looked.append(repo.repo)
            if len(looked) % 10 == 0:
                deadline.wait()  # no more than ten before the budget is spent
        return "v1"

    monkeypatch.setattr(sensor, "latest_version", look)
    monkeypatch.setattr(sensor, "THREADS", {"local": 1, "remote": 1})
    cursor, requested = CommitCursor(), []
    for _ in range(3):
        deadline.clear()
        timer = threading.Timer(0.4, deadline.set)
        timer.start()
        cursor = CommitCursor.from_json(cursor.to_json())
        tick = sensor.look_at(repos, {}, cursor, budget_s=0.2, grace_s=5)
        requested += sorted(tick.requests)
        assert tick.left == 20
    assert requested == [repo.repo for repo in repos]
    assert cursor.after == {"local": "r029"}


def test_an_error_that_nobody_foresaw_stops_no_other(ticks, cozo, example, git_repo, monkeypatch):
    add_repo(cozo.store(), Repo("odd", str(git_repo(FILES, "odd"))))
    real = sensor.latest_version

    def look(repo: Repo) -> str | None:
        if repo.repo == "odd":
            raise RuntimeError("secret text")
        return real(repo)

    monkeypatch.setattr(sensor, "latest_version", look)
    assert ticks.tick() == ["example"]
    assert "cannot be looked at (RuntimeError)" in ticks.messages[0]
    assert "secret" not in ticks.messages[0]


def test_a_database_is_requested_when_its_files_change_and_once_only(ticks, cozo, tmp_path):
    path = tmp_path / "code.db"
    path.write_bytes(b"SQLite format 3\0 one")
    columns = {"relation": "docs", "key": "id", "code": "body"}
    add_repo(cozo.store(), Repo("docs", str(path), "cozo", columns=columns))
    assert ticks.tick() == ["docs"]
    ingested(cozo, "docs", "a hash of its rows", "1")
    assert not ticks.tick()
    path.write_bytes(b"SQLite format 3\0 two, longer")
    assert ticks.tick() == ["docs"]
    ingested(cozo, "docs", "another hash of its rows", "2")
    assert not ticks.tick()


def test_what_has_no_version_is_left_to_the_nightly_refresh(ticks, cozo, tmp_path):
    add_repo(cozo.store(), Repo("plain", str(tmp_path), worktree=True))
    assert not ticks.tick()
    assert ticks.instance.get_dynamic_partitions("repo") == ["plain"]
    assert not ticks.messages


def test_the_partition_of_a_repository_that_was_removed_goes(ticks, cozo, example):
    ticks.tick()
    remove_repo(cozo.store(), "example")
    ticks.tick()
    assert ticks.instance.get_dynamic_partitions("repo") == []
    assert json.loads(ticks.cursor)["pending"] == {}


def test_a_repository_that_was_removed_and_added_again_is_read_again(ticks, cozo, example):
    assert ticks.tick() == ["example"]
    remove_repo(cozo.store(), "example")
    ticks.tick()
    add_repo(cozo.store(), Repo("example", str(example), added_at="later"))
    assert ticks.tick() == ["example"]


def test_a_partition_stays_until_its_run_has_ended(ticks, cozo, example):
    ticks.tick()
    run = dg.DagsterRun(
        "summarize_repo", status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "example"}
    )
    ticks.instance.add_run(run)
    remove_repo(cozo.store(), "example")
    ticks.tick()
    assert ticks.instance.get_dynamic_partitions("repo") == ["example"]
    assert "its partition goes with its run" in ticks.messages[0]
    ticks.instance.report_run_canceled(run)
    ticks.tick()
    assert ticks.instance.get_dynamic_partitions("repo") == []


def test_a_partition_that_was_deleted_in_the_ui_comes_back(ticks, example):
    ticks.tick()
    ticks.instance.delete_dynamic_partition("repo", "example")
    ticks.tick()
    assert ticks.instance.get_dynamic_partitions("repo") == ["example"]


def test_each_request_stands_in_the_audit_log(ticks, cozo, example):
    ticks.tick()
    ticks.tick()
    events = [e for e in read_events(cozo.store()) if e.action == "requested"]
    assert [(e.actor, e.repo, e.detail) for e in events] == [
        ("sensor:new_commits", "example", {"version": git(example, "rev-parse", "HEAD")})
    ]


def test_it_skips_before_there_is_a_database(instance, tmp_path):
    ticks = Ticks(instance, CozoResource(home=str(tmp_path / "none")))
    assert not ticks.tick()
    assert "nothing is registered" in ticks.skipped
    assert not (tmp_path / "none").exists()


def test_the_cursor_does_not_grow_with_repositories_that_are_up_to_date(ticks, cozo, git_repo):
    folder = git_repo(FILES)
    commit = git(folder, "rev-parse", "HEAD")
    for n in range(20):
        add_repo(cozo.store(), Repo(f"r{n}", str(folder)))
        ingested(cozo, f"r{n}", commit)
    ticks.tick()
    assert json.loads(ticks.cursor) == {"after": {}, "pending": {}, "unreachable": {}}


class Deletes:
    """A reporter that deletes the partition while its run is reading."""

    def __init__(self, instance):
        self.instance = instance

    def to(self, say):
        return lambda _: self.instance.delete_dynamic_partition("repo", "example")


def test_a_partition_that_is_deleted_while_its_run_is_going_loses_nothing(
    ticks, cozo, example, instance
):
    ticks.tick()
    build_defs({"cozo": cozo, "progress": Deletes(instance)}).resolve_job_def(
        "ingest_repo"
    ).execute_in_process(instance=instance, partition_key="example", raise_on_error=False)
    assert paths(cozo.store()) == {"a.py"}
    assert instance.get_dynamic_partitions("repo") == []
    assert not ticks.tick()
    assert instance.get_dynamic_partitions("repo") == ["example"]
    assert ingest(cozo, instance, "example").success
