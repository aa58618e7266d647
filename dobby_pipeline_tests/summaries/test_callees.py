"""Callees before callers, and circles of calls."""

import pytest

from dobby_pipeline.schema.relations import DEPENDENCIES
from dobby_pipeline.summaries.callees import callee_order
from dobby_pipeline_tests.summaries.stored import REPO, StubPool, put_files, run, say

FILES = {
    "a.py": "def top():\n    return middle()\n",
    "b.py": "def middle():\n    return left() + right()\n",
    "c.py": "def left():\n    return right()\n\n\ndef right():\n    return left() + leaf()\n",
    "d.py": "def leaf():\n    return 1\n\n\ndef alone():\n    return 2\n",
}
CALLS = [
    ("a.py", "top", "b.py", "middle"),
    ("b.py", "middle", "c.py", "left"),
    ("b.py", "middle", "c.py", "right"),
    ("c.py", "left", "c.py", "right"),
    ("c.py", "right", "c.py", "left"),
    ("c.py", "right", "d.py", "leaf"),
]


@pytest.fixture
def calls(store):
    put_files(store, FILES)
    rows = [
        {"repo": REPO, "path": a, "symbol": b, "kind": "call", "to_path": c, "to_symbol": d}
        for a, b, c, d in CALLS
    ]
    store.run("put", DEPENDENCIES.put(), {"rows": DEPENDENCIES.rows(rows)}, write=True)
    return store


def test_a_circle_is_one_layer_above_what_it_calls(calls):
    order = callee_order(calls, REPO)
    assert order.layers == 4
    assert {symbol: layer for (_, symbol), layer in order.layer_of.items()} == {
        "leaf": 0, "left": 1, "right": 1, "middle": 2, "top": 3,
    }  # fmt: skip
    assert order.circles[("c.py", "left")] == [("c.py", "right")]
    assert ("a.py", "top") not in order.circles


def test_prompts_carry_what_callees_do_and_name_the_others_of_a_circle(calls):
    pool = StubPool()
    tally = run(calls, pool, with_callees=True)
    asked = [next(n for n in ("top", "middle", "left", "right", "leaf", "alone")
                  if f"def {n}()" in request.prompt) for request in pool.requests]  # fmt: skip
    assert sorted(asked[:2]) == ["alone", "leaf"]
    assert sorted(asked[2:4]) == ["left", "right"]
    assert asked[4:] == ["middle", "top"]
    prompts = {name: request.prompt for name, request in zip(asked, pool.requests, strict=True)}
    answers = {name: say(request).text for name, request in zip(asked, pool.requests, strict=True)}
    assert f"It calls `leaf`: {answers['leaf']}" in prompts["right"]
    assert "It and `left` call each other." in prompts["right"]
    assert answers["right"] not in prompts["left"]
    assert f"It calls `right`: {answers['right']}" in prompts["middle"]
    assert (tally.records, tally.covered) == (6, 6)
    again = StubPool()
    run(calls, again, with_callees=True)
    assert again.requests == []


def test_without_callees_an_edit_makes_no_caller_anew(calls):
    run(calls, StubPool())
    put_files(calls, {**FILES, "d.py": FILES["d.py"].replace("return 1", "return 111")})
    pool = StubPool()
    run(calls, pool)
    assert len(pool.requests) == 1


def test_with_callees_an_edit_that_changes_a_summary_makes_its_callers_anew(calls):
    run(calls, StubPool(), with_callees=True)
    put_files(calls, {**FILES, "d.py": FILES["d.py"].replace("return 1", "return 111")})
    pool = StubPool()
    run(calls, pool, with_callees=True)
    assert len(pool.requests) == 4  # leaf, right, middle, top; left is told of right by name


def test_a_repository_without_calls_has_one_layer(store):
    put_files(store, {"a.py": "def f():\n    return 1\n"})
    assert callee_order(store, REPO).layers == 1
