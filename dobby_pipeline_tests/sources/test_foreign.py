"""Cozo relations and Parseltongue databases as sources: real databases, all kinds of bad ones."""

import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from mnestic import CozoDbPy

from dobby_pipeline.cozo import kept_open
from dobby_pipeline.cozo.store import CozoStore, StoreLocked
from dobby_pipeline.errors import UsageError
from dobby_pipeline.settings import Settings
from dobby_pipeline.sources import foreign_copy, foreign_database
from dobby_pipeline.sources.foreign import foreign_source
from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.open_source import (
    check_source,
    detect_kind,
    latest_version,
    open_source,
)
from dobby_pipeline.sources.parts import MAX_PART_BYTES
from dobby_pipeline.sources.reader import GitSource
from dobby_pipeline.sources.records import KINDS, FileContent, ListedFile, Reference, SourceRecord
from dobby_pipeline.sources.registry import Repo, add_repo, checked, get_repo, list_repos
from dobby_pipeline.sources.skip_rules import MAX_FILE_BYTES
from dobby_pipeline_tests.cozo.server import CozoServer

REAL = Path(__file__).parents[3] / "shared" / "data" / "parseltongue"
needs_real = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real Parseltongue databases are not beside the repository"
)

COZO = {"relation": "snippets", "key": "id", "code": "body"}
WITH_PATH = {**COZO, "path": "file", "language": "lang"}
ADD = "def add(a, b):\n    '''Adds two numbers.'''\n    return a + b\n"

COLUMNS_13 = (
    "ISGL1_key: String => Current_Code: String?, Future_Code: String?, "
    "interface_signature: String, TDD_Classification: String, lsp_meta_data: String?, "
    "current_ind: Bool, future_ind: Bool, Future_Action: String?, file_path: String, "
    "language: String, last_modified: String, entity_type: String"
)
COLUMNS_17 = (
    f"{COLUMNS_13}, entity_class: String, birth_timestamp: Int?, content_hash: String?, "
    "semantic_path: String?"
)
COLUMNS_19 = f"{COLUMNS_17}, root_subfolder_L1: String, root_subfolder_L2: String"


def signature(name: str, start: int, end: int, documentation: str | None = None) -> str:
    lines = {"start": start, "end": end}
    return json.dumps(
        {"name": name, "visibility": "Public", "line_range": lines, "documentation": documentation}
    )


MAIN = "rust:fn:main:src_main_rs:3-5"
HELP = "rust:method:help:src_main_rs:8-10"
IMPL = "rust:impl:Tool:src_main_rs:7-11"
RUBY = "ruby:const:LIMIT:lib_a_rb:1-1"
UNRESOLVED = "rust:fn:println:unresolved-reference:0-0"
EXTERNAL = "rust:module:serde:external-dependency-serde:0-0"
GRAPH = [
    # key, code, signature, file_path, language, entity_type
    (MAIN, "fn main() {\n    help();\n}", signature("main", 3, 5, "Starts."), "./src/main.rs"),
    (HELP, "    /// Helps.\n    fn help(&self) {\n    }", signature("help", 8, 10), "src/main.rs"),
    (IMPL, "impl Tool {\n    fn help(&self) {}\n}", "not json", "./src/main.rs"),
    (RUBY, "LIMIT = 3", "[]", "./lib/a.rb"),
    (UNRESOLVED, None, "{}", ""),
    (EXTERNAL, "", "{}", "external-dependency-serde"),
]
TYPES = {
    MAIN: ("rust", "function"),
    HELP: ("rust", "method"),
    IMPL: ("rust", '{"ImplBlock":{}}'),
    RUBY: ("ruby", "variable"),
    UNRESOLVED: ("rust", "function"),
    EXTERNAL: ("rust", "module"),
}
EDGES = [
    (MAIN, HELP, "Calls", "./src/main.rs:4"),
    (MAIN, UNRESOLVED, "Calls", "./src/main.rs:4"),
    ("rust:method:help:src/main.rs:8-10", MAIN, "Uses", None),
    ("rust:file:./src/main.rs:1-1", EXTERNAL, "Uses", "./src/main.rs:1"),
    ("rust:fn:gone:./src/gone.rs:1-2", MAIN, "Calls", "./src/gone.rs:1"),
]


@contextmanager
def database(path: Path, engine: str = "rocksdb") -> Iterator[Any]:
    opened = CozoDbPy(engine, str(path), "{}")
    try:
        yield opened
    finally:
        opened.close()


def put(opened: Any, relation: str, columns: str, rows: list[list[Any]]) -> None:
    names = columns.replace("=>", ",")
    opened.run_script(f"?[{names}] <- $rows :put {relation} {{{columns}}}", {"rows": rows}, False)


def write_snippets(opened: Any, rows: list[list[Any]] | None = None) -> None:
    opened.run_script(":create snippets {id => body, file, lang}", {}, False)
    rows = [["a", ADD, "m.py", "Python"]] if rows is None else rows
    put(opened, "snippets", "id => body, file, lang", rows)


@pytest.fixture
def snippets(tmp_path):
    """Makes a RocksDB database with a relation `snippets {id => body, file, lang}`."""

    def make(rows: list[list[Any]] | None = None, name: str = "snippets.db") -> Path:
        with database(tmp_path / name) as opened:
            write_snippets(opened, rows)
        return tmp_path / name

    return make


