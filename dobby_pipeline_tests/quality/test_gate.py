"""The gate's rules, each on a text that it must refuse and on near ones that it must not."""

import json
from pathlib import Path

import pytest

from dobby_pipeline.quality.copying import duplicate_ngram_share
from dobby_pipeline.quality.gate import Candidate, judge

GOOD = "Reads the configuration from the given path and returns it as a dictionary."
ASKED = "In one or two short sentences, tell what this function does and what it is for."


def reasons(text: str, **fields: str) -> list[str]:
    return [reason.split(":")[0] for reason in judge(Candidate(text, **fields)).reasons]


def test_a_plain_summary_is_published_without_reasons():
    verdict = judge(Candidate(GOOD, instructions=ASKED))
    assert (verdict.status, verdict.reasons) == ("published", ())


@pytest.mark.parametrize("text", ["", "   \n\t"])
def test_an_empty_text_is_quarantined(text):
    assert reasons(text) == ["empty"]


def test_a_fragment_is_too_short():
    assert reasons("Returns it.") == ["too_short"]
    assert reasons("Returns the parsed value.") == []


def test_a_text_that_ends_within_a_sentence_is_cut_off():
    assert reasons("Reads the configuration from the", finish_reason="length") == ["cut_off"]
    assert reasons(GOOD, finish_reason="length") == []


@pytest.mark.parametrize("end", [".", "!", '."', ".)", ".`", ".**"])
def test_a_sentence_may_end_in_quotes_or_brackets(end):
    assert reasons(f"Reads the configuration from the path{end}") == []


def test_a_sentence_said_twice_is_repetition():
    assert reasons(f"{GOOD} {GOOD}") == ["repetition"]
    assert reasons(f"{GOOD} It raises an error when the file is missing.") == []


def test_a_loop_of_words_is_repetition():
    assert reasons("It adds the value of " * 4 + "it.") == ["repetition"]


def test_the_prompts_own_words_are_parroting():
    parrot = "This will tell what this function does and what it is for."
    assert reasons(parrot, instructions=ASKED) == ["parroting"]
    assert reasons("It tells what this function does.", instructions=ASKED) == []


@pytest.mark.parametrize("marker", ["<|im_end|>", "</s>", "[INST]", "assistant: Hello"])
def test_chat_markers_are_refused(marker):
    assert "chat_marker" in reasons(f"{marker} {GOOD}")


def test_a_model_that_speaks_of_itself_is_refused():
    assert reasons(f"As an AI language model, I think it does this. {GOOD}") == ["speaks_as_model"]


def test_all_reasons_are_told():
    assert reasons("<|im_end|> loops") == ["too_short", "cut_off", "chat_marker"]


def test_the_duplicate_share_counts_words_of_later_copies_only():
    assert duplicate_ngram_share(["a", "b", "c", "d", "a", "b", "c", "d"], 4) == pytest.approx(0.5)
    assert duplicate_ngram_share(["a", "b", "c", "d", "e"], 4) == 0
    assert duplicate_ngram_share([], 4) == 0


def test_no_rule_but_relevance_refuses_a_good_summary_in_any_language():
    """Written by hand from the code, before the gate saw them; relevance is lexical evidence, and
    how many good ones it refuses benchmarks/gate.py tells.
    """
    lines = (Path(__file__).parent / "good_summaries.jsonl").read_text("utf-8").splitlines()
    good = [json.loads(line) for line in lines]
    assert len({row["language"] for row in good}) == 16
    refused = {
        row["summary"]: said
        for row in good
        if (said := reasons(row["summary"], language=row["language"], code=row["code"]))
        and said != ["relevance"]
    }
    assert refused == {}
