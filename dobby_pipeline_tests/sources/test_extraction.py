"""What a record says: names that stay, exact code, docs, signatures, outlines; and no input that
breaks it."""

import hashlib
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dobby_pipeline.sources.extraction import MAX_DEPTH, MAX_SIGNATURE, _unique
from dobby_pipeline.sources.languages import LANGUAGES
from dobby_pipeline.sources.reader import content_of
from dobby_pipeline.sources.records import KINDS, SourceRecord
from dobby_pipeline.sources.references import MAX_NAME

EXTENSIONS = [language.extensions[0] for language in LANGUAGES]
CLASS = '''class Shape:
    """Grüße."""

    def area(self):
        """Its area."""
        def inner(): return "ü"
        return inner()

    class Corner:
        def turn(self): return 1

    def name(self): return "é"
'''


def records(path: str, text: str) -> dict[str, SourceRecord]:
    found = content_of(path, text.encode())
    assert found.records, found.reason
    return {record.symbol: record for record in found.records}


def outline(record: SourceRecord) -> str:
    text, at = "", 0
    for start, end in record.inner:
        text += record.code[at:start] + "…"
        at = end
    return text + record.code[at:]


def test_the_hash_is_of_the_code_s_utf8_bytes():
    for record in records("a.py", CLASS).values():
        assert record.content_hash == hashlib.sha256(record.code.encode()).hexdigest()


def test_an_outline_leaves_out_the_bodies_of_what_is_nested_directly():
    found = records("a.py", CLASS)
    assert outline(found["Shape"]) == (
        'class Shape:\n    """Grüße."""\n\n    def area(self):\n        …\n\n'
        "    class Corner:\n        …\n\n    def name(self): …"
    )
    assert outline(found["Shape.area"]).count("…") == 1
    assert found["Shape.area.inner"].inner == ()


def test_records_inside_a_scope_belong_to_the_outline_of_the_record_around_it():
    found = records("a.rs", "fn f() { impl A { fn g() { 1 } } fn h() { 2 } }\n")
    assert outline(found["f"]) == "fn f() { impl A { fn g() … } fn h() … }"


def test_symbols_keep_their_names_when_lines_move():
    text = "if x:\n    def f(): 1\nelse:\n    def f(): 2\n\nclass A:\n    def f(self): 3\n"
    before = records("a.py", text)
    after = records("a.py", "import os\n\n\nX = 1\n" + text)
    assert list(before) == list(after) == ["f", "f#2", "A", "A.f"]
    for symbol, record in before.items():
        assert after[symbol].content_hash == record.content_hash
        assert after[symbol].start_line == record.start_line + 4


def test_names_inside_the_second_of_two_classes_tell_which():
    text = "class A:\n    def f(self): 1\nclass A:\n    def f(self): 2\n"
    assert list(records("a.py", text)) == ["A", "A.f", "A#2", "A#2.f"]


def test_a_name_that_looks_numbered_does_not_collide():
    # No grammar is known to give such a name; the store's keys rest on it all the same.
    assert _unique("f", {"f", "f#2"}, Counter(f=1)) == "f#3"


def test_a_name_without_end_is_cut():
    found = records("a.ts", f"class A {{ ['{'x' * 5000}']() {{}} ['{'x' * 5000}']() {{}} }}\n")
    assert max(len(symbol) for symbol in found) <= MAX_NAME + len("A.#2")
    assert len(found) == 3


