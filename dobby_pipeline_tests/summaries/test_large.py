"""Large symbols: read part by part, put together, and never asked about twice."""

from collections import Counter
from dataclasses import replace

import pytest

from dobby_pipeline.inference.models.manifests import MODELS_ENV, load_manifest
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.requests import Refusal
from dobby_pipeline.schema.relations import SOURCE_RECORDS
from dobby_pipeline.summaries import answers, large, symbol_questions
from dobby_pipeline.summaries.prompts import load_prompts
from dobby_pipeline_tests.inference.tiny_model import install_sentence_model
from dobby_pipeline_tests.summaries.stored import (
    COMMIT,
    StubPool,
    put_files,
    run,
    say,
    summaries,
    work_on,
)

SMALL = "def g(x):\n    return x + 1\n"


def function(lines: int = 560, name: str = "f") -> str:
    """34 bytes a line: 560 of them make five parts."""
    return f"def {name}(data):\n" + "".join(
        f"    value_{n:04} = compute({n:04}, a)\n" for n in range(lines)
    )


def bodies(store) -> list[dict]:
    columns = "summary_key, status, reasons, prompt_version, text, created_at"
    return store.run("all", f"?[{columns}] := *summary_bodies{{{columns}}}")


def levels(pool: StubPool) -> Counter[str]:
    """How many requests of each kind the pool was asked."""
    return Counter(
        "part" if request.prompt.startswith("Here is part") else
        "parts" if request.prompt.startswith("Here is how") else "symbol"
        for request in pool.requests
    )  # fmt: skip


def test_a_symbol_of_five_parts_takes_six_calls_once(store):
    put_files(store, {"a.py": function()})
    pool = StubPool()
    tally = run(store, pool)
    assert levels(pool) == {"part": 5, "parts": 1}
    assert (tally.generated, tally.parts, tally.covered) == (6, 5, 1)
    assert tally.prompt_tokens == 60
    (row,) = summaries(store).values()
    assert row["status"] == "published"
    assert row["commit"] == COMMIT
    assert row["prompt_version"] == load_prompts().large.version
    assert len(bodies(store)) == 6

    again = StubPool()
    tally = run(store, again)
    assert again.requests == []
    assert (tally.present, tally.missing) == (1, 0)


def test_each_part_is_shown_once_with_its_place_and_the_signature(store):
    put_files(store, {"a.py": function()})
    pool = StubPool()
    run(store, pool)
    whole, *about_parts = sorted(pool.requests, key=lambda request: request.prompt)
    for number, request in enumerate(about_parts, start=1):
        assert f"part {number} of 5 of the python function f." in request.prompt
        assert "\ndef f(data)\n" in request.prompt
    shown = "".join(request.prompt for request in about_parts)
    for n in range(560):
        assert shown.count(f"value_{n:04} =") == 1
    lines = [line for line in whole.prompt.split("\n") if line[:1].isdigit()]
    assert lines == [f"{n}. {say(r).text}" for n, r in enumerate(about_parts, start=1)]


def test_an_edit_of_one_part_takes_two_calls(store):
    put_files(store, {"a.py": function(), "b.py": SMALL})
    run(store, StubPool())
    put_files(store, {"a.py": function().replace("0300, a", "0300, b"), "b.py": SMALL})
    pool = StubPool()
    run(store, pool)
    assert levels(pool) == {"part": 1, "parts": 1}


@pytest.mark.parametrize("committed", [1, 2])
def test_a_run_that_is_stopped_resumes_without_asking_again(store, committed, monkeypatch):
    monkeypatch.setattr(answers, "COMMIT_EVERY", 3)
    monkeypatch.setattr(answers, "COMMIT_PAUSE_S", 0)
    put_files(store, {"a.py": function()})
    first = StubPool()
    batches = work_on(store, first).batches()
    for _ in range(1 + committed):  # the first batch is what was there
        next(batches)
    batches.close()
    kept = {body["summary_key"] for body in bodies(store)}
    assert len(kept) == {1: 3, 2: 5}[committed]

    second = StubPool()
    tally = run(store, second)
    asked = {request.request_id for request in second.requests}
    assert len(asked) == len(second.requests) == 6 - len(kept)
    assert not asked & kept
    assert tally.covered == 1
    assert summaries(store)["a.py::f"]["status"] == "published"


def test_symbols_of_equal_code_share_parts_and_summary(store):
    put_files(store, {f"{n}.py": function() for n in range(4)})
    pool = StubPool()
    tally = run(store, pool, page_rows=1)
    assert levels(pool) == {"part": 5, "parts": 1}
    assert tally.covered == 4
    assert len({row["summary_key"] for row in summaries(store).values()}) == 1
    assert len(summaries(store)) == 4


