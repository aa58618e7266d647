"""Large symbols in parts: nothing lost, nothing too large, and cut where statements begin."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dobby_pipeline.sources import parts
from dobby_pipeline.sources.languages import LANGUAGES
from dobby_pipeline.sources.parts import MAX_PART_BYTES
from dobby_pipeline.sources.reader import content_of
from dobby_pipeline.sources.records import SourceRecord
from dobby_pipeline.summaries.prompts import outline, part_outline

EXTENSIONS = [language.extensions[0] for language in LANGUAGES]


def size(text: str) -> int:
    return len(text.encode())


def shown(record: SourceRecord, limit: int = MAX_PART_BYTES) -> list[str]:
    """The parts' outlines, after all that must hold for them is checked."""
    whole = outline(record.code, record.inner)
    if size(whole) <= limit:
        assert record.parts == ()
        return [whole]
    starts, ends = zip(*record.parts, strict=True)
    assert (starts[0], ends[-1]) == (0, len(record.code))
    assert starts[1:] == ends[:-1]
    assert all(start < end for start, end in record.parts)
    for cut in starts:
        assert not any(start < cut < end for start, end in record.inner)
    texts = [part_outline(record.code, record.inner, part) for part in record.parts]
    assert "".join(texts) == whole
    assert max(map(size, texts)) <= limit
    return texts


def records(path: str, text: str) -> dict[str, SourceRecord]:
    found = {record.symbol: record for record in content_of(path, text.encode()).records}
    assert found
    return found


def parts_of(path: str, text: str, symbol: str = "f") -> list[str]:
    return shown(records(path, text)[symbol])


def test_a_record_that_fits_has_no_parts():
    fitting = "def f():\n    x = '" + "a" * (MAX_PART_BYTES - 19) + "'"
    assert size(fitting) == MAX_PART_BYTES
    assert records("a.py", fitting)["f"].parts == ()
    assert len(records("a.py", fitting.replace("x =", "xy ="))["f"].parts) == 2


def test_a_function_of_5000_lines_is_cut_between_its_statements():
    lines = "".join(f"    value_{n} = compute({n})\n" for n in range(5000))
    texts = parts_of("a.py", f"def f():\n{lines}")
    assert len(texts) == pytest.approx(size(lines) / MAX_PART_BYTES, abs=2)
    for text in texts[1:]:
        assert text.startswith("    value_")


def test_a_large_statement_is_opened_and_what_fits_stays_whole():
    small = "".join(f"    before_{n} = {n}\n" for n in range(60))
    inside = "".join(f"        call_{n}(argument)\n" for n in range(300))
    fits = "    while ready:\n" + "".join(f"        step_{n}()\n" for n in range(150))
    texts = parts_of("a.py", f"def f():\n{small}    if ready:\n{inside}{fits}")
    assert any("before_59" in text and "call_0(" in text for text in texts)
    assert any("while ready" in text and "step_149" in text for text in texts)
    for text in texts[1:]:
        assert text.split("\n")[0].strip().endswith((")", ":"))


