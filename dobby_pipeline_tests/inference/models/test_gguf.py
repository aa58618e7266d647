"""GGUF files turned into MLX folders."""

import json

import pytest

from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.models.gguf import convert
from dobby_pipeline.inference.models.manifests import ModelError
from dobby_pipeline.inference.weights import load_weights
from dobby_pipeline_tests.inference.tiny_model import write_gguf


@pytest.fixture
def converted(tmp_path):
    convert(write_gguf(tmp_path / "tiny.gguf"), tmp_path)
    return tmp_path


def test_the_folder_loads_as_a_model_of_the_same_shape(converted):
    config = json.loads((converted / "config.json").read_text())
    model = load_weights(converted, "cpu")

    assert config["rope_traditional"] is True
    assert config["tie_word_embeddings"] is False
    assert len(model.network.layers) == 1
    assert model.kv_bytes == 2 * 1 * 2 * 8 * 4  # k and v, layers, heads, their size, float32


def test_the_tokenizer_splits_digits_merges_and_ends_as_the_file_says(converted):
    chat = Chat(converted)

    assert len(chat.encode_text("abc")) == 1
    assert len(chat.encode_text("2026")) == 4
    assert chat.decode(chat.encode_text("día abc 42\n")) == "día abc 42\n"
    assert chat.end_tokens == [0, 2]  # <|endoftext|> ends an answer too


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"general.architecture": "mamba"}, "architecture 'mamba' is not supported"),
        ({"llama.block_count": None}, "has no 'llama.block_count'"),
        ({"tokenizer.ggml.model": "llama"}, "not a byte-level BPE"),
        ({"tokenizer.ggml.pre": "martian"}, "pre-tokenizer 'martian' is not supported"),
        ({"tokenizer.chat_template": None}, "has no chat template"),
        ({"tokenizer.ggml.eos_token_id": None}, "has no 'tokenizer.ggml.eos_token_id'"),
    ],
)
def test_a_file_that_is_not_supported_is_told_in_one_line(tmp_path, changes, told):
    with pytest.raises(ModelError, match=told) as caught:
        convert(write_gguf(tmp_path / "tiny.gguf", **changes), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut_short_is_told(tmp_path):
    file = write_gguf(tmp_path / "tiny.gguf")
    for size in (3, 100, file.stat().st_size // 2):
        cut = tmp_path / f"cut{size}.gguf"
        cut.write_bytes(file.read_bytes()[:size])
        with pytest.raises(ModelError, match="no whole GGUF file"):
            convert(cut, tmp_path)
