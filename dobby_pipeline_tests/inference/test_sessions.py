"""What the sessions compute: the same as mlx-lm, whatever stands beside a session."""

import json
import random

import pytest

from dobby_pipeline.inference.device import choose_device, import_mlx
from dobby_pipeline.inference.models.manifests import Manifest, weights_folder
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.requests import Completion, Request, Sampling
from dobby_pipeline.inference.sessions import Sessions

HEAD = "Here is a function. It is data. In one sentence, tell what it does: "


def prompts(count: int) -> list[str]:
    return [HEAD + "x = y + 1; " * (1 + 7 * number % 40) + str(number) for number in range(count)]


def answers(
    manifest: Manifest, texts: list[str], *, sessions: int, sampling: Sampling | None = None
) -> list[Completion]:
    requests = [Request(str(number), text, max_tokens=24) for number, text in enumerate(texts)]
    with SessionPool(
        manifest, sessions=sessions, device="cpu", sampling=sampling or Sampling(stop=())
    ) as pool:
        found = [result for result in pool.generate(requests) if isinstance(result, Completion)]
    return sorted(found, key=lambda result: int(result.request_id))


def texts_of(results: list[Completion]) -> list[str]:
    return [result.text for result in results]


def test_answers_are_those_of_mlx_lm_alone(random_model: Manifest) -> None:
    choose_device("cpu")
    mx = import_mlx()
    from mlx_lm.generate import generate_step
    from mlx_lm.utils import load_model

    folder = weights_folder(random_model.name)
    network, _ = load_model(folder)
    with SessionPool(random_model, sessions=1, device="cpu") as pool:
        chat = pool.chat
        expected: list[str] = []
        for text in prompts(6):
            steps = generate_step(mx.array(chat.encode(text)), network, max_tokens=24)
            tokens = [int(token) for token, _ in steps]
            end = next((i for i, t in enumerate(tokens) if t in chat.end_tokens), len(tokens))
            expected.append(chat.decode(tokens[:end]).strip())
    assert texts_of(answers(random_model, prompts(6), sessions=4)) == expected
    assert len(set(expected)) > 1


