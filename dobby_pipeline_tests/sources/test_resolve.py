"""Names become edges on a real store: where one record is meant, and nowhere else."""

from collections.abc import Mapping
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dobby_pipeline.sources.resolve as resolve_module
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.schema.relations import DEPENDENCIES
from dobby_pipeline.sources.resolve import Resolution, callees, resolution
from dobby_pipeline_tests.sources.files_source import put


def resolve(store: CozoStore, repo: str) -> Resolution:
    """Resolve all, and what became of it."""
    resolve_module.resolve(store, repo)
    return resolution(store, repo)


Edge = tuple[str, str, str, str, str]


def edges(store: CozoStore, repo: str = "r") -> list[Edge]:
    rows = store.run(
        "edges",
        "?[path, symbol, kind, to_path, to_symbol] := "
        "*dependencies{repo: $repo, path, symbol, kind, to_path, to_symbol}",
        {"repo": repo},
    )
    return [(r["path"], r["symbol"], r["kind"], r["to_path"], r["to_symbol"]) for r in rows]


def resolved(store: CozoStore, files: Mapping[str, str]) -> list[Edge]:
    put(store, files)
    return edges(store)


def test_unique_ambiguous_same_file_and_external_names(store):
    put(
        store,
        {
            "a.py": "def f():\n    unique(); twice(); near(); print(1)\ndef near(): 1\n",
            "b.py": "def unique(): 1\ndef twice(): 1\n",
            "c.py": "def twice(): 2\ndef near(): 2\n",
        },
    )
    found = resolve(store, "r")
    assert found == Resolution(resolved=2, ambiguous=1, external=1)
    assert found.share == pytest.approx(2 / 3)
    assert edges(store) == [
        ("a.py", "f", "call", "a.py", "near"),
        ("a.py", "f", "call", "b.py", "unique"),
    ]


def test_without_references_nothing_is_unresolved(store):
    assert resolve(store, "r") == Resolution(0, 0, 0)
    assert Resolution(0, 0, 0).share == 1.0


def test_an_import_means_another_file_and_no_method(store):
    files = {
        "a.py": "from b import run\nimport time\ndef run(): 1\n",
        "b.py": "def run(): 2\nclass C:\n    def time(self): 1\n",
    }
    assert resolved(store, files) == [("a.py", "", "import", "b.py", "run")]


def test_an_import_that_only_its_own_file_could_answer_is_external(store):
    put(store, {"a.py": "from os import run\ndef run(): 1\n"})
    assert resolve(store, "r") == Resolution(0, 0, 1)


def test_an_import_that_two_other_files_could_answer_is_ambiguous(store):
    put(store, {"a.py": "from x import f\n", "b.py": "def f(): 1\n", "c.py": "def f(): 1\n"})
    assert resolve(store, "r") == Resolution(0, 1, 0)


def test_an_edge_may_start_at_the_file_itself(store):
    files = {"a.py": "main()\n", "b.py": "def main(): 1\n"}
    assert resolved(store, files) == [("a.py", "", "call", "b.py", "main")]


def test_a_function_that_calls_itself_has_an_edge_to_itself(store):
    files = {"a.py": "def fact(n): return n * fact(n - 1)\n"}
    assert resolved(store, files) == [("a.py", "fact", "call", "a.py", "fact")]
    assert callees(store, "r", [("a.py", "fact")]) == {}


def test_a_method_that_calls_its_own_name_delegates(store):
    put(store, {"a.py": "class A:\n    def close(self): self.file.close()\n"})
    assert resolve(store, "r") == Resolution(0, 1, 0)


def test_a_name_that_the_language_has_too_tells_a_record_where_it_is_imported(store):
    files = {
        "a.py": "def f(d, s):\n    d.items(); s.split(); other()\n",
        "b.py": "class C:\n    def items(self): 1\ndef split(s): 1\ndef other(): 1\n",
        "c.py": "from b import split\ndef g(s): split(s)\n",
    }
    assert resolved(store, files) == [
        ("a.py", "f", "call", "b.py", "other"),
        ("c.py", "", "import", "b.py", "split"),
        ("c.py", "g", "call", "b.py", "split"),
    ]
    assert resolution(store, "r") == Resolution(resolved=3, ambiguous=2, external=0)


