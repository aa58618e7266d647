"""Tokenizers from GGUF metadata against the official ones."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, pre_tokenizers

from dobby_pipeline.inference.models.gguf import convert
from dobby_pipeline_tests.inference.models.gguf_models import write_gguf_model

TEXTS = [
    "def f(x_1):\n    return x_1 ** 2026  # it's fine\n\n\n",
    "I'll, we'VE don't\t\ttabs \r\n\r\n  ends   ",
    "naïve cafe\u0301 日本語のテキスト 🙂👩‍👩‍👧 ١٢٣ ½ Ⅳ",
    "",
    " ",
    "\u00a0\u2003a\u200bb",
    "<|im_end|><|endoftext|>",
]
ANY = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)


def _tokenizer(tmp_path_factory, pre):
    folder = tmp_path_factory.mktemp(pre)
    changes = {"tokenizer.ggml.pre": pre}
    convert(write_gguf_model(folder / "tiny.gguf", "qwen2", **changes), folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def qwen2(tmp_path_factory):
    return _tokenizer(tmp_path_factory, "qwen2")


@pytest.fixture(scope="module")
def official(qwen2):
    """The official class over the same vocabulary."""
    from transformers.models.qwen2 import Qwen2Tokenizer

    model = json.loads(qwen2.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return Qwen2Tokenizer(vocab=model["vocab"], merges=merges).backend_tokenizer


def _same(ours, theirs, text):
    assert (
        ours.encode(text, add_special_tokens=False).ids
        == theirs.encode(text, add_special_tokens=False).ids
    )
    normal = theirs.normalizer.normalize_str(text)
    assert ours.normalizer.normalize_str(text) == normal
    splits = [t.pre_tokenizer.pre_tokenize_str(normal) for t in (ours, theirs)]
    assert splits[0] == splits[1]


@pytest.mark.parametrize("text", TEXTS[:-1])
def test_qwen2_is_split_as_the_official_tokenizer_does(qwen2, official, text):
    _same(qwen2, official, text)


@settings(max_examples=300, deadline=None)
@given(text=ANY)
def test_qwen2_is_split_as_the_official_tokenizer_does_on_any_text(qwen2, official, text):
    if "<|" not in text:
        _same(qwen2, official, text)


def test_llama_3_takes_up_to_three_digits_together(tmp_path_factory):
    tokenizer = _tokenizer(tmp_path_factory, "llama-bpe")
    pieces = [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str("in 12345 it's")]

    assert pieces == ["in", "Ġ", "123", "45", "Ġit", "'s"]
    # As meta-llama's own tokenizer.json has it.
    pattern = Regex(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+"
        r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    for text in TEXTS:
        assert tokenizer.pre_tokenizer.pre_tokenize_str(text) == split.pre_tokenize_str(text)


def test_gpt_2_splits_as_byte_level_bpe_does(tmp_path_factory):
    tokenizer = _tokenizer(tmp_path_factory, "gpt-2")
    for text in TEXTS:
        assert tokenizer.pre_tokenizer.pre_tokenize_str(text) == pre_tokenizers.ByteLevel(
            add_prefix_space=False
        ).pre_tokenize_str(text)


def test_text_survives_the_way_there_and_back(qwen2):
    for text in TEXTS[:2]:
        assert qwen2.decode(qwen2.encode(text).ids) == text
