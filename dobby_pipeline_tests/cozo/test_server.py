"""The Cozo server in its own process, asked by pycozo's own http client and by broken ones."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pycozo.client
import pytest
import requests

from dobby_pipeline.cozo.server import MAX_BODY_BYTES
from dobby_pipeline.cozo.store import CozoStore, StoreError, StoreLocked
from dobby_pipeline_tests.cozo.server import CozoServer

TOKEN = "a token"
NOTES = "{:create notes {k: Int => v: String}}"
PUT = "?[k, v] <- $rows :put notes {k => v}"


def client(server: CozoServer, auth: str = TOKEN) -> pycozo.client.Client:
    return pycozo.client.Client("http", options={"host": server.url, "auth": auth}, dataframe=False)


def post(server: CozoServer, path: str, body: object, **options) -> requests.Response:
    headers = {"x-cozo-auth": TOKEN}
    return requests.post(f"{server.url}{path}", json=body, headers=headers, timeout=60, **options)


@pytest.fixture
def server(tmp_path):
    with CozoServer(tmp_path / "home", TOKEN) as running:
        client(running).run(NOTES)
        yield running


def rows(server: CozoServer) -> list[list]:
    return client(server).run("?[k, v] := *notes{k, v}", immutable=True)["rows"]


def test_what_is_written_over_http_is_there_for_the_embedded_store_and_the_other_way(tmp_path):
    embedded = CozoStore(tmp_path / "home" / "cozo")
    embedded.run("create", NOTES, write=True)
    embedded.run("put", PUT, {"rows": [[1, "embedded"]]}, write=True)
    with CozoServer(tmp_path / "home", TOKEN) as server:
        client(server).put("notes", {"k": 2, "v": "served"})
        assert rows(server) == [[1, "embedded"], [2, "served"]]
        assert server.stop() == 0
    read = embedded.run("read", "?[k, v] := *notes{k, v}")
    assert [row["v"] for row in read] == ["embedded", "served"]


def test_two_writers_in_two_processes_lose_nothing_and_readers_see_whole_transactions(server):
    script = (
        "import sys, pathlib; from dobby_pipeline.cozo.store import CozoStore\n"
        "store = CozoStore(pathlib.Path('unused'), sys.argv[1], sys.argv[2])\n"
        "for k in range(int(sys.argv[3]), int(sys.argv[3]) + 40, 2):\n"
        "    rows = [[k, 'x'], [k + 1, 'x']]\n"
        f"    store.run('put', '{PUT}', {{'rows': rows}}, write=True)"
    )
    command = [sys.executable, "-c", script, server.url, TOKEN]
    writers = [subprocess.Popen([*command, str(start)]) for start in (0, 100)]
    seen = [0]
    while any(writer.poll() is None for writer in writers):
        seen.append(len(rows(server)))
    assert [writer.wait() for writer in writers] == [0, 0]
    assert [k for k, _ in rows(server)] == [*range(40), *range(100, 140)]
    assert all(count % 2 == 0 for count in seen)
    assert seen == sorted(seen)


def test_conflicting_writers_are_rerun_until_each_is_counted(server, tmp_path):
    store = CozoStore(tmp_path / "unused", server.url, TOKEN)
    store.run("create", "{:create c {k: Int => n: Int}}", write=True)
    store.run("put", "?[k, n] <- [[1, 0]] :put c {k => n}", write=True)

    def add() -> None:
        for _ in range(10):
            store.run("add", "?[k, n] := *c{k, n: m}, n = m + 1 :put c {k => n}", write=True)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.run("read", "?[n] := *c{n}") == [{"n": 40}]


def test_an_immutable_query_may_not_write(server):
    with pytest.raises(pycozo.client.QueryException) as error:
        client(server).run("?[k, v] <- [[1, 'x']] :put notes {k => v}", immutable=True)
    assert error.value.resp["ok"] is False
    assert rows(server) == []


def test_an_error_of_the_engine_comes_in_its_own_shape(server):
    with pytest.raises(pycozo.client.QueryException) as error:
        client(server).run("?[k] := *nothing{k}")
    assert error.value.code == "query::relation_not_found"
    assert "nothing" in str(error.value)
    with pytest.raises(RuntimeError, match="nothing"):
        client(server).export_relations(["nothing"])
    with pytest.raises(RuntimeError, match="nothing"):
        client(server).import_relations({"nothing": {"headers": ["k"], "rows": [[1]]}})


@pytest.mark.parametrize("path", ["/text-query", "/backup", "/import-from-backup"])
def test_a_wrong_token_or_none_is_refused_before_the_request_is_read(server, path):
    for headers in ({"x-cozo-auth": "wrong"}, {}, {"x-cozo-auth": "é".encode()}):
        answer = requests.post(f"{server.url}{path}", data=b"no JSON", headers=headers, timeout=60)
        assert (answer.status_code, answer.content) == (401, b"")


def test_export_and_a_large_import_bring_every_row_over(server, tmp_path):
    text = "x" * 1000
    large = {"headers": ["k", "v"], "rows": [[k, f"{k}{text}"] for k in range(20_000)]}
    client(server).import_relations({"notes": large})
    exported = client(server).export_relations(["notes"])["notes"]
    assert exported["rows"] == large["rows"]


def test_a_request_over_the_bound_is_refused_in_one_line_and_others_go_on(server, tmp_path):
    store = CozoStore(tmp_path / "unused", server.url, TOKEN)
    too_much = "x" * (MAX_BODY_BYTES + 1)
    with pytest.raises(StoreError, match=r"put the lot: .*server::too_large") as error:
        store.run("put the lot", PUT, {"rows": [[1, too_much]]}, write=True)
    assert "xx" not in str(error.value)
    assert rows(server) == []


@pytest.mark.parametrize(
    "body",
    ["{", "[]", "{}", '{"script": 3}', "[" * 100_000, '{"script": "::relations", "params": 3}'],
)
def test_a_malformed_request_is_refused_in_cozos_shape(server, body):
    headers = {"x-cozo-auth": TOKEN}
    answer = requests.post(f"{server.url}/text-query", data=body, headers=headers, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["ok"] is False
    assert answer.json()["message"]


def test_backup_while_writing_and_restore_give_a_whole_database(server, tmp_path):
    client(server).run("::index create notes:by_v {v}")
    client(server).run(PUT, {"rows": [[k, "before"] for k in range(1000)]})
    stop = threading.Event()

    def write() -> None:
        k = 1000
        while not stop.is_set():
            client(server).run(PUT, {"rows": [[k, "during"], [k + 1, "during"]]})
            k += 2

    writer = threading.Thread(target=write)
    writer.start()
    try:
        client(server).backup("monday")
    finally:
        stop.set()
        writer.join()
    backup = tmp_path / "home" / "backups" / "monday"
    with CozoServer(tmp_path / "other", TOKEN, "--restore", backup) as restored:
        found = rows(restored)
        assert [k for k, _ in found] == list(range(len(found)))
        assert len(found) >= 1000
        assert len(found) % 2 == 0
        by_index = client(restored).run("?[count(k)] := *notes{v: 'before', k}", immutable=True)
        assert by_index["rows"] == [[1000]]


def test_relations_of_a_backup_are_imported_beside_what_is_there(server):
    client(server).run(PUT, {"rows": [[1, "old"]]})
    client(server).backup("b")
    client(server).run(PUT, {"rows": [[1, "new"], [2, "new"]]})
    client(server).import_from_backup("b", ["notes"])
    assert rows(server) == [[1, "old"], [2, "new"]]


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", ".", "sub/../../x"])
def test_backups_stay_in_their_folder(server, name):
    for path, body in (("/backup", {}), ("/import-from-backup", {"relations": ["notes"]})):
        answer = post(server, path, {"path": name, **body})
        assert answer.status_code == 400
        assert "give a name in it" in answer.json()["message"]


def test_a_backup_is_neither_overwritten_nor_taken_from_a_file_that_is_none(server, tmp_path):
    client(server).backup("b")
    with pytest.raises(RuntimeError, match="already"):
        client(server).backup("b")
    (tmp_path / "home" / "backups" / "text").write_text("no backup")
    for name in ("text", "missing"):
        with pytest.raises(RuntimeError, match="is no backup"):
            client(server).import_from_backup(name, ["notes"])
    assert sorted(p.name for p in (tmp_path / "home" / "backups").iterdir()) == ["b", "text"]


def start_of_request(server: CozoServer, length: int) -> socket.socket:
    """A client that says `length` bytes will follow, and sends only the beginning of a write."""
    body = json.dumps({"script": "?[k, v] <- [[7, 'half']] :put notes {k => v}", "params": {}})
    connection = socket.create_connection(("127.0.0.1", server.port))
    head = f"POST /text-query HTTP/1.1\r\nHost: x\r\nx-cozo-auth: {TOKEN}\r\n"
    connection.sendall(f"{head}Content-Length: {length}\r\n\r\n{body}".encode())
    return connection


def test_clients_that_hang_or_drop_in_the_middle_harm_no_other(server):
    with contextlib.ExitStack() as hanging:
        for _ in range(40):  # more than the server has threads
            hanging.enter_context(start_of_request(server, 10_000))
        client(server).put("notes", {"k": 1, "v": "x"})
        assert rows(server) == [[1, "x"]]
    # All of them are gone now, in the middle of their requests: nothing of those was run.
    assert rows(server) == [[1, "x"]]


def test_clients_that_do_not_wait_for_their_answer_harm_no_other(server):
    text = "x" * 1000
    client(server).import_relations(
        {"notes": {"headers": ["k", "v"], "rows": [[k, text] for k in range(5000)]}}
    )
    body = json.dumps({"script": "?[k, v] := *notes{k, v}", "params": {}}).encode()
    head = f"POST /text-query HTTP/1.1\r\nHost: x\r\nx-cozo-auth: {TOKEN}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(request)
            connection.recv(100)
    assert len(rows(server)) == 5000


def test_a_server_that_dies_in_the_middle_is_one_clear_line_and_nothing_acknowledged_is_lost(
    tmp_path,
):
    committed = -1
    with CozoServer(tmp_path / "home", TOKEN) as server:
        store = CozoStore(tmp_path / "unused", server.url, TOKEN)
        store.run("create", NOTES, write=True)
        killer = threading.Timer(0.5, os.kill, (server.process.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(StoreError, match="write 1: no usable answer.*DOBBY_COZO_URL"):
            for k in range(1_000_000):
                store.run("write 1", PUT, {"rows": [[k, "x"]]}, write=True)
                committed = k
    with CozoServer(tmp_path / "home", TOKEN) as again:
        found = [k for k, _ in rows(again)]
    assert found[: committed + 1] == list(range(committed + 1))
    assert len(found) - 1 in (committed, committed + 1)


def test_a_stop_lets_the_queries_under_way_end(server):
    rows_ = [[k, "x"] for k in range(1000)]
    client(server).run(PUT, {"rows": rows_})
    slow = "pairs[count(a)] := *notes{k: a}, *notes{k: b}, a + b > 4 ?[n] := pairs[n]"
    answers: list[list] = []
    asking = threading.Thread(target=lambda: answers.append(client(server).run(slow)["rows"]))
    asking.start()
    while not client(server).run("::running")["rows"]:
        assert asking.is_alive()
        time.sleep(0.01)
    assert server.stop() == 0
    asking.join()
    assert answers == [[[1000 * 1000 - 15]]]


def refused(tmp_path, *options: object, **env: str) -> str:
    """What a server says that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "dobby_pipeline.cli.main", "cozo-server", *map(str, options)],
        env={**os.environ, "DOBBY_HOME": str(tmp_path / "home"), "DOBBY_COZO_AUTH": "x", **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_without_a_token_it_does_not_start(tmp_path):
    assert "set DOBBY_COZO_AUTH" in refused(tmp_path, DOBBY_COZO_AUTH="")


def test_an_address_in_use_is_one_line(server, tmp_path):
    assert f"127.0.0.1:{server.port} cannot be served" in refused(tmp_path, "--port", server.port)


def test_a_database_that_another_process_holds_is_one_line(server, tmp_path):
    with pytest.raises(StoreLocked, match="DOBBY_COZO_URL"):
        CozoStore(tmp_path / "home" / "cozo", lock_wait_s=0.1).run("read", "::relations")
    line = refused(tmp_path, "--port", 0)
    assert re.search("held by another process.*stop that process", line)


def test_only_a_backup_is_restored_and_only_into_an_empty_database(server, tmp_path):
    client(server).run(PUT, {"rows": [[1, "x"]]})
    client(server).backup("b")
    assert server.stop() == 0
    backup = tmp_path / "home" / "backups" / "b"
    assert "is not empty" in refused(tmp_path, "--port", 0, "--restore", backup)
    text = tmp_path / "text"
    text.write_text("no backup")
    assert "is no backup" in refused(tmp_path, "--port", 0, "--restore", text)
    broken = tmp_path / "broken"
    broken.write_bytes(backup.read_bytes()[:3000])
    assert "is no backup" in refused(
        tmp_path, "--port", 0, "--restore", broken, DOBBY_HOME=str(tmp_path / "third")
    )