def test_an_import_of_another_thing_of_that_name_does_not_make_it_a_method(store):
    files = {
        "a.py": "from copy import copy\ncopy(1)\n",
        "b.py": "class C:\n    def copy(self): 1\n",
    }
    assert resolved(store, files) == []


def test_a_record_of_the_own_file_comes_before_what_the_language_has(store):
    files = {"a.py": "def open(): 1\ndef f(): open()\n"}
    assert resolved(store, files) == [("a.py", "f", "call", "a.py", "open")]


@pytest.mark.parametrize(
    ("suffix", "calls", "holds"),
    [
        ("js", "function f(xs) { xs.map(g); own(); }", "class C { map() {} own() {} }"),
        ("rs", "fn f(x: X) { x.unwrap(); own(); }", "impl C { fn unwrap(self) {} fn own() {} }"),
        (
            "java",
            "class A { void f() { x.get(); own(); } }",
            "class B { int get() {} int own() {} }",
        ),
        (
            "go",
            "package p\nfunc f() { append(x); own() }",
            "package p\nfunc append() {}\nfunc own() {}",
        ),
        ("cpp", "void f() { v.push_back(1); own(); }", "void push_back() {} void own() {}"),
        ("rb", "def f\n  x.each()\n  own()\nend", "def each\nend\ndef own\nend"),
        (
            "php",
            "<?php function f() { count(1); own(); }",
            "<?php function count() {} function own() {}",
        ),
        ("cs", "class A { void f() { x.Add(); Own(); } }", "class B { int Add() {} int Own() {} }"),
        ("swift", "func f() { x.map(1); own() }", "func map() {}\nfunc own() {}"),
        ("sh", "f() { echo 1; own; }", "echo() { :; }\nown() { :; }"),
        ("kt", "fun f() { x.map(); own() }", "fun map() {}\nfun own() {}"),
        (
            "scala",
            "object A { def f() = { x.map(1); own() } }",
            "object B { def map() = 1; def own() = 1 }",
        ),
    ],
)
def test_each_language_has_names_of_its_own(store, suffix, calls, holds):
    found = resolved(store, {f"a.{suffix}": f"{calls}\n", f"b.{suffix}": f"{holds}\n"})
    assert [edge[-1].lower().rpartition(".")[2].rpartition("::")[2] for edge in found] == ["own"]


def test_a_constructor_stands_behind_its_class_wherever_it_lies(store):
    java = {"A.java": "class A { A() {} A(int x) {} }\n", "B.java": "class B { A a = new A(); }\n"}
    assert resolved(store, java) == [("B.java", "B", "call", "A.java", "A")]
    cpp = {
        "v.hpp": "namespace g { class V { V(); }; }\n",
        "v.cpp": "namespace g { V::V() {} }\n",
        "m.cpp": "void f() { new g::V(); }\n",
    }
    assert resolved(store, cpp) == [("m.cpp", "f", "call", "v.hpp", "g::V")]


def test_a_function_inside_a_function_is_seen_in_its_file_only(store):
    files = {
        "a.py": "def deco():\n    def wrapper(): 1\n    return wrapper()\n",
        "b.py": "def f(): wrapper()\n",
    }
    assert resolved(store, files) == [("a.py", "deco", "call", "a.py", "deco.wrapper")]


def test_a_namesake_inside_a_function_is_reached_through_the_outer_one(store):
    files = {"a.py": "def walk():\n    def walk(): 1\n", "b.py": "walk()\n"}
    assert resolved(store, files) == [("b.py", "", "call", "a.py", "walk")]


def test_languages_meet_only_in_their_family(store):
    files = {
        "a.py": "run(); go()\n",
        "b.ts": "function run() {}\n",
        "c.js": "run();\n",
        "d.c": "int go(void) { return 1; }\n",
        "e.cpp": "int f() { return go(); }\n",
    }
    assert resolved(store, files) == [
        ("c.js", "", "call", "b.ts", "run"),
        ("e.cpp", "f", "call", "d.c", "go"),
    ]