@pytest.mark.parametrize(
    ("path", "text", "doc"),
    [
        ("a.py", 'def f():\n    r"""Raw \\d."""\n', "Raw \\d."),
        ("a.py", "def f():\n    'One.'\n    'Two.'\n", "One."),
        ("a.py", "# A comment is no docstring.\ndef f():\n    x = 'nor this'\n", ""),
        ("a.py", "def f():\n    b'bytes'\n", ""),
        (
            "a.py",
            'def f():\n    """First.\n    So.\n      Deep.\n    """\n',
            "First.\nSo.\n  Deep.",
        ),
        ("a.go", "// F does.\n// More.\nfunc F() {}\n", "F does.\nMore."),
        ("a.go", "// Of something else.\n\nfunc F() {}\n", ""),
        ("a.go", "var x = 1 // trailing\nfunc F() {}\n", ""),
        ("a.go", "/*\n F does.\n   Indented.\n*/\nfunc F() {}\n", "F does.\n  Indented."),
        ("a.rs", "/// Doc.\n#[inline]\n// why\nfn f() {}\n", "Doc."),
        ("a.rs", "#[inline]\n/// Doc.\nfn f() {}\n", "Doc."),
        ("a.rs", "// Not doc.\nfn f() {}\n", ""),
        ("a.rs", "//// Not doc.\nfn f() {}\n", ""),
        ("A.java", "/** Doc.\n * @x y\n */\n@A @B(1)\nclass A {}\n", "Doc.\n@x y"),
        ("A.java", "// Not Javadoc.\nclass A {}\n", ""),
        ("a.ts", "/** Doc. */\n// @ts-ignore\nexport default class A {}\n", "Doc."),
        ("a.ts", "/* @__NO_SIDE_EFFECTS__ */\nfunction f() {}\n", ""),
        ("a.c", "/*****\n * Doc.\n *****/\nint f(void) { }\n", "Doc."),
        ("a.c", "/* ------ */\n/* Doc. */\n/* ------ */\nint f(void) { }\n", "Doc."),
        ("a.cpp", "//! Doc.\ntemplate <class T>\nT f() { }\n", "Doc."),
        ("a.rb", "# frozen_string_literal: true\n# Doc.\ndef f; end\n", "Doc."),
        ("a.rb", "# Doc.\n# rubocop:disable A/B\ndef f; end\n", "Doc."),
        ("a.rb", "#!/usr/bin/env ruby\n# -*- coding: utf-8 -*-\ndef f; end\n", ""),
        ("a.rb", "# Of another.\n\ndef f; end\n", ""),
        ("a.rb", "=begin\nDoc.\n  More.\n=end\ndef f; end\n", "Doc.\n  More."),
        ("a.php", "<?php\n/** Doc.\n * @x y\n */\n#[A]\nfunction f() {}\n", "Doc.\n@x y"),
        ("a.php", "<?php\n// Not PHPDoc.\nfunction f() {}\n", ""),
        ("a.php", "<?php\n# Not PHPDoc.\nfunction f() {}\n", ""),
        ("a.sh", "#!/bin/sh\nf() { :; }\n", ""),
        ("a.sh", "####\n# Doc.\n#   More.\n####\nf() { :; }\n", "Doc.\n  More."),
        ("a.sh", "# Doc.\n# shellcheck disable=SC2034\nfunction f { :; }\n", "Doc."),
    ],
)
def test_docs_are_found_and_lose_their_markers(path, text, doc):
    (record,) = records(path, text).values()
    assert record.docstring == doc


def test_decorators_belong_to_the_code_and_the_lines_but_not_to_the_signature():
    (record,) = records("a.py", "x = 1\n@a\n@b(\n  1)\nasync def f(x:  int,\n  y): ...\n").values()
    assert (record.start_line, record.end_line) == (2, 6)
    assert record.code.startswith("@a\n@b(")
    assert record.signature == "async def f(x: int, y)"


@pytest.mark.parametrize(
    ("path", "text", "signature"),
    [
        ("a.php", "<?php #[A(1)]\n#[B]\nfunction f(#[C] $x) {}\n", "function f(#[C] $x)"),
        ("a.rb", "class A < B # :nodoc:\n  # Of x.\n  X = 1\nend\n", "class A < B"),
        ("a.rb", "private def f(a, # first\n  b); 1; end\n", "private def f(a, # first b)"),
        ("a.rb", "A = Struct.new(:x) do\n  X = 1\nend\n", "A = Struct.new(:x) do"),
        ("a.py", "def f():  # noqa\n    # why\n    return 1\n", "def f()"),
        ("a.sh", "f() # why\n{\n  :\n}\n", "f()"),
        ("a.sh", "function f { # why\n  :\n}\n", "function f"),
    ],
)
def test_a_signature_has_neither_attributes_nor_comments_before_the_body(path, text, signature):
    (record,) = records(path, text).values()
    assert record.signature == signature
    assert record.code == text.removeprefix("<?php ").strip()


def test_a_signature_without_end_is_cut():
    (record,) = records("a.ts", "type A = " + " | ".join(f"'{n}'" for n in range(999))).values()
    assert len(record.signature) == MAX_SIGNATURE


