"""The store on real databases: a temporary RocksDB, and a server that speaks Cozo's protocol."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import dobby_pipeline.cozo.store as store_module
from dobby_pipeline.cozo import kept_open
from dobby_pipeline.cozo.kept_open import KEPT_OPEN
from dobby_pipeline.cozo.store import CozoStore, StoreError, StoreLocked
from dobby_pipeline_tests.cozo.server import CozoServer

HOLD = """
import sys, time
from pathlib import Path
from dobby_pipeline.cozo.store import CozoStore
with CozoStore(Path(sys.argv[1])).held("hold"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(path: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process that keeps the database open."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture(params=["embedded", "http"])
def any_store(request, tmp_path):
    """The same store, embedded and over http: the rest of the code cannot tell which."""
    if request.param == "embedded":
        yield CozoStore(tmp_path / "cozo")
        return
    with CozoServer(tmp_path / "home", "secret") as server:
        yield CozoStore(tmp_path / "unused", url=server.url, auth="secret")


def test_a_range_filter_keeps_the_row_at_its_border(any_store):
    any_store.run("create", "{:create s {k: Int => v: Int}}", write=True)
    any_store.run("put", "?[k, v] <- [[1, 1], [3, 3], [4, 4]] :put s {k => v}", write=True)
    rows = any_store.run("range", "?[k, v] := *s{k, v}, k >= 3")
    assert rows == [{"k": 3, "v": 3}, {"k": 4, "v": 4}]


def test_an_index_lookup_returns_columns_outside_the_index(any_store):
    any_store.run("create", "{:create f {b: Int => h: String, t: String}}", write=True)
    any_store.run("index", "::index create f:h {h}", write=True)
    any_store.run("put", "?[b, h, t] <- [[1, 'h1', 'x'], [2, 'h2', 'y']] :put f", write=True)
    assert any_store.run("index", "?[b, t] := *f{h: 'h1', b, t}") == [{"b": 1, "t": "x"}]


def test_a_script_of_several_blocks_is_one_transaction(any_store):
    any_store.run("create", "{:create a {k: Int}}", write=True)
    with pytest.raises(StoreError):
        any_store.run("two", "{?[k] <- [[1]] :put a {k}} {?[k] <- [['x']] :put a {k}}", write=True)
    assert any_store.run("read", "?[k] := *a{k}") == []


def test_reading_may_not_write(any_store):
    any_store.run("create", "{:create a {k: Int}}", write=True)
    with pytest.raises(StoreError):
        any_store.run("sneak", "?[k] <- [[1]] :put a {k}")
    assert any_store.run("read", "?[k] := *a{k}") == []


def test_an_error_names_the_query_and_the_relation_but_no_data(any_store):
    any_store.run("create", "{:create a {k: Int}}", write=True)
    with pytest.raises(StoreError) as error:
        script = "?[k] <- $rows :put a {k}"
        any_store.run("write a", script, {"rows": [["hunter2"]]}, write=True)
    assert "write a" in str(error.value)
    assert "on a " in str(error.value)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


def test_values_are_parameters_so_a_hostile_text_stays_a_text(any_store):
    hostile = "'} {::remove a} {?[k] <- [['"
    any_store.run("create", "{:create a {k: String}}", write=True)
    any_store.run("put", "?[k] <- $rows :put a {k}", {"rows": [[hostile]]}, write=True)
    assert any_store.run("read", "?[k] := *a{k}") == [{"k": hostile}]


def test_a_wrong_token_is_refused_with_a_line_that_names_the_setting(tmp_path):
    with CozoServer(tmp_path / "home", "secret") as server:
        store = CozoStore(tmp_path, url=server.url, auth="wrong")
        with pytest.raises(StoreError, match="DOBBY_COZO_AUTH"):
            store.run("read", "::relations")


def test_a_server_that_is_not_there_is_one_clear_line(tmp_path):
    store = CozoStore(tmp_path, url="http://127.0.0.1:9", auth="x")
    with pytest.raises(StoreError, match="DOBBY_COZO_URL"):
        store.run("read", "::relations")


def test_an_operation_waits_until_another_process_lets_go(empty_store):
    process = hold(empty_store.path, 1.0)
    assert empty_store.run("read", "::relations") == []
    assert process.wait(10) == 0


def test_a_database_that_stays_held_is_refused_with_what_to_do(empty_store):
    process = hold(empty_store.path, 60)
    try:
        impatient = CozoStore(empty_store.path, lock_wait_s=0.5)
        with pytest.raises(StoreLocked, match="held by another process.*stop that process"):
            impatient.run("read", "::relations")
    finally:
        process.kill()
        process.wait()


def test_threads_and_processes_write_side_by_side_and_lose_nothing(empty_store):
    empty_store.run("create", "{:create n {k: Int}}", write=True)
    script = (
        "import sys; from pathlib import Path; from dobby_pipeline.cozo.store import CozoStore\n"
        "for k in range(100, 120):\n"
        "    CozoStore(Path(sys.argv[1])).run('put', f'?[k] <- [[{k}]] :put n {{k}}', write=True)"
    )
    other = subprocess.Popen([sys.executable, "-c", script, str(empty_store.path)])

    def put(start: int) -> None:
        for k in range(start, start + 20):
            empty_store.run("put", "?[k] <- $r :put n {k}", {"r": [[k]]}, write=True)

    threads = [threading.Thread(target=put, args=(start,)) for start in (0, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait(60) == 0
    rows = empty_store.run("read", "?[k] := *n{k}")
    assert [row["k"] for row in rows] == [*range(40), *range(100, 120)]


def test_conflicting_transactions_are_rerun_until_each_is_counted(empty_store):
    empty_store.run("create", "{:create c {k: Int => n: Int}}", write=True)
    empty_store.run("put", "?[k, n] <- [[1, 0]] :put c {k => n}", write=True)
    with empty_store.held("count") as held:

        def add() -> None:
            for _ in range(25):
                script = "?[k, n] := *c{k, n: m}, n = m + 1 :put c {k => n}"
                held.run("add", script, write=True)

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert empty_store.run("read", "?[n] := *c{n}") == [{"n": 100}]


def test_a_file_in_the_databases_place_is_told_by_name(tmp_path):
    (tmp_path / "cozo").write_text("not a database")
    with pytest.raises(StoreError, match="cannot be used.*DOBBY_HOME"):
        CozoStore(tmp_path / "cozo").run("read", "::relations")


def test_a_full_disk_is_told_and_what_was_committed_is_kept(small_disk):
    store = CozoStore(small_disk / "cozo")
    store.run("create", "{:create t {k: Int => v: String}}", write=True)
    put = "?[k, v] <- $rows :put t {k => v}"
    committed = -1
    with pytest.raises(StoreError, match="free some space|cannot be used"):
        for k in range(1000):
            store.run("fill", put, {"rows": [[k, os.urandom(50_000).hex()]]}, write=True)
            committed = k
    for leftover in small_disk.glob("ballast"):
        leftover.unlink()
    rows = store.run("read", "?[k] := *t{k}")
    assert [row["k"] for row in rows][: committed + 1] == list(range(committed + 1))
    assert committed >= 0


def test_a_read_only_disk_is_told_with_what_to_do(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match="make it writable|DOBBY_HOME"):
        CozoStore(small_disk / "cozo").run("read", "::relations")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip("only root can mount a small disk")
    (folder / "ballast").write_bytes(b"\0" * 2_000_000)
    yield folder
    for _ in range(20):
        if subprocess.run(["umount", str(folder)], capture_output=True).returncode == 0:
            break
        time.sleep(0.1)


READ = """
import sys
from pathlib import Path
from dobby_pipeline.cozo.store import CozoStore, StoreLocked
try:
    CozoStore(Path(sys.argv[1]), lock_wait_s=float(sys.argv[2])).run("read", "?[a] := a = 1")
    print("read")
except StoreLocked:
    print("locked")
"""


BUSY = """
import sys
from pathlib import Path
from dobby_pipeline.cozo.store import CozoStore
store = CozoStore(Path(sys.argv[1]))
store.run("read", "?[a] := a = 1")
print("begun", flush=True)
while True:
    store.run("read", "?[a] := a = 1")
"""


def read_elsewhere(path: Path, wait_s: float) -> str:
    """What comes of an operation in another process."""
    command = [sys.executable, "-c", READ, str(path), str(wait_s)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def openings(monkeypatch) -> list[Path]:
    """The folders that are opened from now on."""
    opened: list[Path] = []
    inner = store_module._EmbeddedClient.__init__

    def counted(client: object, path: Path) -> None:
        opened.append(path)
        inner(client, path)

    monkeypatch.setattr(store_module._EmbeddedClient, "__init__", counted)
    return opened


def test_operations_that_follow_each_other_open_the_database_once(store, monkeypatch):
    KEPT_OPEN.close_all()
    opened = openings(monkeypatch)
    monkeypatch.setattr(kept_open, "IDLE_S", 60.0)
    monkeypatch.setattr(kept_open, "TURN_S", 0.1)
    for _ in range(3):
        store.run("read", "::relations")
        time.sleep(0.2)
    assert len(opened) == 1


def test_a_database_that_is_kept_is_let_go_for_another_process(store, monkeypatch):
    monkeypatch.setattr(kept_open, "IDLE_S", 3600.0)
    store.run("read", "::relations")
    assert read_elsewhere(store.path, 30) == "read"


def test_a_database_that_lingers_for_another_process_is_not_told_to_be_free(store, monkeypatch):
    for name in ("IDLE_S", "LINGER_S", "TURN_S"):
        monkeypatch.setattr(kept_open, name, 60.0)
    store.run("read", "::relations")
    assert read_elsewhere(store.path, 0.1) == "locked"
    KEPT_OPEN.close_all()
    assert read_elsewhere(store.path, 0.1) == "read"


def test_a_program_that_knows_nothing_of_the_lock_has_its_turn(store, monkeypatch):
    """However many operations follow, the database is closed now and then."""
    KEPT_OPEN.close_all()
    opened = openings(monkeypatch)
    monkeypatch.setattr(kept_open, "KEEP_S", 0.0)
    for _ in range(3):
        store.run("read", "::relations")
    assert len(opened) == 3


def test_a_folder_that_cannot_be_asked_about_is_let_go(store, monkeypatch):
    monkeypatch.setattr(kept_open, "TURN_S", 0.0)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    KEPT_OPEN.close_all()
    opened = openings(monkeypatch)
    monkeypatch.setattr(kept_open.fcntl, "flock", refuse)
    for _ in range(2):
        store.run("read", "::relations")
    assert len(opened) == 2


def test_a_database_is_let_go_when_nobody_uses_it(store, monkeypatch):
    monkeypatch.setattr(kept_open, "_is_wanted", lambda _: False)
    store.run("read", "::relations")
    assert read_elsewhere(store.path, 30) == "read"


def test_a_turn_ends_however_many_operations_follow_if_another_process_waits(store, monkeypatch):
    KEPT_OPEN.close_all()
    opened = openings(monkeypatch)
    monkeypatch.setattr(kept_open, "TURN_S", -1.0)
    with kept_open.wanting(store.path):
        for _ in range(3):
            store.run("read", "::relations")
    assert len(opened) == 3


def test_processes_that_never_pause_have_their_turns(store):
    """Each would keep it for ever if it did not look after its own operations as well."""
    command = [sys.executable, "-c", BUSY, str(store.path)]
    busy = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for process in busy:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
        for _ in range(3):
            assert read_elsewhere(store.path, 60) == "read"
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_an_engine_that_failed_is_not_kept(store, monkeypatch):
    KEPT_OPEN.close_all()
    opened = openings(monkeypatch)
    for _ in range(2):
        with pytest.raises(StoreError):
            store.run("read", "?[a] := *nothing{a}")
    assert len(opened) == 2