def test_more_prompts_than_sessions_answer_as_one_by_one(random_model: Manifest) -> None:
    alone = answers(random_model, prompts(30), sessions=1)
    beside = answers(random_model, prompts(30), sessions=20)
    assert texts_of(alone) == texts_of(beside)
    for one, other in zip(alone, beside, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_sampled_answers_depend_on_seed_and_prompt_and_not_on_the_neighbours(
    random_model: Manifest,
) -> None:
    warm = Sampling(temperature=0.8, top_p=0.95, top_k=40, seed=7, stop=())
    alone = texts_of(answers(random_model, prompts(8), sessions=1, sampling=warm))
    beside = texts_of(answers(random_model, prompts(8), sessions=8, sampling=warm))
    other = Sampling(temperature=0.8, top_p=0.95, top_k=40, seed=8, stop=())
    assert alone == beside
    assert alone != texts_of(answers(random_model, prompts(8), sessions=8, sampling=other))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tokens_that_would_write_an_n_gram_again_are_ruled_out(n: int) -> None:
    choose_device("cpu")
    mx = import_mlx()
    from dobby_pipeline.inference.sampling import Chooser

    chance = random.Random(n)
    width, most = 12, 20
    written = [[chance.randrange(4) for _ in range(most)] for _ in range(40)]
    counts = [number % most for number in range(40)]
    logits = mx.random.normal((40, width))
    choose = Chooser(Sampling(no_repeat_ngram=n), "cpu")
    tokens, logprobs = choose(logits, mx.array(written), mx.array(counts), None)
    for row, count in enumerate(counts):
        said = written[row][:count]
        grams = {tuple(said[i : i + n]) for i in range(count - n + 1)}
        tail = tuple(said[count - n + 1 :]) if n > 1 else ()
        allowed = [t for t in range(width) if len(tail) < n - 1 or (*tail, t) not in grams]
        scores = logits[row].tolist()
        assert tokens[row].item() == max(allowed, key=scores.__getitem__)
        expected = scores[tokens[row].item()] - mx.logsumexp(logits[row]).item()
        assert logprobs[row].item() == pytest.approx(expected, abs=1e-4)


def test_what_was_written_becomes_less_likely_by_the_penalty() -> None:
    choose_device("cpu")
    mx = import_mlx()
    from dobby_pipeline.inference.sampling import Chooser

    logits = mx.array([[3.0, 2.0, -1.0], [3.0, 2.0, -1.0], [-1.0, -1.5, -9.0]])
    written = mx.array([[0, 0], [0, 0], [0, 2]])
    choose = Chooser(Sampling(repetition_penalty=2.0), "cpu")
    tokens, _ = choose(logits, written, mx.array([1, 0, 2]), None)
    assert tokens.tolist() == [1, 0, 1]


def test_attention_is_attention() -> None:
    choose_device("cpu")
    mx = import_mlx()
    from dobby_pipeline.inference.device_math import attention

    queries = mx.random.normal((3, 6, 1, 16))
    keys, values = mx.random.normal((3, 2, 40, 16)), mx.random.normal((3, 2, 40, 16))
    mask = mx.arange(40)[None] <= mx.array([39, 5, 20])[:, None]
    mask = mask[:, None, None]
    expected = mx.fast.scaled_dot_product_attention(queries, keys, values, scale=0.25, mask=mask)
    found = attention(queries, keys, values, None, 0.25, mask)
    assert mx.allclose(found, expected, atol=1e-5).item()


def test_a_causal_chunk_behind_a_prefix_sees_the_prefix_and_itself() -> None:
    choose_device("cpu")
    mx = import_mlx()
    from dobby_pipeline.inference.device_math import attention

    queries = mx.random.normal((2, 4, 7, 16))
    keys, values = mx.random.normal((2, 2, 19, 16)), mx.random.normal((2, 2, 19, 16))
    expected = mx.fast.scaled_dot_product_attention(
        queries, keys, values, scale=0.25, mask="causal"
    )
    found = attention(queries, keys, values, None, 0.25, "causal")
    assert mx.allclose(found, expected, atol=1e-5).item()


def test_swiglu_is_swiglu_for_large_numbers_too() -> None:
    choose_device("cpu")
    mx = import_mlx()
    from dobby_pipeline.inference.device_math import swiglu

    gate = mx.concatenate([mx.random.normal((3, 70_000)) * 5, mx.array([[-200.0, 200.0]] * 3)], 1)
    up = mx.random.normal(gate.shape)
    expected = gate * mx.sigmoid(gate) * up
    mx.eval(expected)
    assert mx.allclose(swiglu(gate, up), expected, atol=1e-4).item()


def test_a_configuration_without_keys_and_values_is_refused(
    random_model: Manifest, tmp_path
) -> None:
    from dobby_pipeline.inference.models.manifests import ModelError
    from dobby_pipeline.inference.weights import load_weights

    choose_device("cpu")
    folder = weights_folder(random_model.name)
    config = json.loads((folder / "config.json").read_text())
    config |= {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8}
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="cannot hold the state of a llama model"):
        load_weights(tmp_path, "cpu")


def test_fewer_sessions_after_more_that_ended_together_reach_no_row_beyond_their_arrays(
    random_model: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLX does not look whether a row is there: it wrote over other memory of the process."""
    told: list[tuple[int, int]] = []
    update = Sessions._update

    def looking(self: Sessions) -> None:
        if self._changed:
            told.append((max(self._changed), self._shape()[0]))
        update(self)

    monkeypatch.setattr(Sessions, "_update", looking)

    def asked(count: int) -> list[Request]:
        return [
            Request(str(number), f"{HEAD} {number:02}", max_tokens=3) for number in range(count)
        ]

    with SessionPool(random_model, sessions=20, device="cpu") as pool:
        assert len(list(pool.generate(asked(20)))) == 20
        assert len(list(pool.generate(asked(2)))) == 2
    assert max(row for row, _ in told) == 19
    assert [(row, rows) for row, rows in told if row >= rows] == []
