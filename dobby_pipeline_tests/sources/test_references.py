"""What code calls and imports, in each language; which record it belongs to; and how often."""

import importlib
import time
from collections import Counter

import pytest
import tree_sitter

from dobby_pipeline.sources.captures import named_spans
from dobby_pipeline.sources.languages import (
    _QUERIES,
    LANGUAGES,
    Language,
    _query_text,
    grammar,
    grammars_fingerprint,
    language_of,
)
from dobby_pipeline.sources.reader import content_of
from dobby_pipeline.sources.records import REFERENCE_KINDS, Reference
from dobby_pipeline.sources.references import MAX_NAME, attributed

PYTHON = """
import os
import a.b.c, d as e, f.g as h
from x import y as z, w
from . import k
from ..m.n import *

@cache
@app.route("/")
def outer(value=default(1)):
    requests.api.get(value)
    def inner():
        return get() + get() + outer()
    return Thing(inner)

class Shape(make_base()):
    limit = compute()
    def area(self): return super().area() or self.side() * self.side()

outer()
d["x"]()
"""
TYPESCRIPT = """
import def, { a as b, type T } from './lib/a.js';
import * as ns from 'n/o';
import './side.css';
import fs = require('fs');
export { p as q } from './re';
export * from './all';
const u = require('./u');
export { u as local };
async function f<T>(x = init()) {
  g<T>(1); a.h(); new Foo<T>(); new ns.Bar(); x?.y(); a!(); b.c!(); tag`x`;
  (await import('./lazy')).run();
}
@Component({}) class A { @Input() x; @Bound m() { this.#p(); super.m(); } #p() {} }
"""
JSX = """
const Page = () => <Layout title={title()}><Menu.Item/><div><Layout/></div></Layout>;
"""

