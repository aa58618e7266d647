"""Fragments of code in a summary, and what repeats itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dobby_pipeline.quality.copying import fragments, tokens_of, top_ngram_share
from dobby_pipeline.quality.gate import Candidate, judge

CODE = '''def area(shape):
    """Tells how large the shape is in all its parts, whatever they may look like in the end."""
    total = sum(part.width * part.height for part in shape.parts)
    shape.cache[total] = (0)
    # a part without a width counts as one that is not there
    return max(total, shape.minimum)
'''


def rules(text: str) -> list[str]:
    verdict = judge(Candidate(text, language="python", code=CODE))
    return [reason.partition(":")[0] for reason in verdict.reasons]


@pytest.mark.parametrize(
    "text",
    [
        "total = sum(part.width * part.height for part in shape.parts) and so on.",
        "Returns the area and does shape.cache[total] = (0) for later.",
        "return max(total, shape.minimum).",
    ],
)
def test_code_in_a_summary_is_copying(text):
    assert "copying" in rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "Tells how large the shape is in all its parts, whatever they may look like in the end.",
        "A part without a width counts as one that is not there.",
        "Returns the sum of `part.width * part.height` over the parts of the shape.",
    ],
)
def test_an_authors_words_in_the_code_are_no_code(text):
    assert "copying" not in rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "Computes the area of the area of the area of the area of the shape.",
        "Computes the area area area area of the shape.",
        "Computes the sum of the parts of the shape, and the sum of the parts of the shape.",
        "The shape parts, shape parts, shape parts and shape parts.",
    ],
)
def test_loops_are_repetition(text):
    assert "repetition" in rules(text)


def test_a_pair_of_words_said_twice_is_no_loop():
    assert top_ngram_share(["returns", "a", "function", "that", "returns", "a", "value"], 2) == 0
    assert top_ngram_share(["a", "b"] * 3, 2) == 1
    assert top_ngram_share([], 2) == 0


@given(
    st.lists(st.sampled_from("abcd"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=16)
)
def test_fragments_are_those_of_the_greedy_search(summary, source):
    expected = []
    position = 0
    while position < len(summary):
        longest = 0
        while position + longest < len(summary) and _stands_in(
            summary[position : position + longest + 1], source
        ):
            longest += 1
        expected.append(longest)
        position += max(1, longest)
    assert fragments(summary, source) == expected


def _stands_in(run: list[str], source: list[str]) -> bool:
    return any(source[i : i + len(run)] == run for i in range(len(source) - len(run) + 1))


def test_tokens_are_words_and_marks():
    assert tokens_of("`a.b(c)` is 1.") == ["a", ".", "b", "(", "c", ")", "is", "1", "."]


EXAMPLE = "Deletes all entries of the store whose deadline is before `now`."


def of_example(text: str, code: str = "def reset(cache):\n    cache.entries = {}\n") -> list[str]:
    verdict = judge(Candidate(text, language="python", code=code, examples=(EXAMPLE,)))
    return [reason.partition(":")[0] for reason in verdict.reasons]


def test_the_words_of_an_example_are_no_summary_of_other_code():
    assert "parroting" in of_example("Deletes all entries of the cache and resets it.")
    assert "parroting" not in of_example("Deletes all entries of a cache by a reset.")


def test_words_of_an_example_that_the_code_has_too_are_its_own():
    code = (
        'def reset(cache):\n    """Deletes all entries of the cache."""\n    cache.entries = {}\n'
    )
    assert "parroting" not in of_example("Deletes all entries of the cache by a reset.", code)
