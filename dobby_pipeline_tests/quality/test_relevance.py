"""Whether a summary speaks of the code that it is said to be about."""

import pytest

from dobby_pipeline.quality.gate import Candidate, judge
from dobby_pipeline.quality.reading import stem
from dobby_pipeline.quality.relevance import content_words

CODE = "def parse_header(line):\n    key, value = line.split(':')\n    return key.strip(), value\n"


def rules(text: str, code: str = CODE, **fields) -> list[str]:
    verdict = judge(Candidate(text, language="python", code=code, **fields))
    return [reason.partition(":")[0] for reason in verdict.reasons]


def test_a_summary_of_something_else_is_not_relevant():
    assert rules("Draws the triangle onto the canvas in green.") == ["relevance"]


@pytest.mark.parametrize(
    "text",
    [
        "Splits the line at its colon and strips blanks around the key.",
        "Draws a parser onto the canvas in green.",
        "Draws a green canvas of headers.",
        "Gets and returns the value.",
    ],
)
def test_words_of_the_code_or_of_its_name_are_evidence(text):
    assert rules(text) == []


def test_the_words_weigh_what_authors_use_them_for():
    code = "def add(left, right):\n    return left + right\n"
    assert rules("Returns the sum of two numbers.", code) == []
    assert rules("Sorts a list of integers.", code) == ["relevance"]
    assert rules("Removes all white space around it.", "def strip_text(t):\n    t.trim()\n") == []


def test_the_name_is_read_from_the_code_where_it_is_not_told():
    code = "fun String.trimEnd(): String {\n    return this.cut()\n}\n"
    for fields in ({}, {"symbol": "String.trimEnd"}):
        text = "Checks the password of a user account."
        verdict = judge(Candidate(text, language="kotlin", code=code, **fields))
        assert [reason.partition(":")[0] for reason in verdict.reasons] == ["relevance"]
        text = "Removes blanks at the end of a string."
        assert judge(Candidate(text, language="kotlin", code=code, **fields)).reasons == ()


def test_a_type_and_a_roll_up_are_held_against_shares():
    code = "class Stack:\n    def push(self, x):\n        self.items.append(x)\n"
    assert rules("A last-in first-out collection with items.", code, symbol="Stack") == []
    text = "Draws the triangle onto the canvas in green."
    assert rules(text, code, symbol="Stack") == ["relevance"]


def test_a_method_may_be_called_by_its_class():
    code = "def __getitem__(self, key):\n    return self._map[key]\n"
    text = "Fetches an entry of the cache in constant time."
    assert rules(text, code) == ["relevance"]
    assert rules(text, code, symbol="Cache.__getitem__") == []


def test_names_say_more_than_their_letters():
    assert rules("Serializes onto the disk in chunks.", "def dump(o):\n    pass\n") == []


def test_without_code_or_a_name_there_is_nothing_to_hold_against():
    text = "Draws the triangle onto the canvas in green."
    assert rules(text, code="") == []
    assert rules(text, code="def f(x): return x") == []


def test_the_share_is_measured():
    measured = judge(
        Candidate("Parses the header of a canvas.", language="python", code=CODE)
    ).measured
    assert measured.content_share == 0.5
    assert measured.words == 6
    assert judge(Candidate("Gets the value of it.", code=CODE)).measured.content_share is None


def test_content_words_are_what_not_every_summary_says():
    assert content_words("Returns the parsed header_lines of a fileName.") == {"header", "lines"}


ABOUT = "Dobby turns repositories into a database of summaries. It runs on your hardware."


@pytest.mark.parametrize(
    ("text", "is_astray"),
    [
        ("This tool takes screenshots of the main page. It turns repositories.", True),
        ("This is a web server for the pages of repositories, users and tools.", True),
        ("It makes and keeps a database on your own hardware.", False),
        ("This tool turns a repository into summaries that are kept in a database.", False),
    ],
)
def test_a_roll_up_says_what_its_authors_say(text, is_astray):
    told = {"level": "repo", "children": ("`docs/`: Takes screenshots of the main web page.",)}
    assert rules(text, code="", about=ABOUT, **told) == ["astray"] * is_astray
    assert rules(text, code="", **told) == []
    assert rules(text, code="", about="Utilities.", **told) == []


@pytest.mark.parametrize(
    ("text", "about", "is_refused"),
    [
        ("This software is a database of summaries that can be trusted.", ABOUT, True),
        ("Dobby is a local database of summaries for teams.", ABOUT, True),
        ("It is a database of summaries.", "It keeps summaries in a local database.", True),
        ("This software turns repositories into a database of summaries.", ABOUT, False),
        ("This software is a database of summaries.", "# Dobby\n\nA database of summaries.", False),
        ("Dobby is a database of summaries.", f"A database of summaries. {ABOUT}", False),
        ("Requests is a simple HTTP library.", "Requests is an HTTP library for people.", False),
        ("This is a summariser of repositories.", ABOUT, False),
    ],
)
def test_software_is_not_what_it_makes_or_uses(text, about, is_refused):
    found = rules(text, code="", about=about, level="repo")
    assert ("mixed_up" in found) == is_refused
    assert "mixed_up" not in rules(text, code="", level="repo")


def test_forms_of_a_word_in_y_have_one_stem():
    for forms in ("retry retries retried", "entry entries", "query queries", "apply applied"):
        assert len(set(map(stem, forms.split()))) == 1
    assert stem("retry") != stem("retrieve")
    for forms in ("cookie cookies", "tie ties", "property properties"):
        assert len(set(map(stem, forms.split()))) == 1
