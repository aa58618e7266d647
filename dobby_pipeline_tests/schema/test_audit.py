"""The audit log on a real store: what it keeps, in which order, and for how long."""

import threading
from pathlib import Path

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.errors import UsageError
from dobby_pipeline.schema.audit import (
    Event,
    person,
    prune_events,
    read_events,
    record_event,
    record_events,
)
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.sources.registry import Repo, add_repo, get_repo, list_repos, remove_repo
from dobby_pipeline_tests.cozo.server import CozoServer


def test_events_are_read_the_newest_first_with_who_did_them(store):
    record_event(store, "exported", "one", {"rows": 3})
    record_event(store, "summarised", "two", {"published": 2}, actor="dagster:run:abc")
    newest, oldest = read_events(store)
    assert (newest.actor, newest.action, newest.repo) == ("dagster:run:abc", "summarised", "two")
    assert newest.detail == {"published": 2}
    assert (oldest.actor, oldest.detail) == (person(), {"rows": 3})
    assert newest.time > oldest.time
    assert [event.repo for event in read_events(store, "one")] == ["one"]
    assert [event.repo for event in read_events(store, limit=1)] == ["two"]


def test_events_of_one_moment_are_all_kept(store):
    record_events(store, [Event("requested", f"r{n}", time="2026-01-01") for n in range(5)])
    assert {event.repo for event in read_events(store)} == {f"r{n}" for n in range(5)}


def test_no_event_opens_no_database(tmp_path):
    record_events(CozoStore(tmp_path / "none"), [])
    assert not (tmp_path / "none").exists()


def test_events_older_than_a_year_are_pruned(store):
    old = Event("registered", "old", time="2020-01-01T00:00:00.000000+00:00")
    record_events(store, [old, Event("registered", "new")])
    assert prune_events(store) == 1
    assert [event.repo for event in read_events(store)] == ["new"]
    assert prune_events(store) == 0


def test_a_user_without_a_name_is_told_by_number(monkeypatch):
    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert person().split("@")[0].isdecimal()


def test_the_registry_writes_who_added_and_removed_and_the_log_outlives_the_repo(store, git_repo):
    folder = git_repo({"a.py": ""})
    add_repo(store, Repo("example", str(folder)))
    add_repo(store, Repo("example", str(folder)))
    remove_repo(store, "example")
    assert [(e.action, e.repo, e.detail["location"]) for e in read_events(store, "example")] == [
        ("removed", "example", str(folder)),
        ("registered", "example", str(folder)),
    ]


def test_of_two_that_register_one_name_at_once_one_is_refused(tmp_path, git_repo):
    folders = [git_repo({"a.py": str(n)}, f"r{n}") for n in range(2)]
    with CozoServer(tmp_path / "home", auth="x") as server:
        store = CozoStore(Path(), url=server.url, auth="x")
        migrate(store)
        start, refused = threading.Barrier(2), list[str]()

        def register(folder: Path) -> None:
            start.wait()
            try:
                add_repo(store, Repo("same", str(folder)))
            except UsageError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=register, args=[folder]) for folder in folders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 1
        assert "'same'" in refused[0]
        assert get_repo(store, "same").location in refused[0]
        assert len(list_repos(store)) == 1
        assert len(read_events(store)) == 1
