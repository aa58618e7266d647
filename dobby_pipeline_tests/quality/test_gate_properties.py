"""The gate on anything: it ends, it tells, and it says the same twice."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dobby_pipeline.quality.gate import RULES, Candidate, judge
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.sources.languages import LANGUAGES

ANYTHING = st.text(st.characters(codec=None), max_size=300)
_PIECES = (
    "` `` f() a.b snake_case camelCase ( ) <name> [insert ] https://a.b does not returns nothing"
    " takes two arguments . TODO {{ é 漢 <|im_end|> AI AAA- a::b the parameter `x`"
)
PIECES = st.lists(st.sampled_from([*re.split(" ", _PIECES), "\n", "\ud800", "does not"])).map(
    " ".join
)
_CODE = "def f(a): return a { } ( ) a< class A /* ' `"
CODE = st.one_of(ANYTHING, st.lists(st.sampled_from([*re.split(" ", _CODE), "\n "])).map(" ".join))
NAMES = {rule.__name__ for rule in RULES} | {"empty"}
LANGUAGE = st.sampled_from(["", "klingon", *(row.name for row in LANGUAGES)])


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.one_of(ANYTHING, PIECES), CODE, LANGUAGE, ANYTHING, st.lists(ANYTHING, max_size=3))
def test_any_text_about_any_code_gets_a_verdict_in_lines(text, code, language, told, names):
    candidate = Candidate(
        text,
        finish_reason=told,
        instructions=told,
        language=language,
        code=code,
        symbol=told,
        known_names=KnownNames(names),
        children=tuple(names),
    )
    verdict = judge(candidate)
    assert (verdict.status == "published") == (not verdict.reasons)
    for reason in verdict.reasons:
        name, colon, why = reason.partition(": ")
        assert name in NAMES
        assert colon
        assert why
        assert len(reason.splitlines()) == 1
    assert verdict == judge(candidate)


GOOD = "Returns the sum of `a` and its parts."
HOSTILE = [
    "a", "a_", "_", "A", "aA", "Aa", "a.", "a::", "a(", "a()", "`", "``a", "(a,", "<a-",
    "[x ", "{{", "1", " ", "\n", "é", "漢", "\ud800", "\u0000", "www.", "https://a", "a<",
    "b()", "'", "password=", "eyJ", "-----BEGIN ", "does not ", "takes one ",
    "`a` parameter ", "$",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hundred_thousand_characters_of_anything_are_judged(unit):
    """A pattern that backtracks would hold the suite up here for minutes."""
    text = (unit * 100_000)[:100_000]
    for candidate in (
        Candidate(f"Returns the sum {text}-.", language="python", code="def f(a): return a"),
        Candidate(GOOD, language="python", code=text),
        Candidate(GOOD, language="rust", code=text[:30_000]),
    ):
        assert judge(candidate).status in ("published", "quarantined")
    assert judge(Candidate(text + "-")).status == "quarantined"