def test_a_file_with_errors_keeps_the_symbols_that_parse():
    text = "def good():\n    return 1\n\ndef bad(:\n    ]]\n\nclass Fine:\n    def ok(self): 2\n"
    assert {"good", "Fine", "Fine.ok"} <= set(records("a.py", text))


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("brackets", ["()", "[]", "{}", "<>"])
def test_ten_thousand_levels_of_brackets_take_seconds_at_most(extension, brackets):
    before = time.process_time()
    for text in (brackets[0] * 10_000 + brackets[1] * 10_000, brackets[0] * 10_000):
        content_of(f"a{extension}", f"x = {text}\n".encode())
    assert time.process_time() - before < 5


def test_a_text_that_takes_too_long_to_parse_is_refused(monkeypatch):
    # Its time grows with the square of its length: seconds for 40 kB, hours for 1 MiB.
    monkeypatch.setattr("dobby_pipeline.sources.captures.MAX_PARSE_SECONDS", 0.2)
    assert content_of("a.sh", b"x " + b".b()" * 10_000).reason == "unparsable"


def test_a_long_text_that_parses_quickly_is_read():
    text = "# é\nf() { g; }\n" * 3_000
    assert len(records("a.sh", text)) == 3_000


@pytest.mark.parametrize(("extension", "opening"), [(".ts", "function f(){"), (".c", "struct a{")])
def test_symbols_nested_without_end_do_not_multiply_the_code(extension, opening):
    text = opening * 3000 + "}" * 3000 + ";"
    found = content_of(f"a{extension}", text.encode()).records
    assert 0 < len(found) <= MAX_DEPTH
    assert sum(len(record.code) for record in found) <= MAX_DEPTH * len(text)


def test_a_line_of_one_megabyte_is_read_in_seconds():
    text = ("function f(){} /*c*/ " * 50_000)[: 1 << 20]
    before = time.process_time()
    assert len(records("a.ts", text)) > 49_000
    assert time.process_time() - before < 20


def check(path: str, data: bytes) -> None:
    content = content_of(path, data)
    found = content.records
    assert bool(found) != bool(content.reason)
    assert len({record.symbol for record in found}) == len(found)
    if not found:
        return
    lines = data.decode("utf-8-sig").split("\n")
    for record in found:
        assert record.kind in KINDS
        assert record.code
        assert record.code.split("\n")[0] in lines[record.start_line - 1]
        assert record.code.split("\n")[-1] in lines[record.end_line - 1]
        assert "\n" not in record.signature
        at = 0
        for start, end in record.inner:
            assert at <= start <= end <= len(record.code)
            at = end


TOKENS = st.sampled_from(
    [
        "class",
        "def",
        "fn",
        "func",
        "function",
        "struct",
        "enum",
        "impl",
        "trait",
        "type",
        "interface",
        "namespace",
        "template",
        "export",
        "default",
        "const",
        "async",
        "static",
        "@a",
        "#[a]",
        "//",
        "/*",
        "*/",
        "/**",
        "'''",
        '"""',
        "`",
        "${",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "=>",
        "=",
        ":",
        ";",
        ",",
        ".",
        "\n",
        "\n",
        "",
        "",
        "",
        "A",
        "b",
        "é",
        "名",
        "'f#2'",
        "for",
        "of",
        "return",
        "typedef",
        "macro_rules!",
        "mod",
        "operator",
        "~",
        "#",
        "*",
        "&",
        "...",
        "\t",
        "\r\n",
    ]
)


@given(st.sampled_from(EXTENSIONS), st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_bytes_never_break_the_parser(extension, data):
    check(f"a{extension}", data)


@given(st.sampled_from(EXTENSIONS), st.lists(TOKENS, max_size=80).map(" ".join))
@settings(max_examples=600, deadline=None)
def test_random_tokens_give_sound_records_with_unique_names(extension, text):
    check(f"a{extension}", text.encode())


@given(st.sampled_from(EXTENSIONS), st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_random_text_never_breaks_the_parser(extension, text):
    check(f"a{extension}", text.encode())


@pytest.mark.parametrize("extension", [".cs", ".java", ".ts", ".cpp"])
def test_generics_opened_without_end_are_refused_before_they_are_parsed(extension):
    assert content_of(f"a{extension}", b"x = " + b"a<" * 60_000).reason == "unparsable"


@pytest.mark.parametrize("extension", [".kt", ".swift", ".scala", ".py"])
def test_calls_chained_without_end_are_refused(extension):
    assert content_of(f"a{extension}", b"x = a" + b".b()" * 40_000).reason == "unparsable"
