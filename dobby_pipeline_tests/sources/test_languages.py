"""What is a symbol in each language, on a file that holds its hard cases.

Not here: what a record says beyond name, kind and lines (test_extraction.py).
"""

from pathlib import Path

import pytest

from dobby_pipeline.sources.languages import LANGUAGES, grammar, language_of, query
from dobby_pipeline.sources.reader import content_of
from dobby_pipeline.sources.records import KINDS, SourceRecord

# The files end in .sample so that neither linters nor Dobby itself take them for code.
SAMPLES = Path(__file__).parent / "samples"

EXPECTED = {
    "shapes.py": [
        ("Shape", "class", 6, 33),
        ("Shape.__init__", "method", 14, 15),
        ("Shape.area", "method", 17, 20),
        ("Shape.area#2", "method", 22, 24),
        ("Shape.unit", "method", 26, 30),
        ("Shape.Corner", "class", 32, 33),
        ("Shape.Corner.turn", "method", 33, 33),
        ("scale", "function", 36, 37),
        ("scale#2", "function", 38, 39),
        ("scale#3", "function", 40, 43),
        ("scale#3.factor", "function", 41, 42),
        ("chosen", "function", 47, 47),
        ("chosen#2", "function", 49, 49),
        ("double", "function", 51, 51),
        ("generic", "function", 54, 55),
    ],
    "app.js": [
        ("add", "function", 8, 10),
        ("noop", "function", 13, 13),
        ("twice", "function", 14, 14),
        ("thrice", "function", 14, 14),
        ("count", "function", 16, 16),
        ("Store", "class", 18, 28),
        ("Store.handle", "method", 21, 21),
        ("Store.create", "method", 22, 22),
        ("Store.size", "method", 23, 23),
        ("Store.size#2", "method", 24, 24),
        ("Store.#hidden", "method", 25, 25),
        ("Store.[Symbol.iterator]", "method", 26, 26),
        ("Store.constructor", "method", 27, 27),
        ("Store.constructor.inner", "function", 27, 27),
        ("api.fetch", "method", 31, 31),
        ("api.send", "method", 32, 32),
        ("api.'quoted-name'", "method", 33, 33),
        ("api.deep", "method", 34, 34),
        ("named", "function", 37, 37),
        ("arrow", "function", 38, 38),
        ("Store.prototype.extra", "method", 39, 39),
        ("Anonymous", "class", 40, 40),
        ("Anonymous.run", "method", 40, 40),
        ("default", "function", 43, 43),
    ],
    "model.ts": [
        ("User", "interface", 2, 5),
        ("Id", "type", 7, 7),
        ("Role", "enum", 9, 9),
        ("Flag", "enum", 11, 11),
        ("parse", "function", 15, 17),
        ("Base", "class", 19, 26),
        ("Base.onClick", "method", 21, 21),
        ("Base.load", "method", 22, 25),
        ("Geometry.Plane.area", "function", 29, 29),
        ("Geometry.Plane.Point", "class", 30, 30),
        ('"plugin".Options', "interface", 34, 34),
        ("identity", "function", 37, 37),
        ("default", "class", 38, 38),
    ],
    "view.tsx": [
        ("Props", "type", 3, 3),
        ("Hello", "function", 6, 9),
        ("Hello.onClick", "function", 7, 7),
        ("Page", "class", 11, 13),
        ("Page.render", "method", 12, 12),
    ],
    "lib.rs": [
        ("Point", "struct", 8, 11),
        ("Unit", "struct", 13, 13),
        ("Meters", "struct", 14, 14),
        ("Shape", "enum", 17, 17),
        ("Bits", "union", 19, 19),
        ("Alias", "type", 21, 21),
        ("Area", "trait", 23, 27),
        ("Area::double", "method", 26, 26),
        ("Point::new", "method", 31, 32),
        ("<Point<T> as fmt::Display>::fmt", "method", 36, 39),
        ("<Point<T> as fmt::Display>::fmt::helper", "function", 37, 37),
        ("<Meters as From<Unit>>::from", "method", 43, 43),
        ("<Meters as From<f64>>::from", "method", 47, 47),
        ("square", "macro", 50, 52),
        ("platform", "function", 54, 55),
        ("platform#2", "function", 56, 57),
        ("tests::Local", "type", 60, 60),
        ("tests::works", "function", 61, 62),
    ],
    "list.go": [
        ("List", "struct", 5, 7),
        ("ID", "type", 11, 11),
        ("Item", "struct", 12, 12),
        ("Alias", "type", 13, 13),
        ("Store", "interface", 16, 18),
        ("List.Push", "method", 23, 26),
        ("Item.String", "method", 28, 28),
        ("Item.Nameless", "method", 30, 30),
        ("New", "function", 32, 32),
        ("handler", "function", 34, 34),
        ("init", "function", 36, 36),
        ("init#2", "function", 37, 37),
    ],
    "Account.java": [
        ("Account", "class", 8, 44),
        ("Account.Account", "method", 13, 13),
        ("Account.Account#2", "method", 15, 15),
        ("Account.compareTo", "method", 17, 18),
        ("Account.Entry", "class", 22, 28),
        ("Account.Entry.post", "method", 23, 27),
        ("Account.Entry.post.run", "method", 25, 25),
        ("Account.State", "enum", 30, 34),
        ("Account.State.OPEN.active", "method", 31, 31),
        ("Account.State.active", "method", 33, 33),
        ("Account.Range", "class", 36, 39),
        ("Account.Range.Range", "method", 37, 37),
        ("Account.Range.width", "method", 38, 38),
        ("Account.Visitor", "interface", 41, 41),
        ("Account.Visitor.done", "method", 41, 41),
        ("Account.Marker", "interface", 43, 43),
    ],
    "buffer.c": [
        ("buffer", "struct", 8, 11),
        ("point", "struct", 13, 15),
        ("color", "enum", 17, 17),
        ("mode", "enum", 18, 18),
        ("word", "union", 19, 19),
        ("buffer_new", "function", 25, 27),
        ("choose", "function", 29, 31),
        ("open_it", "function", 34, 34),
        ("open_it#2", "function", 36, 36),
        ("make_pair", "function", 39, 39),
        ("make_pair.pair", "struct", 39, 39),
    ],
    "engine.cpp": [
        ("game::core::Vec", "class", 6, 18),
        ("game::core::Vec::Vec", "method", 9, 9),
        ("game::core::Vec::operator bool", "method", 11, 11),
        ("game::core::Vec::operator[]", "method", 12, 12),
        ("game::core::Vec::as", "method", 14, 14),
        ("game::core::Vec::Iterator", "struct", 15, 15),
        ("game::core::Mode", "enum", 20, 20),
        ("game::core::max", "function", 22, 23),
        ("hidden", "function", 30, 30),
        ("game::core::Engine::run", "method", 33, 35),
        ("game::core::Engine::run::step", "function", 34, 34),
        ("Engine::name", "method", 37, 37),
        ("Engine::~Engine", "method", 38, 38),
        ("Engine::operator==", "method", 39, 39),
        ("overloaded", "function", 40, 40),
        ("overloaded#2", "function", 41, 41),
        ("Widget", "class", 43, 45),
        ("Widget::paint", "method", 44, 44),
        ("TEST(EngineTest, Runs)", "function", 47, 47),
        ("c_entry", "function", 48, 48),
    ],
}


