"""Dagster's SQLite files are opened by engines that are kept."""

import sqlite3
from pathlib import Path

import dagster as dg
import sqlalchemy
from dagster._core.storage.event_log.sqlite import sqlite_event_log

from dobby_pipeline.engines import MOST, keep_engines


def test_operations_on_one_file_share_an_engine(tmp_path):
    keep_engines()
    first = sqlite_event_log.create_engine(f"sqlite:///{tmp_path}/a.db")
    assert sqlite_event_log.create_engine(f"sqlite:///{tmp_path}/a.db") is first
    assert sqlite_event_log.create_engine(f"sqlite:///{tmp_path}/b.db") is not first


def test_engines_of_many_runs_are_not_all_kept(tmp_path):
    keep_engines()
    engines = [
        sqlite_event_log.create_engine(f"sqlite:///{tmp_path}/{n}.db") for n in range(3 * MOST)
    ]
    assert len(set(map(id, engines))) == 3 * MOST
    assert len(sqlite_event_log.create_engine.kept) <= MOST


def test_to_keep_them_twice_changes_nothing():
    keep_engines()
    kept = sqlite_event_log.create_engine
    keep_engines()
    assert sqlite_event_log.create_engine is kept


def test_what_one_instance_writes_another_one_reads(tmp_path):
    keep_engines()
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as one,
        dg.DagsterInstance.local_temp(str(tmp_path)) as other,
    ):
        one.report_runless_asset_event(dg.AssetMaterialization("a"))
        assert other.get_latest_materialization_event(dg.AssetKey("a"))
        other.wipe_assets([dg.AssetKey("a")])
        assert one.get_latest_materialization_event(dg.AssetKey("a")) is None


def connections(monkeypatch) -> list[str]:
    """The files that SQLite opens from now on."""
    opened: list[str] = []
    connect = sqlite3.dbapi2.connect

    def counted(path, *args, **options):
        opened.append(Path(path).name)
        return connect(path, *args, **options)

    monkeypatch.setattr(sqlite3.dbapi2, "connect", counted)
    return opened


def test_a_file_is_opened_once_for_many_events_and_each_is_there_at_once(tmp_path, monkeypatch):
    keep_engines()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        run = instance.create_run_for_job(dg.GraphDefinition("nothing").to_job())
        instance.report_engine_event("the first", run)
        opened = connections(monkeypatch)
        for number in range(20):
            instance.report_engine_event(f"event {number}", run)
        assert opened == []
        (file,) = (tmp_path / "history" / "runs").glob(f"{run.run_id}.db")
        with sqlite3.connect(file) as other:
            assert other.execute("select count(*) from event_logs").fetchone() == (21,)


def test_an_engine_that_is_kept_no_longer_lets_go_of_its_file(tmp_path):
    keep_engines()
    engine = sqlite_event_log.create_engine(f"sqlite:///{tmp_path}/a.db")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("select 1"))
    engine.dispose()
    assert engine.pool.checkedin() == 1
    for number in range(MOST):
        sqlite_event_log.create_engine(f"sqlite:///{tmp_path}/{number}.db")
    assert engine.pool.checkedin() == 0