@pytest.mark.parametrize("page_rows", [1, 2, 500])
@pytest.mark.parametrize("sessions", [1, 4, 50])
@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_every_record_gets_its_summary_however_the_work_is_cut(
    store, page_rows, sessions, at_once, monkeypatch
):
    monkeypatch.setattr(symbol_questions, "LARGE_AT_ONCE", at_once)
    monkeypatch.setattr(answers, "COMMIT_EVERY", 2)
    monkeypatch.setattr(answers, "COMMIT_PAUSE_S", 0)
    files = {
        "a.py": function(200),
        "b.py": SMALL + function(200, "h"),
        "c.py": function(250),
        "d.py": SMALL,
        "e.py": function(200) + SMALL,
        "f.py": function(250, "i"),
        "g.py": SMALL.replace("x", "y"),
    }
    put_files(store, files)
    pool = StubPool(sessions=sessions)
    tally = run(store, pool, page_rows=page_rows)
    assert len({request.request_id for request in pool.requests}) == len(pool.requests)
    assert levels(pool) == {"symbol": 2, "part": 2 + 2 + 3 + 3, "parts": 4}
    assert len(summaries(store)) == tally.covered == tally.records == 9
    assert run(store, StubPool(), page_rows=page_rows).missing == 0


@pytest.mark.parametrize("commit_every", [1, 100])
def test_equal_code_on_a_later_page_is_not_lost(store, commit_every, monkeypatch):
    monkeypatch.setattr(answers, "COMMIT_EVERY", commit_every)
    monkeypatch.setattr(answers, "COMMIT_PAUSE_S", 0)
    put_files(store, {f"{n}.py": SMALL for n in range(6)})
    pool = StubPool(sessions=1)
    tally = run(store, pool, page_rows=2)
    assert len(pool.requests) == 1
    assert len(summaries(store)) == tally.covered == 6


@pytest.mark.parametrize("commit_every", [1, 100])
@pytest.mark.parametrize("sessions", [1, 50])
def test_symbols_that_differ_in_nested_code_alone_share_their_parts(
    store, sessions, commit_every, monkeypatch
):
    monkeypatch.setattr(answers, "COMMIT_EVERY", commit_every)
    monkeypatch.setattr(answers, "COMMIT_PAUSE_S", 0)
    nested = "    def inner():\n        return {}\n"
    put_files(store, {f"{n}.py": function() + nested.format(n) for n in range(3)})
    pool = StubPool(sessions=sessions)
    run(store, pool)
    assert levels(pool) == {"part": 5, "parts": 3, "symbol": 3}
    assert len(summaries(store)) == 6


def test_parts_stand_for_no_record_and_the_limit_counts_records(store):
    put_files(store, {"a.py": function(), "b.py": function(name="h"), "c.py": SMALL})
    pool = StubPool()
    tally = run(store, pool, limit=1)
    assert len(pool.requests) == 6
    assert (tally.covered, tally.left_out) == (1, 2)
    assert list(summaries(store)) == ["a.py::f"]


def test_a_quarantined_part_is_left_out_and_the_summary_says_so(store):
    def answer(request):
        if "part 2 of 5" in request.prompt:
            return Refusal(request.request_id, "prompt_too_long", "9,999 tokens, limit 2", 9999)
        return say(request)

    put_files(store, {"a.py": function()})
    pool = StubPool(answer)
    run(store, pool)
    whole = pool.requests[-1].prompt
    assert "4. Returns the value" in whole
    assert "5. Returns the value" not in whole
    row = summaries(store)["a.py::f"]
    assert row["status"] == "published"
    assert row["reasons"] == [
        "left_out: 1 of 5 parts, such as prompt_too_long: 9,999 tokens, limit 2"
    ]
    again = StubPool(answer)
    run(store, again)
    assert again.requests == []


def test_for_a_symbol_whose_parts_are_all_quarantined_its_signature_stands_in(store):
    put_files(store, {"a.py": function(), "b.py": SMALL})
    pool = StubPool(lambda request: replace(say(request), text="No."))
    tally = run(store, pool)
    assert levels(pool) == {"part": 2 * 5, "symbol": 2}
    assert (tally.generated, tally.parts, tally.published, tally.extractive) == (7, 5, 0, 2)
    row = summaries(store)["a.py::f"]
    assert (row["status"], row["origin"]) == ("published", "extractive")
    assert row["text"] == "`f` is a Python function, declared as `def f(data)`."
    assert row["reasons"] == ["left_out: 5 of 5 parts, such as too_short: 1 words, at least 4"]
    assert row["device"] == "cpu"


