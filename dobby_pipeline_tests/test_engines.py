"""Dagster's SQLite files are opened by engines that are kept."""

import dagster as dg
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
