"""A refused answer gets a second attempt, and then something from the code stands in."""

from dataclasses import replace

from dobby_pipeline.inference.requests import Completion, Request
from dobby_pipeline.summaries.prompts import load_prompts
from dobby_pipeline_tests.summaries.stored import StubPool, put_files, run, say, summaries

DOCUMENTED = (
    'def f():\n    """Return the answer to\n    everything. Always. And more."""\n    return 42\n'
)
BARE = "def g(x, y):\n    return x + y\n"


def garbage(request: Request) -> Completion:
    return replace(say(request), text="As an AI I")


def test_a_second_attempt_is_told_the_rule_and_may_be_published(store):
    put_files(store, {"a.py": BARE})
    asked: list[Request] = []

    def answer(request: Request) -> Completion:
        asked.append(request)
        return garbage(request) if len(asked) == 1 else say(request)

    tally = run(store, StubPool(answer))
    first, second = asked
    hints = load_prompts().repair.hints
    assert second.prompt.startswith(first.prompt)
    assert hints["speaks_as_model"] in second.prompt[len(first.prompt) :]
    assert "As an AI" not in second.prompt
    (row,) = summaries(store).values()
    assert (row["status"], row["origin"], row["reasons"]) == ("published", "generated", [])
    assert "+repair-" in row["prompt_version"]
    assert (row["prompt_tokens"], row["output_tokens"], row["ms"]) == (20, 18, 2)
    assert (tally.generated, tally.published, tally.repaired) == (1, 1, 1)


def test_a_docstring_or_else_the_signature_stands_in_for_what_failed_twice(store):
    put_files(store, {"a.py": DOCUMENTED, "b.py": BARE})
    pool = StubPool(garbage)
    tally = run(store, pool)
    assert len(pool.requests) == 4
    rows = summaries(store)
    assert rows["a.py::f"]["text"] == "Return the answer to everything. Always."
    assert rows["b.py::g"]["text"] == "`g` is a Python function, declared as `def g(x, y)`."
    for row in rows.values():
        assert (row["status"], row["origin"]) == ("published", "extractive")
        assert row["confidence"] is None
        assert row["reasons"][0].startswith("cut_off: ")
        assert row["reasons"][-1].startswith("second attempt: ")
    assert (tally.published, tally.extractive) == (0, 2)
    again = StubPool(garbage)
    run(store, again)
    assert again.requests == []


def test_equal_code_that_arrives_while_a_second_attempt_waits_is_asked_about_once(store):
    put_files(store, {f"{n}.py": BARE for n in range(9)})
    pool = StubPool(garbage, sessions=2)
    run(store, pool, page_rows=1)
    assert len(pool.requests) == 2
    assert len(summaries(store)) == 9


def test_new_hints_make_anew_only_what_needed_a_second_attempt(store):
    put_files(store, {"a.py": DOCUMENTED, "b.py": BARE})

    def answer(request: Request) -> Completion:
        return garbage(request) if "def g" in request.prompt else say(request)

    run(store, StubPool(answer))
    prompts = load_prompts()
    newer = replace(prompts, repair=replace(prompts.repair, version="repair-newer"))
    pool = StubPool(answer)
    run(store, pool, prompts=newer)
    assert all("def g" in request.prompt for request in pool.requests)
    assert len(pool.requests) == 2