def test_repos_do_not_see_each_other(store):
    put(store, {"b.py": "def g(): 1\n"}, "other")
    resolve(store, "other")
    put(store, {"a.py": "g()\n"})
    assert resolve(store, "r") == Resolution(0, 0, 1)


def test_edges_that_no_longer_hold_are_removed_and_other_repos_keep_theirs(store):
    files = {"a.py": "def f():\n    g(); h()\n", "b.py": "def g(): 1\ndef h(): 1\n"}
    for repo in ("r", "other"):
        put(store, files, repo)
        resolve(store, repo)
    put(store, {**files, "c.py": "def g(): 2\n"})
    resolve(store, "r")
    assert edges(store) == [("a.py", "f", "call", "b.py", "h")]
    assert len(edges(store, "other")) == 2


def test_pages_of_any_size_give_the_same_edges_in_the_same_order(store, monkeypatch):
    files = {
        f"p{i:02}.py": f"def f{i}():\n    f{i - 1}(); shared(); f{i}()\ndef shared(): 1\n"
        for i in range(20)
    }
    put(store, files)
    first = resolve(store, "r")
    before = edges(store)
    assert len(before) == 20 + 20 + 19
    monkeypatch.setattr(resolve_module, "PAGE_ROWS", 1)
    assert resolve(store, "r") == first
    assert edges(store) == before


def test_names_that_look_like_queries_stay_names(store):
    odd = "größe_名前"
    path = "a\"); :rm dependencies {repo} '$x.py"
    files = {path: f"def {odd}(): 1\n", "b.py": f"{odd}()\nfrom x import {odd}\n"}
    assert resolved(store, files) == [
        ("b.py", "", "call", path, odd),
        ("b.py", "", "import", path, odd),
    ]
    assert callees(store, "r", [("b.py", "")]) == {("b.py", ""): [(path, odd)]}


def test_callees_are_sorted_once_each_and_only_of_the_symbols_asked_for(store):
    files = {
        "a.py": "from b import z\ndef f():\n    from b import y\n    y(); z(); f()\ndef g(): z()\n",
        "b.py": "def y(): 1\ndef z(): 1\n",
    }
    put(store, files)
    resolve(store, "r")
    asked = [("a.py", "f"), ("a.py", "g"), ("b.py", "y"), ("no.py", "x")]
    assert callees(store, "r", asked) == {
        ("a.py", "f"): [("b.py", "y"), ("b.py", "z")],
        ("a.py", "g"): [("b.py", "z")],
    }
    assert callees(store, "r", []) == {}


def test_edges_have_the_columns_of_their_relation(store):
    put(store, {"a.py": "f()\n", "b.py": "def f(): 1\n"})
    resolve(store, "r")
    columns = ", ".join(DEPENDENCIES.columns)
    assert store.run("q", f"?[{columns}] := *dependencies{{{columns}}}") == [
        {
            "repo": "r", "path": "a.py", "symbol": "", "kind": "call",
            "to_path": "b.py", "to_symbol": "f",
        }
    ]  # fmt: skip


CHANGES = st.lists(
    st.dictionaries(
        st.sampled_from(["a.py", "b.py", "c.py"]),
        st.sampled_from(
            [
                "def f():\n    g(); h()\n",
                "def g(): f()\n",
                "def h(): 1\ndef g(): h()\n",
                "class C:\n    def f(self): g()\n",
                "from a import f\nf()\n",
                "",
            ]
        ),
    ),
    min_size=2,
    max_size=4,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(CHANGES)
def test_after_any_changes_the_edges_are_those_of_a_first_ingest(store, states):
    repo, fresh = uuid4().hex, uuid4().hex
    for state in states:
        put(store, state, repo)
    put(store, states[-1], fresh)
    assert edges(store, repo) == edges(store, fresh)
    assert resolve(store, repo) == resolve(store, fresh)
