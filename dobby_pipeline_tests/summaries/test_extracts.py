"""What stands in for a summary, taken from the code."""

import pytest

from dobby_pipeline.summaries.extracts import file_extract, symbol_extracts


@pytest.mark.parametrize(
    ("language", "kind", "expected"),
    [
        ("python", "method", "a Python method"),
        ("cpp", "class", "a C++ class"),
        ("csharp", "interface", "a C# interface"),
        ("tsx", "function", "a TSX function"),
        ("elvish", "function", "an elvish function"),
        ("", "enum", "an enum"),
    ],
)
def test_a_language_is_called_what_people_call_it(language, kind, expected):
    record = {
        "symbol": "A.take",
        "language": language,
        "kind": kind,
        "docstring": "",
        "signature": "take()",
    }
    assert symbol_extracts(record)[0] == f"`A.take` is {expected}, declared as `take()`."
    assert symbol_extracts({**record, "signature": ""}) == [f"`A.take` is {expected}."]


def test_a_file_lists_its_symbols_by_kind():
    names = {"class": ["A", "B"], "function": ["f"]}
    expected = "A Go file that holds the classes `A`, `B`; the function `f`."
    assert file_extract("go", names) == expected
    assert file_extract("go", {}) == "A Go file that holds no symbols."
