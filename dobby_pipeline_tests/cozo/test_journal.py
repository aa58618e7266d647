"""The write-ahead logs of an embedded database stay few, and nothing is lost by that."""

from dobby_pipeline.cozo.journal import MAX_LOG_BYTES, MAX_LOGS, MEMTABLE_BYTES


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
    newest = max((empty_store.path / "data").glob("OPTIONS-*")).read_text()
    assert f"write_buffer_size={MEMTABLE_BYTES}\n" in newest
    assert len(list((empty_store.path / "data").glob("LOG*"))) <= 5