@pytest.mark.parametrize("sizes", [(2900, 2900), (1500, 3500)])
def test_a_statement_that_fits_goes_into_the_next_part_as_a_whole(sizes):
    def block(size: int) -> str:
        lines = "".join(f"        step_{n:03}()\n" for n in range(size // 20))
        return f"    while ready:\n{lines}"

    texts = parts_of("a.py", "def f():\n" + "".join(map(block, sizes * 3)))
    assert len(texts) == 6
    for text in texts[1:]:
        assert text.startswith("    while ready:")


def test_a_comment_that_fits_is_not_cut_away_from_its_line():
    lines = "".join(f"    call({n})  # why it is called\n" for n in range(400))
    for text in parts_of("a.py", f"def f():\n{lines}"):
        assert text.rstrip().endswith("called")


def test_code_on_one_line_is_cut_between_its_statements():
    calls = "".join(f"call{n}();" for n in range(2000))
    for text in parts_of("a.ts", f"function f() {{{calls}}}")[1:]:
        assert text.startswith("call")


@pytest.mark.parametrize("quotes", ["'''", "#"])
def test_a_giant_string_or_comment_is_cut_at_a_line_break(quotes):
    prose = "".join(f"    # line {n} of many\n" for n in range(900))
    start, end = ("x = '''\n", "    '''\n") if quotes == "'''" else ("\n", "    pass\n")
    for text in parts_of("a.py", f"def f():\n    {start}{prose}{end}")[1:-1]:
        assert text.startswith("    # line")
        assert text.endswith("many\n")


@pytest.mark.parametrize("character", ["a", "ü", "名", "😀"])
def test_a_line_without_end_is_cut_between_characters(character):
    texts = parts_of("a.py", f"def f():\n    x = '{character * 16_000}'\n")
    assert sum(text.count(character) for text in texts) == 16_000
    assert min(map(size, texts[1:-2])) > MAX_PART_BYTES - 4


@pytest.mark.parametrize("before", range(4))
def test_an_ellipsis_is_not_cut(before):
    text = b"a" * (MAX_PART_BYTES - before) + b"..." + b"a" * MAX_PART_BYTES
    first, *_ = parts._cuts(text, [], [MAX_PART_BYTES - before])
    assert first == MAX_PART_BYTES - (before if before < 3 else 0)


def test_decorators_in_front_of_a_definition_are_packed_too():
    cases = "".join(f"    ({n}, 'case {n}'),\n" for n in range(500))
    texts = parts_of("a.py", f"@parametrize([\n{cases}])\ndef f(x):\n    return x\n")
    assert texts[0].startswith("@parametrize")
    assert texts[-1].endswith("return x")
    for text in texts[1:]:
        assert text.lstrip().startswith("(")


def test_nested_bodies_count_as_an_ellipsis():
    body = "".join(f"        line_{n}()\n" for n in range(100))
    methods = "".join(f"    def method_{n}(self):\n{body}" for n in range(20))
    assert records("a.py", f"class A:\n{methods}")["A"].parts == ()
    many = "".join(f"    def method_{n}(self):\n        return {n}\n" for n in range(300))
    found = records("a.py", f"class A:\n{many}")
    texts = shown(found["A"])
    assert len(texts) > 2
    for text in texts[1:]:
        assert text.startswith("    def method_")
    # Short bodies make the outline longer than the code.
    short = ";".join("f=lambda:1" for _ in range(450))
    found = records("a.py", f"class A: {short}")
    assert size(found["A"].code) < size(outline(found["A"].code, found["A"].inner))
    shown(found["A"])


def test_the_last_part_is_more_than_a_closing_bracket():
    for extra in range(0, 200, 7):
        lines = "".join(f"  call({n:04});\n" for n in range(285)) + " " * extra + "done();\n"
        *_, last = parts_of("a.ts", f"function f() {{\n{lines}}}")
        assert size(last) > MAX_PART_BYTES / 5


def test_an_edit_within_a_part_leaves_the_others_as_they_were():
    lines = [f"    value_{n:04} = compute({n:04})\n" for n in range(500)]
    before = parts_of("a.py", "def f():\n" + "".join(lines))
    lines[250] = lines[250].replace("compute", "compile")
    after = parts_of("a.py", "def f():\n" + "".join(lines))
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize("brackets", ["()", "[]"])
def test_ten_thousand_levels_of_nesting_are_no_matter(brackets):
    opening, closing = brackets
    texts = parts_of("a.ts", f"function f() {{ x = {opening * 10_000}1{closing * 10_000} }}")
    assert len(texts) == 6


def test_functions_nested_without_end_are_cut_each_for_itself():
    text = "function f() { a(1); " * 3000 + "}" * 3000
    found = content_of("a.ts", text.encode()).records
    large = [record for record in found if record.parts]
    for record in found:
        shown(record)
    assert len(large) == 1  # the innermost holds all that is nested too deep


def visited(path: str, text: str, monkeypatch) -> int:
    """How many nodes' beginnings were looked at."""
    count = 0
    line_start = parts._line_start

    def counting(*args):
        nonlocal count
        count += 1
        return line_start(*args)

    monkeypatch.setattr(parts, "_line_start", counting)
    content_of(path, text.encode())
    monkeypatch.undo()
    return count


def test_only_large_symbols_are_walked_and_each_once(monkeypatch):
    small = "".join(f"def g{n}():\n    return {n}\n" for n in range(500))
    large = "def f():\n" + "".join(f"    value_{n} = {n}\n" for n in range(1000))
    assert visited("a.py", small, monkeypatch) == 0
    once = visited("a.py", large, monkeypatch)
    assert 1000 <= once < 1020
    assert visited("a.py", small + large + small, monkeypatch) == once
    within = large + large.replace("def f", "    def h").replace("    value", "        value")
    assert visited("a.py", within, monkeypatch) <= 2 * once + 10


def test_one_mebibyte_in_one_function_is_walked_once(monkeypatch):
    lines = "".join(f"    if value_{n}:\n        call({n})\n" for n in range(27_000))
    text = f"def f():\n{lines}"[: 1 << 20]
    assert len(parts_of("a.py", text)) > 200
    assert visited("a.py", text, monkeypatch) < 30_000


TEXT = st.text(st.sampled_from("ab ü名😀\n\r\t'\"#(){}[];:,.=+"), max_size=60)
INDENT = "    "
WRAPPED = {
    ".py": ("def f():\n x = '''", "'''"),
    ".ts": ("function f() {", "}"),
    ".rs": ("fn f() {", "}"),
}


def _block(bodies: list[str]) -> str:
    return "\n".join(bodies) or "pass"


def _indented(head: str, body: str) -> str:
    return head + "\n" + "\n".join(INDENT + line for line in body.split("\n"))


STATEMENT = st.one_of(
    st.sampled_from(["a = 1", "call(a, b)", "return [1, 2]", "# why", "x = 'ü名'", "a = b; c = d"]),
    st.integers(1, 60).map(lambda n: "x = [" + ", ".join(["item"] * n) + "]"),
    st.integers(1, 60).map(lambda n: "x = " + "(" * n + "1" + ")" * n),
    st.integers(1, 200).map(lambda n: "x = '" + "名" * n + "'"),
)
CODE = st.recursive(
    st.lists(STATEMENT, min_size=1, max_size=8).map(_block),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(_block),
        st.tuples(
            st.sampled_from(["def g(a):", "class A(B):", "if a:", "@dec\ndef h(): # why"]), inner
        ).map(lambda pair: _indented(*pair)),
    ),
    max_leaves=12,
)


def check_all(path: str, text: str, limit: int) -> None:
    """As `shown`, with a limit so low that small texts have many parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "MAX_PART_BYTES", limit)
        patch.setattr(parts, "_OPENED", limit // 4)
        found = content_of(path, text.encode()).records
    for record in found:
        shown(record, limit)


@given(CODE, st.integers(16, 200))
@settings(max_examples=300, deadline=None)
def test_random_nested_code_is_covered_in_order_by_bounded_parts(code, limit):
    check_all("a.py", _indented("def f():", code), limit)


@given(st.sampled_from(EXTENSIONS), st.lists(TEXT, max_size=12).map("".join), st.integers(16, 200))
@settings(max_examples=300, deadline=None)
@example(".py", "\n" * 300, 16)
@example(".ts", "function g(){}" * 40, 16)
def test_random_text_is_covered_in_order_by_bounded_parts(extension, text, limit):
    head, tail = WRAPPED.get(extension, ("class f {", "}"))
    check_all(f"a{extension}", head + text, limit)
    check_all(f"a{extension}", head + text + tail, limit)
