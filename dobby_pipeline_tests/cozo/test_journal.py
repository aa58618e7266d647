"""The write-ahead logs of an embedded database stay few, and nothing is lost by that."""

import random
from dataclasses import replace

import pytest

from dobby_pipeline.cozo import journal, kept_open
from dobby_pipeline.cozo.journal import MAX_LOG_BYTES, MAX_LOGS, MEMTABLE_BYTES
from dobby_pipeline.cozo.kept_open import KEPT_OPEN


@pytest.fixture(autouse=True)
def opened_for_each_operation(monkeypatch):
    """As it is where processes use the database by turns."""
    monkeypatch.setattr(kept_open, "IDLE_S", 0.0)


def newest_options(store) -> str:
    return max((store.path / "data").glob("OPTIONS-*")).read_text()


def logs(store) -> list[int]:
    return [log.stat().st_size for log in (store.path / "data").glob("*.log")]


def test_many_short_operations_leave_few_logs_and_every_row(empty_store):
    empty_store.run("create", "{:create a {k: Int => v: String}}", write=True)
    most = 0
    for number in range(3 * MAX_LOGS):
        put = "?[k, v] <- [[$k, 'x']] :put a {k => v}"
        empty_store.run("put", put, {"k": number}, write=True)
        most = max(most, len(logs(empty_store)))
    assert MAX_LOGS <= most <= MAX_LOGS + 2
    assert empty_store.run("read", "?[count(k)] := *a{k}") == [{"count(k)": 3 * MAX_LOGS}]


def test_large_transactions_leave_few_bytes_to_replay(empty_store):
    empty_store.run("create", "{:create a {k: Int => v: String}}", write=True)
    for number in range(40):
        put = "?[k, v] <- [[$k, $v]] :put a {k => v}"
        empty_store.run("put", put, {"k": number, "v": "x" * 2**20}, write=True)
        assert sum(logs(empty_store)) <= MAX_LOG_BYTES + 2 * 2**20
    assert empty_store.run("read", "?[sum(n)] := *a{k, v}, n = length(v)") == [
        {"sum(n)": 40.0 * 2**20}
    ]


def test_the_engine_uses_a_small_memtable_and_keeps_a_short_diary(empty_store):
    for _ in range(8):
        empty_store.run("look", "::relations")
    assert f"write_buffer_size={MEMTABLE_BYTES}\n" in newest_options(empty_store)
    assert len(list((empty_store.path / "data").glob("LOG*"))) <= 5


def test_a_process_that_keeps_the_database_has_the_engine_s_memtable_and_leaves_the_small_one(
    empty_store, monkeypatch
):
    monkeypatch.setattr(kept_open, "IDLE_S", 60.0)
    empty_store.run("look", "::relations")  # stays open, with the small one
    with replace(empty_store, lasting=True).held("keep"):
        assert f"write_buffer_size={MEMTABLE_BYTES}\n" not in newest_options(empty_store)
    empty_store.run("look", "::relations")
    assert f"write_buffer_size={MEMTABLE_BYTES}\n" in newest_options(empty_store)
    KEPT_OPEN.close_all()


def test_a_database_of_older_options_gets_those_of_today_and_keeps_its_rows(
    empty_store, monkeypatch
):
    put = "?[k, v] <- $rows :put a {k => v}"
    rows = [[number, "x" * 200] for number in range(2000)]
    with monkeypatch.context() as older:
        for option in ("index_type", "partition_filters", "compaction_style"):
            older.delitem(journal._OPTIONS, option)
        empty_store.run("create", "{:create a {k: Int => v: String}}", write=True)
        for start in range(0, 2000, 200):
            empty_store.run("put", put, {"rows": rows[start : start + 200]}, write=True)
        assert "compaction_style=kCompactionStyleLevel\n" in newest_options(empty_store)
    for start in range(1000, 2000, 200):
        changed = [[number, "y"] for number, _ in rows[start : start + 200]]
        empty_store.run("put", put, {"rows": changed}, write=True)
    options = newest_options(empty_store)
    for name in ("index_type", "partition_filters", "compaction_style"):
        assert f"{name}={journal._OPTIONS[name]}\n" in options
    assert empty_store.run("read", "?[v, count(k)] := *a{k, v}") == [
        {"v": "x" * 200, "count(k)": 1000},
        {"v": "y", "count(k)": 1000},
    ]


def test_tables_do_not_pile_up_although_no_operation_lasts(empty_store, monkeypatch):
    inner, after_flushes = journal.flush, list[int]()

    def flush(path, run):
        written = inner(path, run)
        after_flushes.append(len(list((path / "data").glob("*.sst"))))
        return written

    monkeypatch.setattr(journal, "flush", flush)
    empty_store.run("create", "{:create a {k: String => v: String}}", write=True)
    put = "?[k, v] <- $rows :put a {k => v}"
    for number in range(80):
        made = random.Random(number)
        rows = [[made.randbytes(16).hex(), made.randbytes(200).hex()] for _ in range(500)]
        empty_store.run("put", put, {"rows": rows}, write=True)
    assert len(after_flushes) >= 2
    assert max(after_flushes) <= journal.MAX_TABLES


def test_a_flush_ends_when_the_engine_has_written_out_and_not_when_its_patience_does(
    empty_store, monkeypatch
):
    flush, done = journal.flush, []
    monkeypatch.setattr(journal, "flush", lambda *args: done.append(flush(*args)))
    empty_store.run("create", "{:create a {k: Int => v: String}}", write=True)
    for number in range(2 * MAX_LOGS):
        put = "?[k, v] <- [[$k, 'x']] :put a {k => v}"
        empty_store.run("put", put, {"k": number}, write=True)
    for number in range(2 * MAX_LOGS):  # reads leave a log each, too
        empty_store.run("read", "?[v] := *a{k: $k, v}", {"k": number})
    for number in range(2):
        put = "?[k, v] <- [[$k, $v]] :put a {k => v}"
        empty_store.run("put", put, {"k": number, "v": "x" * MAX_LOG_BYTES}, write=True)
    assert len(done) >= 4
    assert all(done)