def write_graph(opened: Any, columns: str = COLUMNS_13, *, edges: bool = True) -> None:
    opened.run_script(f":create CodeGraph {{{columns}}}", {}, False)
    names = [part.split(":")[0].strip() for part in columns.replace("=>", ",").split(",")]
    rows: list[list[Any]] = []
    for key, code, interface, path in GRAPH:
        language, entity = TYPES[key]
        row = {
            "ISGL1_key": key,
            "Current_Code": code,
            "interface_signature": interface,
            "TDD_Classification": "{}",
            "current_ind": True,
            "future_ind": False,
            "file_path": path,
            "language": language,
            "last_modified": "2026-01-01",
            "entity_type": entity,
            "entity_class": "CODE",
            "root_subfolder_L1": "src",
            "root_subfolder_L2": "",
        }
        rows.append([row.get(name) for name in names])
    put(opened, "CodeGraph", f"{names[0]} => {', '.join(names[1:])}", rows)
    if edges:
        opened.run_script(
            ":create DependencyEdges {from_key: String, to_key: String, edge_type: String "
            "=> source_location: String?}",
            {},
            False,
        )
        head = "from_key, to_key, edge_type => source_location"
        put(opened, "DependencyEdges", head, [list(edge) for edge in EDGES])


def graph(path: Path, columns: str = COLUMNS_13, *, edges: bool = True) -> Path:
    with database(path) as opened:
        write_graph(opened, columns, edges=edges)
    return path


def read(
    home: Path, location: Path | str, kind: str = "cozo", columns: dict[str, str] | None = None
) -> dict[ListedFile, FileContent]:
    columns = COZO if columns is None and kind == "cozo" else columns or {}
    with open_source(Repo("x", str(location), kind, columns=columns), home) as source:
        return {file: source.read(file) for file in source.files()}


def records(found: dict[ListedFile, FileContent]) -> list[SourceRecord]:
    return [record for content in found.values() for record in content.records]


def ledger(found: dict[ListedFile, FileContent]) -> dict[str, str]:
    for file, content in found.items():
        assert content.reason == file.reason
    return {file.path: file.reason for file in found if file.reason}


def state(path: Path) -> dict[str, tuple[str, int, int]]:
    files = [path, *path.rglob("*")] if path.is_dir() else sorted(path.parent.glob(path.name + "*"))
    return {
        str(file): (
            hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "",
            file.stat().st_mtime_ns,
            file.stat().st_size,
        )
        for file in files
    }


@contextmanager
def untouched(home: Path, location: Path) -> Iterator[None]:
    """The original is as it was, and no copy stays."""
    before = state(location)
    yield
    assert state(location) == before
    assert list((home / "foreign").iterdir()) == []


