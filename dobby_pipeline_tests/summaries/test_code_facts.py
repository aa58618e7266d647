"""The lines that tell a model what parsing its code tells for certain."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dobby_pipeline.sources.languages import LANGUAGES
from dobby_pipeline.summaries.code_facts import MAX_BYTES, MAX_NAMES, CodeFacts, read_code_facts


def lines(language: str, kind: str, code: str) -> tuple[str, ...]:
    return read_code_facts(language, kind, code).lines


def test_a_function_s_name_parameters_result_and_errors_are_told():
    code = (
        "def load(self, path, *args, strict: bool = True, **rest):\n"
        "    if strict and not path:\n"
        "        raise errors.MissingPath(path)\n"
        "    return decode(self.cache.get(path))\n"
    )
    assert read_code_facts("python", "method", code) == CodeFacts(
        "load",
        ("Parameters: path, args, strict, rest", "Result: returns a value", "Raises: MissingPath"),
    )


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        ("javascript", "function f(a, b = 1, ...c) { return g(a); }", "Parameters: a, b, c"),
        ("javascript", "handle({ x }, y) { this.run((option) => y); }", "Parameters: y"),
        ("typescript", "export const f = (a: string, b?: number) => g(a);", "Parameters: a, b"),
        ("java", "int f(String a, int... b) { throw new Bad(a); }", "Raises: Bad"),
        ("java", "int f(String a, int b) { return g(a); }", "Parameters: a, b"),
        ("go", "func (s *S) F(a, b int, c string) error { return s.g(a) }", "Parameters: a, b, c"),
        ("c", "int f(const char *a, int b[]) { return g(a); }", "Parameters: a, b"),
        ("cpp", "int f(const std::string &a, int b = 2) { return g(a); }", "Parameters: a, b"),
        ("csharp", "int F(string a, int b = 1) { return G(a); }", "Parameters: a, b"),
        ("php", "function f($a, int $b = 1) { return g($a); }", "Parameters: a, b"),
    ],
)
def test_facts_are_told_in_each_language(language, code, expected):
    assert expected in lines(language, "function", code)


@pytest.mark.parametrize(
    ("language", "kind", "code"),
    [
        ("rust", "method", "fn f(&self, a: &str, mut b: u8) -> u8 { g(a) }"),
        ("kotlin", "function", "fun f(a: Int) = g(a)"),
        ("ruby", "method", "def f(a)\n  g(a)\nend"),
        ("bash", "function", "f() {\n  curl -s x\n}"),
        ("javascript", "method", "f({ x }, y) { this.run((option) => y); }"),
        ("go", "method", "func (s *S) f(a int) error { return s.g(a) }"),
        ("java", "class", "class f { int g(int a) { return a; } }"),
    ],
)
def test_the_name_is_the_symbols_own_in_each_language(language, kind, code):
    assert read_code_facts(language, kind, code).name == "f"


def test_a_generator_yields_and_a_stub_has_no_result():
    assert "Result: yields values" in lines("python", "function", "def f():\n    yield 1\n")
    assert lines("python", "function", "def f():\n    raise NotImplemented\n") == (
        "Raises: NotImplemented",
    )


def test_what_a_nested_function_takes_and_returns_is_not_its_owner_s():
    code = "def f(a):\n    def inner(b):\n        return b\n    use(inner)\n"
    assert lines("python", "function", code) == ("Parameters: a",)


def test_a_type_s_members_are_told():
    code = "class A(B):\n    x = 1\n    def f(self):\n        return g()\n    def h(self): ...\n"
    assert read_code_facts("python", "class", code) == CodeFacts("A", ("Members: f, h",))


def test_a_line_has_the_first_names_only_each_once():
    raised = "".join(f"    raise E{n}()\n    raise E{n}()\n" for n in range(30))
    [line] = lines("python", "function", f"def f():\n{raised}")
    assert line == "Raises: " + ", ".join(f"E{n}" for n in range(MAX_NAMES))


@pytest.mark.parametrize("language", [row.name for row in LANGUAGES])
@pytest.mark.parametrize(
    "code",
    ["", " ", "\x00", "def f(", "}{", "def f(a):\n    return (", "\ud800", "`" * 500, "é" * 99],
)
def test_broken_code_has_fewer_facts_and_no_error(language, code):
    for kind in ("function", "class"):
        facts = read_code_facts(language, kind, code)
        assert len(facts.lines) < 3
        assert facts.name in code


def test_code_of_an_unknown_language_and_very_long_code_have_none():
    long = "def f(a):\n" + "    g()\n" * (MAX_BYTES // 8 + 1)
    assert read_code_facts("cobol", "function", "def f(a): pass") == CodeFacts()
    assert read_code_facts("python", "function", long) == CodeFacts()


@settings(deadline=None)
@given(name=st.text(min_size=1, max_size=60), language=st.sampled_from(["python", "ruby", "php"]))
def test_nothing_but_names_stands_in_a_line(name, language):
    code = f"def f({name}):\n    {name}()\n    return x['{name}']()\n"
    for line in lines(language, "function", code):
        label, _, names = line.partition(": ")
        assert label in ("Parameters", "Result", "Raises")
        assert all(part.replace(" ", "_").isidentifier() for part in names.split(", "))
