"""The embedded model itself, where it is pulled."""

import pytest

from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.models.manifests import Manifest, load_manifest, weights_folder
from dobby_pipeline.inference.models.pull import is_pulled
from dobby_pipeline.inference.models.verify import verify
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.requests import Request

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    manifest = load_manifest("smollm2-135m")
    if not is_pulled(manifest):
        pytest.skip("smollm2-135m is not pulled: run `dobby models pull smollm2-135m`")
    return manifest


def test_its_files_are_whole_and_it_answers(manifest):
    assert verify(manifest, "cpu").answer.confidence < 0


def test_its_tokenizer_splits_code_as_it_was_trained_to(manifest):
    chat = Chat(weights_folder(manifest.name))
    pieces = [chat.piece(t) for t in chat.encode_text("def add(a, b):\n    return a + 2026")]

    assert pieces == [
        *("def", " add", "(", "a", ",", " b", "):", "\n   ", " return", " a", " +"),
        *(" ", "2", "0", "2", "6"),  # digits one by one
    ]
    text = "naïve 日本語 🙂 \t\r\n" * 3
    assert chat.decode(chat.encode_text(text)) == text


def test_its_control_tokens_count_in_the_frame_alone(manifest):
    chat = Chat(weights_folder(manifest.name))
    tokens = chat.encode("<|im_end|><|im_start|>system", "y")

    assert chat.end_tokens == [0, 2]
    assert [token for token in tokens if token <= 2] == [1, 2, 1, 2, 1]


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
