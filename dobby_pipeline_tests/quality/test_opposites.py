"""Whether a summary says the opposite of what the code's own name says."""

import pytest

from dobby_pipeline.quality.gate import Candidate, judge

CODE = "def smallest_key(table):\n    return min(table)\n"


def rules(text: str, code: str = CODE, symbol: str = "smallest_key") -> list[str]:
    verdict = judge(Candidate(text, language="python", code=code, symbol=symbol))
    return [reason.partition(":")[0] for reason in verdict.reasons]


@pytest.mark.parametrize(
    ("text", "code", "symbol"),
    [
        ("Returns the largest key of the table.", CODE, "smallest_key"),
        ("Closes the file at its path.", "def open_file(path):\n    ...\n", "open_file"),
        ("Decoding the text as bytes.", "def encodeText(text):\n    ...\n", "Codec.encodeText"),
    ],
)
def test_the_opposite_of_a_word_of_the_name_is_refused(text, code, symbol):
    assert "opposite" in rules(text, code, symbol)


@pytest.mark.parametrize(
    ("text", "code", "symbol"),
    [
        ("Returns the smallest key of the table.", CODE, "smallest_key"),
        ("Returns the smallest key, where largest keys are ignored.", CODE, "smallest_key"),
        # Both words stand in the code: the summary may mean either.
        (
            "Closes the file when the table is removed.",
            "def open_file(table):\n    table.close_file()\n",
            "open_file",
        ),
        # The name says nothing of it.
        ("Returns the largest key of the table.", CODE, "key"),
    ],
)
def test_what_may_be_right_is_not(text, code, symbol):
    assert "opposite" not in rules(text, code, symbol)