# path, text, {symbol: {kind: names}}: a name stands there as often as it counts.
PROGRAMS: dict[str, tuple[str, dict[str, dict[str, str]]]] = {
    "a.py": (
        PYTHON,
        {
            "": {"import": "os c d g y w k n", "call": "outer"},
            "outer": {"call": "cache route default get Thing"},
            "outer.inner": {"call": "get get outer"},
            "Shape": {"call": "make_base compute"},
            "Shape.area": {"call": "super area side side"},
        },
    ),
    "a.ts": (
        TYPESCRIPT,
        {
            "": {"import": "def a T o side.css fs re all u", "call": "require"},
            "f": {"call": "init g h Foo Bar y a c tag run", "import": "lazy"},
            "A": {"call": "Component Input"},
            "A.m": {"call": "Bound #p m"},
        },
    ),
    "a.js": (
        JSX
        + """
import b, { c as d } from 'm'; const { e } = require('./e');
module.exports.go = function () { e(); d.f(); new b(); require(e); };
""",
        {
            "": {"import": "b c e", "call": "require"},
            "Page": {"call": "Layout Layout title Item"},
            "go": {"call": "e f b require"},
        },
    ),
    "a.tsx": (JSX, {"Page": {"call": "Layout Layout title Item"}}),
    "a.rs": (
        """
use a::b::c;
use x::{d, e as f, self, g::h, i::*};
extern crate serde;
fn run() {
    g(); a.h(1); Point::new(); parse::<u8>("1"); a.collect::<Vec<u8>>(); Vec::<u8>::with(1);
    println!("{}", 1); std::panic!(); x::y::z(); <A as B>::t(); Some(Point { a: 1 });
}
impl A { const C: u8 = start(); fn m(&self) { self.m() } }
""",
        {
            "": {"import": "c d e h i serde", "call": "start"},
            "run": {
                "call": "g h new parse collect with println panic z t Some Point",
            },
            "A::m": {"call": "m"},
        },
    ),
    "a.go": (
        """
package m
import (
    "fmt"
    x "net/http"
    _ `side`
)
var v = setup()
func (s *T) F() {
    g(); s.h(1); fmt.Println(); go r(); defer s.T(); Map[int](2); x.K[int](3); _ = T{1}
    _ = x.Client{}; _ = List[int]{}; _ = &x.Box[int]{}
    func() { inner() }()
}
""",
        {
            "": {"import": "fmt http side", "call": "setup"},
            "T.F": {"call": "g h Println r T Map K T Client List Box inner"},
        },
    ),
    "A.java": (
        """
import java.util.List;
import java.util.*;
import static a.B.c;
class A extends B {
    int x = first();
    A() { this(1); }
    void f() { g(); a.h(1); new Foo<>(1); new a.Bar(); new a.Box<X>() { void k() { l(); } };
               xs.map(A::k).map(A::new); super.m(); this.<T>z(); }
}
""",
        {
            "": {"import": "List util c"},
            "A": {"call": "first"},
            "A.f": {"call": "g h Foo Bar Box map map k A m z"},
            "A.f.k": {"call": "l"},
        },
    ),
    "a.c": (
        """
#include <sys/types.h>
#include "a/b.h"
static int v = INIT(1);
int f(void) { g(); a.h(1); a->k(g()); (*fp)(1); return MAX(1, 2); }
""",
        {
            "": {"import": "types.h b.h", "call": "INIT"},
            "f": {"call": "g g h k MAX"},
        },
    ),
    "a.cpp": (
        """
#include <vector>
using std::vector;
using namespace abc;
int f() {
    g(); a.h(1); a->k(); ns::x::y(); t<int>(); a.m<int>(); new Foo(1); new ns::Bar; Foo{1};
    std::make_unique<Foo>(1); static_cast<int>(1); Vec<int>::make(); Thing v{1}; ns::Item w(2);
    int n{1}; x.template r<int>(); a.~B(); new Baz<int>(2); [&] { lambda(); }();
}
A::A() : member(value()) {}
""",
        {
            "": {"import": "vector vector abc"},
            "f": {
                "call": "g h k y t m Foo Bar Foo make_unique make Thing Item r ~B Baz lambda",
            },
            "A::A": {"call": "value"},
        },
    ),
    "a.kt": (
        """
import a.b.c as d
import x.*
class A : Base(start()), I {
    fun f(x: Int = first()) { g(); a.h(1).i { it }; Foo<Int>(); x?.y(); xs.map(::k) }
}
""",
        {
            "": {"import": "c x"},
            "A": {"call": "Base start"},
            "A.f": {"call": "first g h i Foo y map k"},
        },
    ),
    "A.cs": (
        """
using System.Text;
using static System.Math;
using X = A.B<int>;
using Y = C;
class A : B {
    int x = First();
    void F() { G(); a.H(1); new Foo<int>(1); new A.B(); x?.Y(); K<int>(); a.L<int>();
               Thing f = new(); base.M(); }
}
""",
        {
            "": {"import": "Text Math B C"},
            "A": {"call": "First"},
            "A.F": {"call": "G H Foo B Y K L Thing M"},
        },
    ),
    "a.rb": (
        """
require 'a/b'
require_relative "x"
class A < B
  def f
    g()
    a.h(1)
    A.new(2)
    Foo::Bar.new
    a&.m
    puts "x"
    obj.empty?
  end
end
""",
        {
            "": {"import": "b x", "call": "require require_relative"},
            "A::f": {"call": "g h A Bar m puts empty?"},
        },
    ),
    "a.php": (
        """<?php
use A\\B\\C as D;
use A\\{E, F as G};
use function A\\h;
require_once 'lib/x.php';
require __DIR__ . '/z.php'; include_once("i.php"); include $v; include '';
class K { function f() { g(); $a->h(1); new Foo(2); new \\A\\Bar; A\\b(); K::s(); parent::t();
  $a?->n(); $v(); new static(); } }
""",
        {
            "": {"import": "C E F h x.php z.php i.php"},
            "K::f": {"call": "g h Foo Bar b s t n"},
        },
    ),
    "a.swift": (
        """
import Foundation
import struct A.B
class A: B {
    func f(x: Int = first()) { g(); a.h(1).i { $0 }; Foo<Int>(x: 1); x?.y(); Bar.make(); #log(1) }
}
""",
        {
            "": {"import": "Foundation B"},
            "A.f": {"call": "first g h i Foo y make log"},
        },
    ),
    "A.scala": (
        """
import a.b.C
import a.b._
import a.{D, E => F, _}
import x.{y as z}
object A extends Base(1) {
  def f = { g(); a.h(1); new Foo(2); new a.Bar[Int](1); Foo[Int](3); a.k[Int](1) }
}
""",
        {
            "": {"import": "C b D E y"},
            "A": {"call": "Base"},
            "A.f": {"call": "g h Foo Bar Foo k"},
        },
    ),
    "a.sh": (
        """
source lib/a.sh
. "$DIR/b.sh"
. 'c.sh'
f() { g 1; x=$(k); ./run.sh a; A=1 m; $cmd y; l | o; }
f
""",
        {
            "": {"import": "a.sh b.sh c.sh", "call": "source . . f"},
            "f": {"call": "g k run.sh m l o"},
        },
    ),
}
GRAMMARS = {
    "kotlin": ("tree_sitter_kotlin", "language"),
    "csharp": ("tree_sitter_c_sharp", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "swift": ("tree_sitter_swift", "language"),
    "scala": ("tree_sitter_scala", "language"),
    "bash": ("tree_sitter_bash", "language"),
}


def grammar_and_query(name: str) -> tuple[tree_sitter.Language, tree_sitter.Query]:
    if name not in GRAMMARS:
        row = next(row for row in LANGUAGES if row.name == name)
        return grammar(row), tree_sitter.Query(grammar(row), _query_text(row, ".refs.scm"))
    module, function = GRAMMARS[name]
    spoken = tree_sitter.Language(getattr(importlib.import_module(module), function)())
    return spoken, tree_sitter.Query(spoken, (_QUERIES / f"{name}.refs.scm").read_text())


def spans(compiled: tree_sitter.Query, tree: tree_sitter.Tree) -> list[tuple[int, int, str]]:
    matches = tree_sitter.QueryCursor(compiled).matches(tree.root_node)
    return named_spans(found for _, found in matches)


def references(path: str, text: str) -> tuple[Reference, ...]:
    return content_of(path, text.encode()).references


def by_name(found: tuple[Reference, ...], *, whole_file: bool = False) -> Counter[tuple[str, ...]]:
    counts: Counter[tuple[str, ...]] = Counter()
    for item in found:
        key = (item.kind, item.name)
        counts[key if whole_file else (item.symbol, *key)] += item.count
    return counts


def expected_counts(
    expected: dict[str, dict[str, str]], *, whole_file: bool = False
) -> Counter[tuple[str, ...]]:
    return Counter(
        (kind, name) if whole_file else (symbol, kind, name)
        for symbol, kinds in expected.items()
        for kind, names in kinds.items()
        for name in names.split()
    )


@pytest.mark.parametrize("path", PROGRAMS)
def test_a_program_s_references_belong_to_the_innermost_symbol(path):
    text, expected = PROGRAMS[path]
    if language_of(path, b"") is None:
        pytest.skip("no row for this language")
    assert by_name(references(path, text)) == expected_counts(expected)


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_query_finds_its_names_before_the_language_has_symbols(name):
    path = {
        "kotlin": "a.kt", "csharp": "A.cs", "ruby": "a.rb", "php": "a.php",
        "swift": "a.swift", "scala": "A.scala", "bash": "a.sh",
    }[name]  # fmt: skip
    text, expected = PROGRAMS[path]
    spoken, compiled = grammar_and_query(name)
    tree = tree_sitter.Parser(spoken).parse(text.encode())
    found = spans(compiled, tree)
    counts = by_name(tuple(attributed(found, [], text.encode())), whole_file=True)
    assert counts == expected_counts(expected, whole_file=True)


@pytest.mark.parametrize("path", PROGRAMS)
def test_a_program_cut_anywhere_gives_whole_names(path):
    text, _ = PROGRAMS[path]
    name = {".py": "python", ".js": "javascript", ".ts": "typescript", ".tsx": "tsx",
            ".rs": "rust", ".kt": "kotlin", ".cs": "csharp", ".rb": "ruby", ".sh": "bash",
            }.get("." + path.split(".")[1], path.split(".")[1])  # fmt: skip
    spoken, compiled = grammar_and_query(name)
    for cut in range(0, len(text), 2):
        data = (text[:cut] + text[cut + cut % 7 + 1 :]).encode()
        tree = tree_sitter.Parser(spoken).parse(data)
        for item in attributed(spans(compiled, tree), [], data):
            assert item.name in " ".join(data.decode().split())


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_every_language_has_a_query_for_calls_and_imports(language: Language):
    _, compiled = grammar_and_query(language.name)
    captures = {compiled.capture_name(i) for i in range(compiled.capture_count)}
    assert {name for name in captures if not name.startswith("_")} == set(REFERENCE_KINDS)


def test_a_reference_is_counted_and_stands_where_it_first_appears():
    found = references("a.py", "def f():\n    b(); a(); b()\n    import b\n\na()\n")
    assert found == (
        Reference("f", "call", "b", 2),
        Reference("f", "call", "a", 1),
        Reference("f", "import", "b", 1),
        Reference("", "call", "a", 1),
    )


def test_a_file_without_records_keeps_its_references():
    content = content_of("a.py", b"from .core import run\nrun()\n")
    assert content.reason == "no_symbols"
    assert [r.name for r in content.references] == ["run", "run"]


def test_a_record_s_own_name_is_what_a_caller_writes():
    programs = {
        "a.go": "func (l *List) Push() {}\n",
        "a.cpp": "void Engine::run() {}\nbool A::operator==(int x) {}\nTEST(S, c) { f(); }\n",
        "a.js": "Store.prototype.extra = () => 1; class A { [Symbol.iterator]() {} 'a.b'() {} }\n",
    }
    names = [
        r.name for path, text in programs.items() for r in content_of(path, text.encode()).records
    ]
    assert names == [
        "Push", "run", "operator==", "TEST(S, c)", "extra", "A", "[Symbol.iterator]", "'a.b'",
    ]  # fmt: skip


def test_what_stands_behind_an_inner_symbol_belongs_to_the_outer_one():
    text = "function f() { a(); function g() { b() }; c(); }\nd();\n"
    assert [(r.symbol, r.name) for r in references("a.js", text)] == [
        ("f", "a"), ("f.g", "b"), ("f", "c"), ("", "d"),
    ]  # fmt: skip


def test_records_that_end_behind_the_one_around_them_do_not_take_its_place():
    found = [(5, 6, "call"), (11, 12, "call"), (13, 14, "call")]
    spans = [(0, 10, "a"), (4, 11, "a.b"), (12, 15, "c")]
    symbols = [r.symbol for r in attributed(found, spans, b"0123456789abcdefg")]
    assert symbols == ["a.b", "", "c"]


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        ("a.py", "größe(); 名前(); é.ü()\n", ["größe", "名前", "ü"]),
        ("a.js", "import {'it\\'s \"x\" $y :put' as z} from 'm'\n", None),
        ("a.js", 'import "a\'); drop()/\\u0000/x \\n y"\n', None),
        ("a.py", f"{'x' * 5000}()\n", ["x" * (MAX_NAME - 1) + "…"]),
        ("a.c", f'#include "{"d/" * 3000}{"x" * 5000}"\n', ["x" * (MAX_NAME - 1) + "…"]),
        ("a.js", "import '/'; import ''; import '  '\n", []),
        ("a.py", "f(\n", None),
        ("a.js", "f(((((; import from; new", None),
    ],
)
def test_hostile_names_are_whole_bounded_and_never_empty(path, text, names):
    found = [r.name for r in references(path, text)]
    if names is not None:
        assert found == names
    assert all(name and len(name) <= MAX_NAME and "\n" not in name for name in found)