def test_the_gate_judges_the_last_text_like_any_other(store):
    def answer(request):
        said = say(request)
        return replace(said, text="As an AI I sum up.") if "each of" in request.prompt else said

    put_files(store, {"a.py": function()})
    run(store, StubPool(answer))
    assert summaries(store)["a.py::f"]["reasons"] == [
        "speaks_as_model: 'As an AI'",
        "second attempt: speaks_as_model: 'As an AI'",
    ]


def test_a_last_request_over_the_budget_is_refused_by_name(store):
    def answer(request):
        if "each of" in request.prompt:
            return Refusal(request.request_id, "prompt_too_long", "3 tokens, limit 2", 3)
        return say(request)

    put_files(store, {"a.py": function()})
    pool = StubPool(answer)
    run(store, pool)
    row = summaries(store)["a.py::f"]
    assert levels(pool) == {"part": 5, "parts": 1}  # the same would be refused again
    assert (row["origin"], row["reasons"]) == ("extractive", ["prompt_too_long: 3 tokens, limit 2"])


def test_summaries_of_many_parts_are_put_together_in_a_tree(store, monkeypatch):
    monkeypatch.setattr(large, "MAX_SUMMARIES_BYTES", 110)  # two of them
    put_files(store, {"a.py": function()})
    pool = StubPool()
    run(store, pool)
    # 5 parts -> 2 groups and one left alone -> 1 group and one left alone -> the symbol
    assert levels(pool) == {"part": 5, "parts": 2 + 1 + 1}
    asked = {r.request_id: r for r in pool.requests}
    last = pool.requests[-1]
    assert last.request_id == summaries(store)["a.py::f"]["summary_key"]
    fifth = next(r for r in asked.values() if "part 5 of 5" in r.prompt)
    assert f"2. {say(fifth).text}" in last.prompt
    again = StubPool()
    assert run(store, again).missing == 0
    store.run("drop", "?[summary_key] <- [[$k]] :rm summary_bodies {summary_key}",
              {"k": last.request_id}, write=True)  # fmt: skip
    run(store, again)
    assert [request.request_id for request in again.requests] == [last.request_id]


def test_a_new_prompt_for_parts_changes_large_symbols_alone(store):
    put_files(store, {"a.py": function(), "b.py": SMALL})
    run(store, StubPool())
    prompts = load_prompts()
    pool = StubPool()
    run(store, pool, prompts=replace(prompts, part=replace(prompts.part, version="part-2")))
    assert levels(pool) == {"part": 5, "parts": 1}
    pool = StubPool()
    run(store, pool, prompts=replace(prompts, parts=replace(prompts.parts, version="parts-2")))
    assert levels(pool) == {"parts": 1}
    pool = StubPool()
    run(store, pool, prompts=replace(prompts, symbol=replace(prompts.symbol, version="symbol-2")))
    assert levels(pool) == {"symbol": 1}


def test_the_parts_decide_the_key_too(store):
    put_files(store, {"a.py": function()})
    run(store, StubPool())
    (row,) = store.run("all", f"?[{', '.join(SOURCE_RECORDS.columns)}] := "
                       f"*source_records{{{', '.join(SOURCE_RECORDS.columns)}}}")  # fmt: skip
    row["parts"][0][1] = row["parts"][1][0] = 3000
    store.run("put", SOURCE_RECORDS.put(), {"rows": SOURCE_RECORDS.rows([row])}, write=True)
    pool = StubPool()
    run(store, pool)
    assert levels(pool) == {"part": 2, "parts": 1}


def test_a_function_of_5000_lines_gets_a_summary_from_a_real_model(store, tmp_path, monkeypatch):
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))
    name = install_sentence_model(tmp_path)
    # A byte is a token to the tiny model, so its budget is one of bytes.
    manifest = replace(load_manifest(name), context=8192, prompt_budget=5000)
    put_files(store, {"a.py": function(5000), "b.py": SMALL})
    with SessionPool(manifest, sessions=8, device="cpu") as pool:
        tally = run(store, pool)
        assert pool.stats().refused == 0
        assert pool.stats().requests == tally.generated > 40
    found = summaries(store)
    assert found["a.py::f"]["status"] == "published", found["a.py::f"]["reasons"]
    assert found["a.py::f"]["text"] == found["b.py::g"]["text"]
    assert tally.published == tally.generated
