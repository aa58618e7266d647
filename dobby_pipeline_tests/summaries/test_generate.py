"""Parts of generation that need no model."""

import hashlib
import json
from dataclasses import replace

import pytest

from dobby_pipeline.inference.requests import Completion, PoolError, Refusal, Request
from dobby_pipeline.summaries.recipe import Recipe
from dobby_pipeline.summaries.sentences import whole_sentences
from dobby_pipeline_tests.summaries.stored import StubPool, put_files, run, say, summaries

RECIPE = Recipe("model", "revision", "symbol-1", "greedy")
CODE = {"content_hash": "abc", "language": "python", "kind": "function"}


@pytest.mark.parametrize(
    ("text", "finish_reason", "expected"),
    [
        ("One does it.", "stop", "One does it."),
        ("One does it. Two helps. Three is too much.", "stop", "One does it. Two helps."),
        ("One does it. Two was cut by the", "length", "One does it."),
        ("The only sentence was cut by the", "length", "The only sentence was cut by the"),
        ("  One\ndoes  it.\n\nA second paragraph.", "stop", "One does it."),
        (
            "It calls a.b.c, e.g. for x, and stops.",
            "stop",
            "It calls a.b.c, e.g. for x, and stops.",
        ),
        ("It returns `x.`. `y` is kept. More.", "stop", "It returns `x.`. `y` is kept."),
        ("No end at all", "stop", "No end at all"),
        ("", "stop", ""),
    ],
)
def test_a_summary_is_its_first_two_whole_sentences(text, finish_reason, expected):
    assert whole_sentences(text, finish_reason, 2) == expected


def test_a_summary_key_is_the_same_for_the_same_code_and_recipe():
    assert RECIPE.summary_key(**CODE) == replace(RECIPE).summary_key(**CODE)
    assert len(RECIPE.summary_key(**CODE)) == 64


def test_a_key_is_the_hash_of_one_json_list_so_that_what_is_stored_is_found_again():
    recipe = replace(RECIPE, model='a "model"', sampling="greedy\\n")
    shown = ("1-2", 'It calls `é`: "x"')
    told = ["00", "c++", "method", list(shown), recipe.prompt_version, recipe.model]
    told += [recipe.model_revision, recipe.sampling]
    key = recipe.summary_key(content_hash="00", language="c++", kind="method", children=shown)
    assert key == hashlib.sha256(json.dumps(told).encode()).hexdigest()


@pytest.mark.parametrize(
    "field", ["model", "model_revision", "prompt_version", "sampling", *CODE, "children"]
)
def test_a_summary_key_changes_with_everything_that_decides_the_text(field):
    before = RECIPE.summary_key(**CODE)
    if field in CODE:
        after = RECIPE.summary_key(**{**CODE, field: "other"})
    elif field == "children":
        after = RECIPE.summary_key(**CODE, children=("other",))
    else:
        after = replace(RECIPE, **{field: "other"}).summary_key(**CODE)
    assert after != before


def test_what_was_finished_before_the_pool_failed_is_kept_and_not_asked_again(store):
    put_files(store, {"a.py": "".join(f"def f{n}():\n    return {n}\n" for n in range(12))})
    answered: list[str] = []

    def failing(request: Request) -> Completion | Refusal:
        if len(answered) == 5:
            raise PoolError("the device is gone")
        answered.append(request.request_id)
        return say(request)

    with pytest.raises(PoolError, match="gone"):
        run(store, StubPool(failing))
    assert {row["summary_key"] for row in summaries(store).values()} == set(answered)
    again = StubPool()
    run(store, again)
    assert len(again.requests) == 12 - 5
    assert len(summaries(store)) == 12
