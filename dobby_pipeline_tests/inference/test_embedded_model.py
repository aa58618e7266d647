"""The embedded model itself, where it is pulled."""

import pytest

from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.manifests import Manifest, load_manifest, weights_folder
from dobby_pipeline.inference.models import verify
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.pull import is_pulled
from dobby_pipeline.inference.requests import Request

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    manifest = load_manifest("smollm2-135m")
    if not is_pulled(manifest):
        pytest.skip("smollm2-135m is not pulled: run `dobby models pull smollm2-135m`")
    return manifest


def test_its_files_are_whole_and_it_answers(manifest):
    assert verify(manifest, "cpu").confidence < 0


def test_its_tokenizer_knows_the_original_ones_tokens(manifest):
    chat = Chat(weights_folder(manifest.name))
    # As llama.cpp tokenises the same text with the same GGUF file.
    assert chat.encode_text("def add(a, b):\n    return a + b  # 2026\n") == GOLDEN
    assert chat.encode("x")[0] == 1  # <|im_start|>
    assert 1 not in chat.encode_text("<|im_start|>")
    text = "naïve 日本語 🙂 \t\r\n" * 3
    assert chat.decode(chat.encode_text(text)) == text


def test_it_answers_a_question_sensibly(manifest):
    with SessionPool(manifest, sessions=2, device="cpu") as pool:
        capital = Request("capital", "What is the capital of France?", max_tokens=12)
        code = Request(
            "code",
            "In one sentence, what does this function do?\n\ndef add(a, b):\n    return a + b\n",
            max_tokens=40,
        )
        answers = {answer.request_id: answer.text for answer in pool.generate([capital, code])}

    assert "Paris" in answers["capital"]
    assert any(word in answers["code"].lower() for word in ("add", "sum"))
