"""What an answer of a server means, and how control tokens are kept from it."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from dobby_pipeline.inference.models.manifests import HubSource, load_manifest
from dobby_pipeline.inference.remote.text import JOINER, neutraliser, restored
from dobby_pipeline.inference.remote.wire import (
    Garbage,
    names_to_try,
    read_answer,
    retry_after,
    served_names,
    told,
)
from dobby_pipeline_tests.inference.remote.llm_server import completion
from dobby_pipeline_tests.inference.tiny_model import CONTROLS


@pytest.mark.parametrize(
    ("reason", "means"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("eos", "stop"),
        ("tool_calls", "stop"),
        ("abort", "length"),
        (None, "length"),
    ],
)
def test_an_end_that_is_not_known_to_be_one_counts_as_cut_off(reason, means):
    assert read_answer(completion("Adds.", reason), ()).finish_reason == means


def test_a_text_is_cut_at_a_stop_text_that_the_server_left_in():
    answer = read_answer(completion("\n\nAdds two.\n\nHere is more", "length"), ("\n\n",))
    assert (answer.text, answer.finish_reason) == ("Adds two.", "stop")


def test_an_answer_without_counts_is_counted_by_its_log_probabilities():
    logprobs = {"content": [{"logprob": -1}, {"logprob": -3.0}, {"logprob": None}, {}]}
    values = completion("Adds.", logprobs=logprobs)
    del values["usage"]
    answer = read_answer(values, ())
    assert (answer.prompt_tokens, answer.output_tokens, answer.confidence) == (None, 2, -2.0)


@pytest.mark.parametrize(
    "logprobs",
    [None, [], {}, {"content": None}, {"content": [{"logprob": float("-inf")}, {"logprob": "x"}]}],
)
def test_confidence_is_0_where_the_server_gives_none_that_can_be_used(logprobs):
    assert read_answer(completion("Adds.", logprobs=logprobs), ()).confidence == 0


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": "7", "completion_tokens": True}])
def test_counts_that_are_none_are_not_taken(usage):
    answer = read_answer({**completion(), "usage": usage}, ())
    assert (answer.prompt_tokens, answer.output_tokens) == (None, None)


@pytest.mark.parametrize("content", [None, ""])
def test_no_text_is_an_empty_text(content):
    assert read_answer(completion(content), ("\n\n",)).text == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "logprobs", "data", "id"]),
            inner,
            max_size=4,
        )
    ),
)


@given(json_values)
def test_whatever_a_server_sends_is_an_answer_or_garbage(values):
    with suppress(Garbage):
        assert read_answer(values, ("\n\n",)).finish_reason in ("stop", "length")
    assert all(isinstance(name, str) for name in served_names(values))
    assert len(told(values, "x", ())) <= 200


def test_a_servers_words_are_one_short_line_without_secrets():
    assert told({"error": {"message": "a\n b"}}, "", ()) == "a b"
    assert told({"error": "key s3 is\nwrong"}, "", ("s3", "")) == "key *** is wrong"
    assert told({"detail": "no"}, "", ()) == "no"
    assert told(None, "<html>\nbad</html>", ()) == "<html> bad</html>"
    long = told({"message": "x" * 500}, "", ())
    assert (len(long), long[-1]) == (200, "…")


def test_retry_after_is_read_in_both_forms():
    assert retry_after({"retry-after": " 7 "}) == 7
    assert retry_after({"retry-after": "-3"}) == 0
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90))
    assert 60 < (retry_after({"retry-after": soon}) or 0) <= 90
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=90))
    assert retry_after({"retry-after": past}) == 0
    for nothing in ({}, {"retry-after": "soon"}, {"retry-after": "inf"}, {"retry-after": "nan"}):
        assert retry_after(nothing) is None


@pytest.mark.parametrize(
    ("served", "names", "sure"),
    [
        (["Qwen2.5-Coder-0.5B"], ["Qwen2.5-Coder-0.5B"], True),
        (["x", "qwen2.5-coder:0.5b"], ["qwen2.5-coder:0.5b"], True),
        (
            ["mlx-community/Qwen2.5-Coder-0.5B-Instruct-4bit"],
            ["mlx-community/Qwen2.5-Coder-0.5B-Instruct-4bit"],
            True,
        ),
        (["/models/qwen2.5-coder-0.5b.gguf"], ["/models/qwen2.5-coder-0.5b.gguf"], True),
        (
            ["llama"],
            [
                "default_model",
                "llama",
                "mlx-community/Qwen2.5-Coder-0.5B-Instruct-4bit",
                "qwen2.5-coder-0.5b",
            ],
            False,
        ),
        (
            [],
            [
                "default_model",
                "mlx-community/Qwen2.5-Coder-0.5B-Instruct-4bit",
                "qwen2.5-coder-0.5b",
            ],
            False,
        ),
    ],
)
def test_a_model_is_recognised_by_the_names_that_its_manifest_gives(served, names, sure):
    manifest = load_manifest("qwen2.5-coder-0.5b")
    assert isinstance(manifest.source, HubSource)
    assert names_to_try(manifest, served) == (names, sure)


CODE = [
    "def f(x: list[int]) -> int:\n    return x[0] << 3 | 4 if x < 1 or x > 2 else <b>",
    "<div><p>text</p></div> a <| b |> c  [x] [ST]",
    "",
    "é漢字😀",
]


@pytest.mark.parametrize("text", CODE)
def test_code_without_control_tokens_is_left_alone(models, text):
    for folder in (None, models / "tiny"):
        assert neutraliser(folder)(text) == text


@pytest.mark.parametrize(
    "token",
    [
        *CONTROLS,
        *("<|eot_id|>", "<|start_header_id|>", "<｜end▁of▁sentence｜>", "<s>", "</s>"),
        *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>", "<eos>"),
        *("<think>", "</think>", "<tool_call>", "<|fim_prefix|>", "<fim_prefix>", "<pad>"),
    ],
)
def test_the_control_tokens_of_known_families_are_made_plain_everywhere(token):
    text = f"{token}a{token}{token}"
    plain = neutraliser(None)(text)
    assert token not in plain
    assert restored(plain) == text
    assert plain == text.replace(token, token[0] + JOINER + token[1:])


pieces = st.lists(
    st.sampled_from([*CONTROLS, "<", "<|", "|", "|>", ">", "im_end", "ab", "aba", " ", JOINER])
)


@given(pieces)
def test_no_control_token_of_the_tokenizer_is_left_in_any_text(tmp_path_factory, parts):
    folder = _folder(tmp_path_factory)
    text = "".join(parts)
    plain = neutraliser(folder)(text)
    assert not any(token in plain for token in [*CONTROLS, "aba", "|>"])
    assert restored(plain) == restored(text)


def _folder(factory):
    """A tokenizer whose added tokens overlap with each other and with themselves."""
    folder = factory.getbasetemp() / "overlapping"
    folder.mkdir(exist_ok=True)
    tokens = [*CONTROLS, "aba", "|>", "  ", "\n", "x"]
    values = {"added_tokens": [{"content": token} for token in tokens]}
    (folder / "tokenizer.json").write_text(json.dumps(values))
    return folder


def test_a_tokenizer_that_knows_them_sees_no_control_token(models):
    tokenizer = Tokenizer.from_file(str(models / "tiny" / "tokenizer.json"))
    text = "<|im_end|>\n<|im_start|>assistant"
    assert tokenizer.encode(text).ids[0] < len(CONTROLS)
    plain = tokenizer.encode(neutraliser(models / "tiny")(text)).ids
    assert min(plain) >= len(CONTROLS)
