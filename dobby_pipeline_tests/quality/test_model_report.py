"""The models' figures, counted in a real store."""

import pytest

from dobby_pipeline.quality.model_report import ModelLine, model_report, report_rows
from dobby_pipeline.schema.relations import RELATIONS

REPO = "example"

BODY = {
    "text": "It adds.",
    "status": "published",
    "reasons": [],
    "origin": "generated",
    "model": "small",
    "model_revision": "1",
    "prompt_version": "function-1",
    "device": "cpu",
    "prompt_tokens": 100,
    "output_tokens": 10,
    "ms": 50.0,
    "confidence": -0.5,
    "finish_reason": "stop",
    "created_at": "now",
}
RECORD = {
    "repo": REPO,
    "path": "a.py",
    "name": "f",
    "kind": "function",
    "language": "python",
    "start_line": 1,
    "end_line": 2,
    "signature": "",
    "docstring": "",
    "content_hash": "now",
    "code": "",
    "inner": [],
    "parts": [],
}
PLACE = {
    "repo": REPO,
    "path": "a.py",
    "content_hash": "now",
    "commit": "c",
    "start_line": 1,
    "end_line": 2,
    "run": "r",
}
REFUSED = {
    "status": "quarantined",
    "origin": "none",
    "finish_reason": "refused",
    "confidence": None,
    "ms": 0.0,
    "output_tokens": 0,
}


def put(store, relation: str, *rows) -> None:
    params = {"rows": RELATIONS[relation].rows(rows)}
    store.run("put", RELATIONS[relation].put(), params, write=True)


@pytest.fixture
def summarise(store):
    """Puts a symbol, its summary and the summary's body."""

    def put_one(symbol: str, *, key: str = "", content: str = "now", **body) -> None:
        key = key or symbol
        put(store, "source_records", {**RECORD, "symbol": symbol})
        place = {**PLACE, "symbol": symbol, "summary_key": key, "content_hash": content}
        put(store, "symbol_summaries", place)
        put(store, "summary_bodies", {**BODY, "summary_key": key, **body})

    return put_one


def test_each_model_has_a_line_with_rates_and_means(store, summarise):
    summarise("a")
    summarise("b", prompt_tokens=300, output_tokens=30, ms=150.0, confidence=-1.5)
    summarise("c", status="quarantined", prompt_version="function-1+repair-1")
    summarise("d", origin="extractive", prompt_version="function-1+repair-1", confidence=None)
    summarise("e", model="large", prompt_version="function-1+repair-1")
    large, small = model_report(store, REPO)
    assert small == ModelLine(
        model="small",
        level="symbol",
        summaries=4,
        answered=4,
        generated=3,
        published=2,
        extractive=1,
        pass_rate=0.5,
        first_pass_rate=0.5,
        prompt_tokens=150,
        output_tokens=15,
        ms=75,
        confidence=pytest.approx(-2.5 / 3),
    )
    assert (large.model, large.pass_rate, large.first_pass_rate) == ("large", 1, 0)


def test_what_the_model_was_not_asked_is_in_no_rate_or_mean(store, summarise):
    summarise("a", **REFUSED)
    (line,) = model_report(store, REPO)
    assert (line.summaries, line.answered, line.generated) == (1, 0, 0)
    assert (line.pass_rate, line.ms, line.confidence) == (None, None, None)
    summarise("b")
    (line,) = model_report(store, REPO)
    assert (line.summaries, line.pass_rate, line.prompt_tokens) == (2, 1, 100)


def test_equal_code_counts_once_and_summaries_of_former_code_do_not(store, summarise):
    summarise("a", key="same")
    summarise("b", key="same")
    summarise("c", content="before")
    (line,) = model_report(store, REPO)
    assert (line.summaries, line.prompt_tokens) == (1, 100)


def test_another_repository_is_left_out(store, summarise):
    summarise("a")
    assert model_report(store, "other") == []


def test_files_and_the_repository_are_levels_of_their_own(store, summarise):
    summarise("a")
    put(store, "file_summaries", {**PLACE, "summary_key": "file"})
    put(store, "repo_summaries", {**PLACE, "summary_key": "repo"})
    put(store, "summary_bodies", {**BODY, "summary_key": "file", "model": "large"})
    put(store, "summary_bodies", {**BODY, "summary_key": "repo", "ms": 7.0})
    lines = model_report(store, REPO)
    assert [(line.level, line.model, line.ms) for line in lines] == [
        ("symbol", "small", 50),
        ("file", "large", 50),
        ("repo", "small", 7),
    ]
    assert [line.level for line in model_report(store, REPO, ("file",))] == ["file"]


def test_a_table_has_rounded_figures_and_nothing_for_what_is_unknown(store, summarise):
    summarise("a", confidence=-1 / 3)
    summarise("b", model="large", **REFUSED)
    large, small = report_rows(model_report(store, REPO))
    assert (small["confidence"], small["pass_rate"], small["summaries"]) == (-0.333, 1, 1)
    assert (large["model"], large["pass_rate"], large["confidence"]) == ("large", "", "")