# language: programs as (start, repeated, middle, repeated, end).
NESTED = {
    "python": [
        ("a", ".b()", "", "", ""), ("x = ", "f(", "", ")", ""),
        ("from x import a", ", a", "", "", ""),
    ],
    "javascript": [
        ("a", ".b()", "", "", ""), ("", "f(", "", ")", ""), ("", "<A>", "", "</A>", ""),
        ("import {", "a,", "} from 'x'", "", ""), ("export {", "a,", "} from 'x'", "", ""),
    ],
    "typescript": [("a", ".b()!", "()", "", ""), ("", "require(", "'a'", ")", "")],
    "rust": [
        ("use ", "a::{", "b", "}", ";"), ("use {", "a,", "};", "", ""),
        ("fn f() { a", ".b::<c>()", "}", "", ""), ("fn f() {", "m!{", "", "}", "}"),
    ],
    "go": [
        ("package a\nvar x = a", ".b()", "", "", ""),
        ("package a\nvar x = ", "A{", "", "}", ""),
    ],
    "java": [
        ("class A { int x = a", ".b()", ";}", "", ""),
        ("class A { Object x = a", "::b", ";}", "", ""),
    ],
    "c": [("int x = a", "->b()", ";", "", "")],
    "cpp": [("int x = b", "::a", "();", "", ""), ("int f() {", "A x=[]{", "", "}", "}")],
    "kotlin": [("val x = a", ".b()", "", "", ""), ("val x = ", "object: A(", "1", "){}", "")],
    "csharp": [
        ("class A { int x = a", "?.B()", ";}", "", ""),
        ("class A { void f() {", "A x = () => {", "", "};", "}}"),
    ],
    "ruby": [("a", ".b(1)", "", "", ""), ("", "require(", "'a'", ")", "")],
    "php": [("<?php $a", "->b()", ";", "", ""), ("<?php ", "include (", "'a'", ")", ";")],
    "swift": [("a", ".b()", "", "", ""), ("", "A<B>(", "", ")", "")],
    "scala": [("val x = a", ".b()", "", "", ""), ("val x = ", "new A(", "1", ")", "")],
    "bash": [("", "a $(", "", ")", ""), ("", "a | ", "b", "", "")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "form"), [(name, form) for name, forms in NESTED.items() for form in forms]
)
def test_names_are_found_in_time_that_grows_with_the_nesting_and_not_its_square(name, form):
    spoken, compiled = grammar_and_query(name)

    def seconds(depth: int) -> float:
        start, opening, middle, closing, end = form
        text = start + opening * depth + middle + closing * depth + end
        tree = tree_sitter.Parser(spoken).parse(text.encode())
        times: list[float] = []
        for _ in range(3):
            before = time.process_time()
            spans(compiled, tree)
            times.append(time.process_time() - before)
        return min(times)

    # Eight times as deep: 8 where time is linear, 64 where it is quadratic.
    assert seconds(8_000) < 25 * seconds(1_000)


def test_the_fingerprint_changes_with_a_reference_query(monkeypatch, tmp_path):
    before = grammars_fingerprint()
    for file in _QUERIES.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr("dobby_pipeline.sources.languages._QUERIES", tmp_path)
    assert grammars_fingerprint() == before
    (tmp_path / "go.refs.scm").write_text("(call_expression function: (identifier) @call)")
    assert grammars_fingerprint() != before