def read_sample(name: str) -> tuple[SourceRecord, ...]:
    found = content_of(name, (SAMPLES / f"{name}.sample").read_bytes()).records
    assert found
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_gives_exactly_its_symbols(name):
    records = [(r.symbol, r.kind, r.start_line, r.end_line) for r in read_sample(name)]
    assert records == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_code_is_the_text_of_its_lines(name):
    lines = (SAMPLES / f"{name}.sample").read_text().splitlines()
    for record in read_sample(name):
        text = "\n".join(lines[record.start_line - 1 : record.end_line])
        assert record.code in text
        assert record.code.count("\n") == record.end_line - record.start_line


@pytest.mark.parametrize("name", EXPECTED)
def test_every_language_names_itself_and_uses_known_kinds(name):
    records = read_sample(name)
    language = language_of(name, b"")
    assert language is not None
    assert {record.language for record in records} == {language.name}
    assert {record.kind for record in records} <= KINDS


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_every_capture_of_a_query_is_one_that_is_understood(language):
    others = {"scope", "impl", "name", "declarator", "receiver", "implements", "body", "_object"}
    known = KINDS | others | {"keyword", "decoration", "comment", "docstring"}
    compiled = query(language)
    assert {compiled.capture_name(i) for i in range(compiled.capture_count)} <= known
    assert grammar(language) is grammar(language)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a/b/module.PY", b"", "python"),
        ("SConstruct", b"", "python"),
        ("types.d.ts", b"", "typescript"),
        ("plain.h", b"struct a { int class_; };\n", "c"),
        ("plain.h", b"#include <x>\n  class A {};\n", "cpp"),
        ("plain.h", b"namespace a {}\n", "cpp"),
        ("script", b"#!/usr/bin/env python\n", None),
        ("py", b"", None),
        ("README.md", b"", None),
    ],
)
def test_a_file_s_language_comes_from_its_name(path, text, expected):
    language = language_of(path, text)
    assert (language.name if language else None) == expected