def refused(home: Path, location: Path | str, match: str, **options: Any) -> str:
    with pytest.raises(SourceError, match=match) as caught:
        read(home, location, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert str(location) in line
    assert not (home / "foreign").exists() or list((home / "foreign").iterdir()) == []
    return line


# The real databases


@needs_real
@pytest.mark.parametrize(
    ("name", "files", "count", "references"),
    [
        ("greeter-v0.7.db", 1, 4, 0),
        ("quick-v0.8.db", 8, 72, 0),
        # 4,576 edges, of which 473 start in one of the 22 files that have rows.
        ("workspace-v0.9.db", 22, 142, 473),
    ],
)
def test_a_real_parseltongue_database_is_read_whole(tmp_path, name, files, count, references):
    with untouched(tmp_path, REAL / name):
        found = read(tmp_path, REAL / name, "parseltongue")
    assert (len(found), ledger(found)) == (files, {})
    rows = records(found)
    assert len(rows) == len({row.symbol for row in rows}) == count
    assert sum(ref.count for content in found.values() for ref in content.references) == references
    for file, content in found.items():
        assert file.bytes == sum(len(record.code.encode()) for record in content.records)
        symbols = {record.symbol for record in content.records}
        assert {ref.symbol for ref in content.references} <= symbols | {""}
    for row in rows:
        assert row.name == row.symbol
        assert row.kind in KINDS
        assert row.end_line - row.start_line == row.code.count("\n")
        assert row.content_hash == hashlib.sha256(row.code.encode()).hexdigest()


@needs_real
def test_the_lines_and_the_signature_of_a_real_row_are_those_of_its_code(tmp_path):
    found = read(tmp_path, REAL / "greeter-v0.7.db", "parseltongue")
    first = records(found)[0]
    assert first.symbol == "rust:fn:hello:greeter_src_lib_rs:4-6"
    assert (first.path, first.language, first.kind) == ("greeter/src/lib.rs", "rust", "function")
    assert (first.start_line, first.end_line) == (4, 6)
    assert first.signature == "pub fn hello(name: &str) -> String"


# Parseltongue's versions


@pytest.mark.parametrize("columns", [COLUMNS_13, COLUMNS_17, COLUMNS_19])
def test_each_version_of_parseltongue_s_relation_gives_the_same(tmp_path, columns):
    location = graph(tmp_path / "graph.db", columns)
    with untouched(tmp_path, location):
        found = read(tmp_path, location, "parseltongue")
    assert ledger(found) == {UNRESOLVED: "placeholder", EXTERNAL: "placeholder"}
    assert [(file.path, file.bytes) for file in found if not file.reason] == [
        ("lib/a.rb", 9),
        ("src/main.rs", sum(len(code or "") for _, code, _, path in GRAPH if "main.rs" in path)),
    ]
    by_symbol = {record.symbol: record for record in records(found)}
    assert list(by_symbol) == [RUBY, MAIN, IMPL, HELP]
    main = by_symbol[MAIN]
    assert (main.start_line, main.end_line, main.docstring) == (3, 5, "Starts.")
    assert (main.name, main.signature) == (MAIN, "fn main()")
    helps = by_symbol[HELP]
    assert (helps.kind, helps.docstring, helps.code) == ("method", "Helps.", GRAPH[1][1])
    impl = by_symbol[IMPL]
    assert (impl.kind, impl.start_line, impl.end_line) == ("type", 7, 11)
    assert impl.signature == "impl Tool"
    assert by_symbol[RUBY].language == "ruby"


def test_edges_are_references_of_the_row_or_else_the_file_that_they_start_from(tmp_path):
    found = read(tmp_path, graph(tmp_path / "graph.db"), "parseltongue")
    references = [ref for content in found.values() for ref in content.references]
    assert references == [
        Reference("", "uses", EXTERNAL),
        Reference(MAIN, "calls", UNRESOLVED),
        Reference(MAIN, "calls", HELP),
        Reference(HELP, "uses", MAIN),
    ]
    names = {record.name for record in records(found)}
    assert {HELP, MAIN} <= names


def test_a_graph_without_edges_has_no_references(tmp_path):
    found = read(tmp_path, graph(tmp_path / "graph.db", edges=False), "parseltongue")
    assert len(records(found)) == 4
    assert not any(content.references for content in found.values())


def test_a_graph_is_also_read_from_a_server(tmp_path, served):
    with database(tmp_path / "mem", "mem"):
        pass
    location, run = served
    run(write_graph)
    found = read(tmp_path, location, "parseltongue")
    assert (len(records(found)), len(ledger(found))) == (4, 2)


def test_a_placeholder_named_like_a_file_keeps_both_apart(tmp_path):
    with database(tmp_path / "graph.db") as opened:
        opened.run_script(
            ":create CodeGraph {ISGL1_key: String => Current_Code: String?, file_path: String}",
            {},
            False,
        )
        rows = [["a", "fn a() {}", "b\nc"], ["b\nc", None, ""], ["b\\nc", "", ""], ["d", " ", ""]]
        put(opened, "CodeGraph", "ISGL1_key => Current_Code, file_path", rows)
    found = read(tmp_path, tmp_path / "graph.db", "parseltongue")
    assert [file.path for file in found] == ["b\nc", "b\\nc", "b\\nc#2", "d"]


# Any relation


@pytest.fixture
def served(tmp_path_factory):
    """A Cozo server's address, and what runs a function on the database behind it."""
    with CozoServer(tmp_path_factory.mktemp("served"), "the token") as server:

        class Client:
            def run_script(self, script: str, params: dict[str, Any], immutable: bool) -> None:
                body = {"script": script, "params": params, "immutable": immutable}
                headers = {"x-cozo-auth": "the token"}
                url = f"{server.url}/text-query"
                requests.post(url, json=body, headers=headers, timeout=30).raise_for_status()

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOBBY_SOURCE_COZO_AUTH", "the token")
            yield server.url, lambda function: function(Client())


def odd_rows() -> list[list[Any]]:
    return [
        ["add", ADD, "src/math.py", "PYTHON"],
        ["two", "def one(): pass\n\ndef two(): pass", "src/math.py", None],
        ["go", "func Run() {}", "src/run.go", None],
        ["prose", "Once upon a time", "notes", "Old English"],
        ["query", "select 1;", "q", "SQL"],
        ["null", None, "src/math.py", "python"],
        ["blank", " \n", "src/math.py", "python"],
        ["number", 3, "src/math.py", "python"],
        ["list", ["def f(): pass"], "", "python"],
        ["nul", "a\0b", "src/math.py", "python"],
        ["large", "x" * (MAX_FILE_BYTES + 1), "src/math.py", "python"],
        ["wide", "é" * (MAX_FILE_BYTES - 1), "src/math.py", "python"],
        ["whole", "#".ljust(MAX_FILE_BYTES, "x"), "big.py", "python"],
        ["pathless", "x = 1", None, "python"],
    ]


REASONS = {
    "src/math.py::blank": "no_code",
    "src/math.py::null": "no_code",
    "src/math.py::number": "no_code",
    "list": "no_code",
    "src/math.py::nul": "binary",
    "src/math.py::large": "too_large",
    "src/math.py::wide": "too_large",
}


def check_odd(found: dict[ListedFile, FileContent]) -> None:
    assert ledger(found) == REASONS
    by_symbol = {record.symbol: record for record in records(found)}
    assert len(by_symbol) + len(REASONS) == len(odd_rows())
    add = by_symbol["add"]
    assert (add.path, add.language, add.kind, add.name) == (
        "src/math.py",
        "python",
        "function",
        "add",
    )
    assert (add.signature, add.docstring) == ("def add(a, b)", "Adds two numbers.")
    assert (add.start_line, add.end_line, add.code) == (1, 3, ADD)
    two = by_symbol["two"]
    assert (two.name, two.kind, two.signature) == ("two", "function", "def one(): pass")
    assert (by_symbol["go"].language, by_symbol["go"].name) == ("go", "Run")
    assert by_symbol["prose"].language == "old english"
    assert by_symbol["query"].language == "sql"
    assert (by_symbol["pathless"].path, by_symbol["pathless"].language) == ("pathless", "python")
    assert len(by_symbol["whole"].code) == MAX_FILE_BYTES


@pytest.mark.parametrize("engine", ["rocksdb", "sqlite"])
def test_any_relation_is_read_whatever_its_rows_hold(tmp_path, engine):
    location = tmp_path / "x.db"
    with database(location, engine) as opened:
        write_snippets(opened, odd_rows())
    with untouched(tmp_path, location):
        check_odd(read(tmp_path, location, columns=WITH_PATH))


def test_any_relation_is_read_from_a_server_too(tmp_path, served):
    location, run = served
    run(lambda opened: write_snippets(opened, odd_rows()))
    check_odd(read(tmp_path, location, columns=WITH_PATH))


def test_without_a_path_column_each_key_is_its_own_path(tmp_path, snippets):
    rows = [["b.py", ADD, "", ""], ["a", "text", "", ""], [[1, "x"], "list", "", ""]]
    found = read(tmp_path, snippets(rows))
    assert [(record.path, record.symbol) for record in records(found)] == [
        ('[1, "x"]', '[1, "x"]'),
        ("a", "a"),
        ("b.py", "b.py"),
    ]
    assert [record.language for record in records(found)] == ["text", "text", "python"]


def test_rows_of_one_key_are_numbered_as_in_git(tmp_path, snippets):
    rows = [[n, f"code {n}", "f", key] for n, key in enumerate(["k", "k#2", "k", "k", ""])]
    rows.append([9, None, "f", "k"])
    columns = {**COZO, "key": "lang", "path": "file"}
    found = read(tmp_path, snippets(rows), columns=columns)
    assert [record.symbol for record in records(found)] == ["k", "k#2", "k#3", "k#4", ""]
    assert ledger(found) == {"f::k": "no_code"}


def test_the_class_around_its_methods_is_the_one_symbol_of_its_code(tmp_path, snippets):
    text = "    class A(B):\n        def f(self):\n            return 1"
    (record,) = records(read(tmp_path, snippets([["x.py", text, "", ""]])))
    assert (record.kind, record.name, record.signature) == ("class", "A", "class A(B)")
    assert record.code == text


def test_code_that_cannot_be_parsed_is_a_function_with_its_first_line(tmp_path, snippets):
    rows = [["x.js", "[" * 200_000, "", ""], ["y.js", "f(\n)" + "x" * 9, "", ""]]
    first, second = records(read(tmp_path, snippets(rows)))
    assert (first.kind, first.signature[-1], len(first.signature)) == ("function", "…", 400)
    assert second.signature == "f"


@pytest.mark.parametrize("language", ["python", "cobol"])
def test_large_code_is_cut_into_parts_that_are_the_whole_of_it(tmp_path, snippets, language):
    code = "".join(f"def größe_{n}(a):\n    return a + {n}\n\n\n" for n in range(400))
    rows = [["large", code, "", language], ["small", ADD, "", language]]
    found = read(tmp_path, snippets(rows), columns={**COZO, "language": "lang"})
    large, small = records(found)
    assert small.parts == ()
    pieces = [code[start:end] for start, end in large.parts]
    assert "".join(pieces) == code
    assert len(pieces) > 3
    assert all(len(piece.encode()) <= MAX_PART_BYTES for piece in pieces)
    assert all(piece.endswith("\n") for piece in pieces)


def test_many_threads_read_what_one_reads(tmp_path, snippets):
    location = snippets([[f"{n}.py", f"{ADD}# {n}", "", ""] for n in range(300)])
    with open_source(Repo("x", str(location), "cozo", columns=COZO), tmp_path) as source:
        with ThreadPoolExecutor(8) as pool:
            pending = {file: pool.submit(source.read, file) for file in source.files()}
        read_by_threads = {file: content.result() for file, content in pending.items()}
        assert read_by_threads == {file: source.read(file) for file in source.files()}
    assert len(read_by_threads) == 300


def test_two_states_with_the_same_rows_have_one_version(tmp_path, snippets):
    one, two = snippets(name="one.db"), snippets(name="two.db")
    other = snippets([["a", ADD + "#", "m.py", "Python"]], name="other.db")

    def version(location: Path) -> str:
        with open_source(Repo("x", str(location), "cozo", columns=COZO), tmp_path) as source:
            assert source.version == source.content
            return source.version

    assert version(one) == version(two) != version(other)


def test_a_blob_changes_with_whatever_the_rows_of_its_file_say(tmp_path):
    blobs: list[dict[str, str]] = []
    for number, edges in enumerate([True, True, False]):
        location = graph(tmp_path / f"{number}.db", edges=edges)
        found = read(tmp_path, location, "parseltongue")
        blobs.append({file.path: file.blob for file in found})
    assert blobs[0] == blobs[1]
    changed = {path for path, blob in blobs[0].items() if blobs[2][path] != blob}
    assert changed == {"src/main.rs"}
    assert all(blob.startswith("parseltongue:") for blob in blobs[0].values())


# Pages


def page_relation(tmp_path: Path, keys: str, rows: list[list[Any]]) -> Path:
    location = tmp_path / "pages.db"
    with database(location) as opened:
        names = ", ".join(part.split(":")[0] for part in keys.split(","))
        opened.run_script(f":create snippets {{{keys} => body}}", {}, False)
        put(opened, "snippets", f"{names} => body", rows)
    return location


@pytest.mark.parametrize(
    ("keys", "rows"),
    [
        ("id: Int", [[n] for n in range(777)]),
        ("id: Int", [[n] for n in range(200)]),
        ("a: String, id: Int", [["same", n] for n in range(512)]),
        ("a: Int, id: Int", [[n, -n] for n in range(333)]),
        ("a: Int, b: Int, id: Int", [[n // 90, n // 7 % 5, n] for n in range(460)]),
        ("id: Float", [[n / 8] for n in range(301)]),
    ],
)
def test_pages_give_each_row_once_whatever_the_keys_are(tmp_path, keys, rows):
    location = page_relation(tmp_path, keys, [[*row, f"code {row}"] for row in rows])
    found = records(read(tmp_path, location))
    assert Counter(record.code for record in found) == Counter(f"code {row}" for row in rows)


def test_keys_of_several_types_are_refused_where_they_would_need_an_order(tmp_path, snippets):
    keys = [None, True, *range(150), *map(str, range(150))]
    location = snippets([[key, "x", "", ""] for key in keys])
    with untouched(tmp_path, location):
        refused(tmp_path, location, "snippets in .* has keys of several types")


def test_memory_does_not_grow_with_the_relation(tmp_path, snippets):
    code = "x = 1\n" * 2000
    location = snippets([[f"{n:05}.txt", f"{code}{n}", "", ""] for n in range(1500)])
    tracemalloc.start()
    with open_source(Repo("x", str(location), "cozo", columns=COZO), tmp_path) as source:
        size = sum(len(source.read(file).records[0].code) for file in source.files())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 18_000_000
    assert peak < size / 3


# Bad input


def test_a_column_or_relation_that_is_not_there_is_answered_with_those_that_are(tmp_path, snippets):
    location = snippets()
    line = refused(tmp_path, location, "no relation 'x'", columns={**COZO, "relation": "x"})
    assert "it has snippets" in line
    for option in ("key", "code", "path", "language"):
        columns = {**WITH_PATH, option: "nothing"}
        line = refused(tmp_path, location, "no column 'nothing'", columns=columns)
        assert "it has id, body, file, lang" in line


def test_only_the_first_names_are_shown(tmp_path):
    with database(tmp_path / "x.db") as opened:
        for number in range(12):
            opened.run_script(f":create r{number:02} {{id}}", {}, False)
    line = refused(tmp_path, tmp_path / "x.db", "no relation 'CodeGraph'", kind="parseltongue")
    assert "r00, r01, r02, r03, r04, r05, r06, r07 and 4 more" in line


def test_an_empty_database_has_no_relation(tmp_path):
    with database(tmp_path / "x.db"):
        pass
    refused(
        tmp_path, tmp_path / "x.db", "no relation 'CodeGraph': it has none", kind="parseltongue"
    )


def text_file(path: Path) -> None:
    path.write_text("SQLite is nice")


def empty_file(path: Path) -> None:
    path.touch()


def plain_sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("create table secret_rows (a)")
    connection.commit()
    connection.close()


def cut_sqlite(path: Path) -> None:
    with database(path, "sqlite") as opened:
        write_snippets(opened, [[n, "secret " * 99, "", ""] for n in range(300)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeroed_sqlite(path: Path) -> None:
    cut_sqlite(path)
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(len(data) - 4096))


def flipped_sqlite(path: Path) -> None:
    with database(path, "sqlite") as opened:
        write_snippets(opened, [[f"key-{n:04}", "secret", "", ""] for n in range(300)])
    path.write_bytes(path.read_bytes().replace(b"key-0200", b"key-9200", 1))


def empty_folder(path: Path) -> None:
    path.mkdir()


def folder_of_files(path: Path) -> None:
    path.mkdir()
    (path / "data").mkdir()
    (path / "data" / "a.csv").write_text("secret")


def no_manifest(path: Path) -> None:
    graph(path)
    (path / "manifest").unlink()


def no_current(path: Path) -> None:
    graph(path)
    (path / "data" / "CURRENT").unlink()


def no_inner_manifest(path: Path) -> None:
    graph(path)
    next((path / "data").glob("MANIFEST-*")).unlink()


def junk_current(path: Path) -> None:
    graph(path)
    (path / "data" / "CURRENT").write_text("secret")


def junk_manifest(path: Path) -> None:
    graph(path)
    (path / "manifest").write_bytes(b"\x81\xafstorage_version\xa6secret")


def cut_log(path: Path) -> None:
    graph(path)
    log = max((path / "data").glob("*.log"), key=lambda file: file.stat().st_size)
    log.write_bytes(log.read_bytes()[:-9])


def flipped_log(path: Path) -> None:
    graph(path)
    log = max((path / "data").glob("*.log"), key=lambda file: file.stat().st_size)
    data = bytearray(log.read_bytes())
    data[-300] ^= 0xFF
    log.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (text_file, "is no Cozo database"),
        (empty_file, "is no Cozo database"),
        (plain_sqlite, "an SQLite file without Cozo's table"),
        (cut_sqlite, "no whole Cozo database"),
        (zeroed_sqlite, "no whole Cozo database"),
        (flipped_sqlite, "no whole Cozo database"),
        (empty_folder, "holds no Cozo database"),
        (folder_of_files, "no whole Cozo database .manifest"),
        (no_manifest, "no whole Cozo database .manifest"),
        (no_current, "no whole Cozo database .data/CURRENT"),
        (no_inner_manifest, "cannot be opened by Cozo"),
        (junk_current, "cannot be opened by Cozo"),
        (junk_manifest, "cannot be opened by Cozo"),
        (cut_log, "is damaged"),
        (flipped_log, "is damaged"),
    ],
)
@pytest.mark.parametrize("columns", [None, COZO])
def test_what_is_no_whole_database_is_one_clear_line(tmp_path, make, match, columns):
    location = tmp_path / "bad.db"
    make(location)
    with untouched_location(location):
        kind = "cozo" if columns else "parseltongue"
        line = refused(tmp_path / "home", location, match, kind=kind, columns=columns)
    assert "secret" not in line


@contextmanager
def untouched_location(location: Path) -> Iterator[None]:
    before = state(location)
    yield
    assert state(location) == before


@needs_real
@pytest.mark.parametrize("change", ["remove", "cut", "empty", "zeros"])
def test_a_real_database_with_a_damaged_file_is_refused_or_read_whole(tmp_path, change):
    original = REAL / "quick-v0.8.db"
    outcomes: Counter[str] = Counter()
    for file in [file.relative_to(original) for file in original.rglob("*") if file.is_file()]:
        location = tmp_path / "damaged.db"
        shutil.rmtree(location, ignore_errors=True)
        shutil.copytree(original, location, copy_function=shutil.copyfile)
        for folder in (location, location / "data"):
            folder.chmod(0o700)
        damaged = location / file
        data = damaged.read_bytes()
        if change == "remove":
            damaged.unlink()
        else:
            half = data[: len(data) // 2]
            kept = {"cut": half, "empty": b"", "zeros": half.ljust(len(data), b"\0")}
            damaged.write_bytes(kept[change])
        try:
            found = read(tmp_path / "home", location, "parseltongue")
            assert len(records(found)) == 72
            outcomes["whole"] += 1
        except SourceError as error:
            line = str(error)
            outcomes["one line"] += "\n" not in line and str(location) in line
            outcomes["refused"] += 1
    assert outcomes["one line"] == outcomes["refused"]
    assert outcomes["refused"] >= 3
    assert list((tmp_path / "home" / "foreign").iterdir()) == []


def test_a_row_that_the_engine_cannot_read_is_never_quoted(tmp_path):
    location = tmp_path / "x.db"
    with database(location, "sqlite") as opened:
        write_snippets(opened, [["secret key", "code", "", ""]])
    connection = sqlite3.connect(location)
    connection.execute("update cozo set v = x'00ffff' where instr(k, cast('secret' as blob))")
    connection.commit()
    connection.close()
    assert "secret" not in refused(tmp_path, location, "snippets in .* cannot be read")


def test_a_path_that_is_not_there_is_told(tmp_path):
    for kind in ("cozo", "parseltongue"):
        refused(tmp_path, tmp_path / "nothing.db", "does not exist", kind=kind)


def test_the_inner_folder_is_answered_with_the_outer_one(tmp_path, snippets):
    location = snippets()
    refused(tmp_path, location / "data", f"give {location}$")


def test_a_pipe_among_the_files_is_passed_over(tmp_path, snippets):
    location = snippets()
    os.mkfifo(location / "data" / "000099.log")
    assert len(records(read(tmp_path, location))) == 1


HOLDER = """
import sys
from mnestic import CozoDbPy
database = CozoDbPy("rocksdb", sys.argv[1], "{}")
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def opened_by(program: str, location: Path) -> Iterator[None]:
    """Another process that has the database open."""
    command = [sys.executable, "-c", program, str(location)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield  # behind it its input is closed, which ends it


def test_a_database_that_another_process_has_open_is_refused(tmp_path, snippets):
    location = snippets()
    with opened_by(HOLDER, location):
        refused(tmp_path, location, "is open in another process: stop it, or give its http address")
    assert len(records(read(tmp_path, location))) == 1


KEEPER = """
import sys
from pathlib import Path
from dobby_pipeline.cozo import kept_open
from dobby_pipeline.cozo.store import CozoStore
kept_open.IDLE_S = kept_open.KEEP_S = 3600.0
CozoStore(Path(sys.argv[1])).run("read", "::relations")
print("open", flush=True)
sys.stdin.read()
"""


def test_a_database_that_another_dobby_keeps_open_is_waited_for(tmp_path, snippets):
    location = snippets()
    with opened_by(KEEPER, location):
        assert len(records(read(tmp_path, location))) == 1


def test_the_own_database_is_read_as_a_source_without_being_left_unlocked(
    tmp_path, snippets, monkeypatch
):
    monkeypatch.setattr(kept_open, "IDLE_S", 3600.0)
    location = snippets()
    store = CozoStore(location)
    store.run("read", "::relations")
    assert len(records(read(tmp_path, location))) == 1
    impatient = replace(store, lock_wait_s=0.1)
    with opened_by(HOLDER, location), pytest.raises(StoreLocked):  # never two in one database
        impatient.run("read", "::relations")


def test_files_that_change_while_they_are_copied_are_refused(tmp_path, monkeypatch):
    location = tmp_path / "x.db"
    with database(location, "sqlite") as opened:
        write_snippets(opened)
    copy = shutil.copyfile

    def copy_and_write(source, target):
        copy(source, target)
        with location.open("ab") as file:
            file.write(b"\0")

    monkeypatch.setattr(shutil, "copyfile", copy_and_write)
    refused(tmp_path, location, "was written to while it was copied")


def test_the_write_ahead_log_of_an_sqlite_file_is_read_with_it(tmp_path):
    location = tmp_path / "x.db"
    with database(location, "sqlite") as opened:
        write_snippets(opened)
    writer = sqlite3.connect(location)
    assert writer.execute("pragma journal_mode = wal").fetchone() == ("wal",)
    writer.execute("pragma wal_autocheckpoint = 0")
    writer.execute("update cozo set v = v")
    writer.execute("delete from cozo where instr(v, cast('Adds' as blob))")
    writer.commit()
    with untouched_location(location):
        found = read(tmp_path / "home", location)
    writer.close()
    assert found == {}


def test_a_disk_without_room_for_the_copy_is_told_before_copying(tmp_path, snippets, monkeypatch):
    monkeypatch.setattr(foreign_copy, "SPARE_BYTES", 1 << 62)
    refused(tmp_path, snippets(), "MB free: free some space")


def test_a_home_that_cannot_be_written_is_told(tmp_path, snippets):
    (tmp_path / "home").write_text("")
    with pytest.raises(SourceError, match="cannot be written"):
        read(tmp_path / "home", snippets())


def test_a_disk_that_fills_up_is_told(tmp_path, snippets):
    location = snippets([[f"{n}.txt", "x" * 9000, "", ""] for n in range(500)])
    spool = sqlite3.connect(tmp_path / "rows.sqlite")
    spool.execute("pragma max_page_count = 50")
    with (
        foreign_copy.work_folder(tmp_path) as folder,
        foreign_database.foreign_database(str(location), folder, "") as opened,
        pytest.raises(SourceError, match=r"is full.*: free some space"),
    ):
        foreign_source(opened, "cozo", COZO, spool)
    spool.close()


def test_the_copy_goes_when_the_reading_fails_and_leftovers_go_with_the_next(tmp_path, snippets):
    repo = Repo("x", str(snippets()), "cozo", columns=COZO)
    leftover = tmp_path / "foreign" / "killed"
    leftover.mkdir(parents=True)
    (leftover / "rows.sqlite").write_text("x")
    with pytest.raises(RuntimeError), open_source(repo, tmp_path):
        assert not leftover.exists()
        with open_source(repo, tmp_path) as second:
            assert len(list((tmp_path / "foreign").iterdir())) == 2
            assert len(list(second.files())) == 1
        raise RuntimeError
    assert list((tmp_path / "foreign").iterdir()) == []


# Servers


def test_a_wrong_token_is_told_and_never_shown(tmp_path, served, monkeypatch):
    monkeypatch.setenv("DOBBY_SOURCE_COZO_AUTH", "wrong token")
    line = refused(tmp_path, served[0], "refuses the token: set DOBBY_SOURCE_COZO_AUTH")
    assert "wrong" not in line
    assert "wrong" not in repr(Settings.from_env())


def test_a_relation_that_a_server_lacks_is_told(tmp_path, served):
    refused(tmp_path, served[0], "no relation 'snippets': it has none")


def test_an_address_where_nothing_listens_is_told(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused(tmp_path, f"http://127.0.0.1:{unused.getsockname()[1]}", "cannot be reached")


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"])
def test_a_server_that_hangs_is_given_up(tmp_path, monkeypatch, first):
    monkeypatch.setattr(foreign_database, "ANSWER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            connection, _ = server.accept()
            held.append(connection)
            connection.sendall(first)

        threading.Thread(target=accept, daemon=True).start()
        refused(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}", "did not answer within")
        for connection in held:
            connection.close()


@contextmanager
def answering(status: int, chunks: list[bytes], location: str = "") -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Location", location)
            self.end_headers()
            for chunk in chunks:
                try:
                    self.wfile.write(chunk)
                    self.wfile.flush()
                except OSError:
                    return
                threading.Event().wait(0.02)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"ok": true}'),
        (200, b'{"ok": true, "rows": [3]}'),
        (200, b'{"ok": true, "rows": [[]]}'),
        (200, b"[" * 200_000),
        (404, b"not found"),
        (307, b""),
    ],
)
def test_a_server_of_another_kind_is_told(tmp_path, status, answer):
    with (
        answering(200, [b'{"ok": true, "rows": []}']) as other,
        answering(status, [answer], location=f"{other}/text-query") as url,
    ):
        refused(tmp_path, url, "does not answer as")


def test_an_answer_that_trickles_in_for_ever_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign_database, "ANSWER_TIMEOUT_S", 0.2)
    with answering(200, [b" "] * 1000) as url:
        refused(tmp_path, url, "did not answer within")


def test_an_answer_without_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign_database, "MAX_ANSWER_BYTES", 1000)
    with answering(200, [b" " * 2000]) as url:
        refused(tmp_path, url, "a page of more than")


class Answers:
    """An engine that gives one answer after the other, whatever it is asked."""

    def __init__(self, *pages: list[list[Any]]) -> None:
        columns = [["id", True], ["body", False]]
        self.answers = iter([[["snippets"]], columns, *pages])

    def run(self, script: str, params: object) -> list[list[Any]]:
        return next(self.answers)


def read_answers(*pages: list[list[Any]]) -> dict[str, FileContent]:
    opened = foreign_database.ForeignDatabase("server", Answers(*pages))
    with closing(sqlite3.connect(":memory:")) as spool:
        source = foreign_source(opened, "cozo", COZO, spool)
        return {file.path: source.read(file) for file in source.files()}


def test_a_server_that_repeats_its_page_is_given_up():
    page = [[n, n, 0, "code", 4] for n in range(100)]
    with pytest.raises(SourceError, match="server gives the same page of snippets again"):
        read_answers(page, page)


def test_lone_surrogates_and_absurd_lengths_of_a_server_do_no_harm():
    values = {"half": ("\ud800", 1), "long": (None, 1 << 40), "longer": (None, 1 << 70)}
    values |= {"odd": (None, "x"), "\ud800": ("code", 4)}
    found = read_answers([[key, key, 0, *value] for key, value in values.items()], [])
    assert {path: content.reason for path, content in found.items()} == {
        "half": "",
        "long": "too_large",
        "longer": "no_code",
        "odd": "no_code",
        "\\ud800": "",
    }
    assert found["half"].records[0].code == "\\ud800"


def test_an_error_of_the_engine_on_a_server_is_told_without_its_message(tmp_path):
    body = {"ok": False, "code": "eval::oops", "message": "secret"}
    with answering(400, [json.dumps(body).encode()]) as url:
        assert "secret" not in refused(tmp_path, url, r"cannot be read \(eval::oops\)")


# The registry


def test_a_database_is_registered_with_its_columns(store, tmp_path, snippets, monkeypatch):
    location = snippets()
    monkeypatch.chdir(tmp_path)
    repo = add_repo(store, Repo("x", "snippets.db", "cozo", columns=WITH_PATH))
    assert repo.location == str(location)
    assert list_repos(store) == [repo] == [get_repo(store, "x")]
    assert repo.columns == WITH_PATH
    hash(repo)


@pytest.mark.parametrize(
    ("repo", "match"),
    [
        (Repo("x", ".", "svn"), "no kind 'svn': give one of git, cozo, parseltongue"),
        (Repo("x", ".", "git", columns=COZO), "--relation, --key, --code say .*--kind cozo"),
        (Repo("x", ".", "parseltongue", columns={"key": "k"}), "--key: the columns .* are known"),
        (Repo("x", ".", "cozo"), "--kind cozo needs --relation, --key, --code"),
        (Repo("x", ".", "cozo", columns={**COZO, "code": ""}), "--kind cozo needs --code"),
        (Repo("x", ".", "cozo", columns={**COZO, "x": "y"}), "no option --x"),
        (Repo("x", ".", "cozo", "main", columns=COZO), "--ref belongs to git"),
        (Repo("x", ".", "cozo", worktree=True, columns=COZO), "--worktree belongs to git"),
        (Repo("x", ".", "cozo", columns={**COZO, "key": "a b"}), "--key 'a b' cannot be read"),
        (Repo("x", ".", "cozo", columns={**COZO, "relation": "é"}), "--relation 'é' cannot"),
        (Repo("x", ".", "cozo", columns={**COZO, "code": "a} :rm"}), "--code .* cannot be read"),
        (Repo("x", "ssh://h/x", "cozo", columns=COZO), "is no http address"),
        (Repo("x", "git@h:x", "parseltongue"), "is no http address"),
        (Repo("x", "http://", "parseltongue"), "is no http address"),
        (Repo("x", "http://h:99999", "parseltongue"), "cannot be read"),
        (Repo("x", "http://me:hunter2@h:1", "parseltongue"), "would be stored"),
        (Repo("x", "http://h:1/?auth=hunter2", "parseltongue"), "would be stored"),
    ],
)
def test_wrong_options_are_refused_as_wrong_usage(repo, match):
    with pytest.raises(UsageError, match=match) as caught:
        checked(repo)
    assert caught.value.exit_status == 2
    assert "hunter2" not in str(caught.value)


def test_the_address_of_a_server_is_kept_as_it_is():
    assert checked(Repo("x", "http://h:9070/", "parseltongue")).location == "http://h:9070"


def test_a_database_s_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        checked(Repo("x", str(tmp_path / "nothing"), "parseltongue"))


def test_before_it_is_registered_a_source_is_looked_at(tmp_path, snippets, git_repo):
    location = snippets()
    with untouched(tmp_path, location):
        check_source(Repo("x", str(location), "cozo", columns=COZO), tmp_path)
        for repo, match in [
            (Repo("x", str(location), "parseltongue"), "no relation 'CodeGraph'"),
            (Repo("x", str(location), "cozo", columns={**COZO, "key": "k"}), "no column 'k'"),
            (Repo("x", str(git_repo({"a": ""})), ref="gone"), "no branch, tag or commit 'gone'"),
        ]:
            with pytest.raises(SourceError, match=match):
                check_source(repo, tmp_path)
    check_source(Repo("x", str(tmp_path / "example")), tmp_path)
    check_source(Repo("x", str(graph(tmp_path / "g.db")), "parseltongue"), tmp_path)


def test_git_is_opened_by_the_same_door(tmp_path, git_repo):
    folder = git_repo({"a.py": ADD})
    repo = Repo("x", str(folder))
    with open_source(repo, tmp_path) as source:
        assert isinstance(source, GitSource)
        assert source.version == latest_version(repo)
        assert [file.path for file in source.files()] == ["a.py"]


def test_the_latest_version_of_a_database_changes_when_somebody_writes(tmp_path, snippets):
    location = snippets()
    repo = Repo("x", str(location), "cozo", columns=COZO)
    first = latest_version(repo)
    assert first == latest_version(repo)
    read(tmp_path, location)
    assert first == latest_version(repo)
    with database(location) as opened:
        put(opened, "snippets", "id => body, file, lang", [["b", "x", "", ""]])
    assert first != latest_version(repo)
    assert latest_version(Repo("x", "http://127.0.0.1:1", "cozo", columns=COZO)) is None
    with pytest.raises(SourceError, match="holds no Cozo database"):
        latest_version(Repo("x", str(tmp_path / "gone.db"), "parseltongue"))


def test_a_bare_target_s_kind_is_told_by_what_lies_there(tmp_path, git_repo, monkeypatch):
    plain_sqlite(tmp_path / "x.sqlite")
    text_file(tmp_path / "x.txt")
    no_current(tmp_path / "half.db")
    expected = {
        graph(tmp_path / "graph.db"): "parseltongue",
        tmp_path / "half.db": "parseltongue",
        tmp_path / "x.sqlite": "parseltongue",
        git_repo({"data/a.csv": "", "manifest": "data"}): "git",
        tmp_path / "x.txt": "git",
        tmp_path / "nothing": "git",
    }
    assert {path: detect_kind(str(path)) for path in expected} == expected
    assert detect_kind("http://h/graph.db") == "git"
    monkeypatch.chdir(tmp_path)
    assert detect_kind("graph.db") == "parseltongue"


# The command


@pytest.fixture
def dobby(tmp_path, monkeypatch):
    """Runs `dobby repos` in a home of its own."""
    from dobby_pipeline.cli.repos import repos

    monkeypatch.setenv("DOBBY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    return lambda *args: CliRunner().invoke(repos, [str(arg) for arg in args])


def test_databases_are_added_by_the_command_and_listed_with_their_columns(
    dobby, tmp_path, snippets
):
    location = snippets()
    with untouched(tmp_path / "home", location):
        added = dobby(
            *("add", "mine", location, "--kind", "cozo", "--relation", "snippets"),
            *("--key", "id", "--code", "body", "--path", "file", "--language", "lang"),
        )
    assert (added.exit_code, added.exception) == (0, None)
    assert dobby("add", "graph", graph(tmp_path / "g"), "--kind", "parseltongue").exit_code == 0
    graph_row, mine = map(json.loads, dobby("list", "--json").stdout.splitlines())
    assert (mine["kind"], mine["location"]) == ("cozo", str(location))
    assert mine["columns"] == WITH_PATH
    assert (graph_row["kind"], graph_row["columns"]) == ("parseltongue", {})


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (["--kind", "cozo", "--relation", "snippets"], UsageError, "needs --key, --code"),
        (["--key", "id"], UsageError, "--key say where"),
        (["--kind", "parseltongue", "--code", "body"], UsageError, "leave them out"),
        (["--kind", "parseltongue", "--ref", "main"], UsageError, "--ref belongs to git"),
        (["--kind", "parseltongue"], SourceError, "no relation 'CodeGraph': it has snippets"),
    ],
)
def test_what_cannot_be_added_is_one_line_and_nothing_is_stored(
    dobby, snippets, options, error, match
):
    done = dobby("add", "mine", snippets(), *options)
    assert isinstance(done.exception, error)
    assert match in str(done.exception)
    assert dobby("list").stdout == ""
