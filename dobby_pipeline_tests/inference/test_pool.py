"""The session pool on tiny real models."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from dobby_pipeline.inference import worker
from dobby_pipeline.inference.models.manifests import Manifest, ModelError, load_manifest
from dobby_pipeline.inference.pool import PoolError, SessionPool
from dobby_pipeline.inference.requests import Completion, Refusal, Request, Sampling
from dobby_pipeline.inference.sessions import Sessions
from dobby_pipeline_tests.inference.tiny_model import SENTENCE, install_sentence_model


def _pool(manifest: Manifest, **options) -> SessionPool:
    return SessionPool(manifest, device="cpu", **options)


def _requests(count: int, **options) -> Iterator[Request]:
    """Requests of different lengths."""
    return (Request(str(i), f"Say it {'again ' * i}", **options) for i in range(count))


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "dobby-mlx"]


def _by_id(results) -> dict[str, Completion]:
    return {result.request_id: result for result in results}


def test_every_request_is_answered_with_the_models_own_words(sentence_model):
    with _pool(sentence_model, sessions=3) as pool:
        results = _by_id(pool.generate(_requests(8)))

    assert sorted(results) == [str(i) for i in range(8)]
    assert {result.text for result in results.values()} == {SENTENCE}
    assert {result.finish_reason for result in results.values()} == {"stop"}


def test_a_completion_tells_tokens_time_and_confidence(sentence_model):
    with _pool(sentence_model, sessions=1) as pool:
        (result,) = pool.generate([Request("a", "Say it.", system="Be brief.")])
        assert result.prompt_tokens == pool.count_tokens("Say it.", "Be brief.")
        stats = pool.stats()

    assert result.output_tokens == 12  # the words, without the end token
    assert result.ms >= 0
    assert -0.01 < result.confidence <= 0  # the model leaves no doubt
    assert (stats.requests, stats.refused) == (1, 0)
    assert stats.output_tokens == 12
    assert stats.peak_memory_bytes > 0


def test_sessions_side_by_side_write_what_one_alone_writes(random_model):
    def texts(sessions: int) -> dict[str, str]:
        with _pool(random_model, sessions=sessions) as pool:
            results = _by_id(pool.generate(_requests(9, max_tokens=12)))
        return {key: result.text for key, result in results.items()}

    alone = texts(1)

    assert len(set(alone.values())) > 1
    assert texts(4) == alone


def test_max_tokens_ends_an_answer_as_cut_off(sentence_model):
    with _pool(sentence_model) as pool:
        (result,) = pool.generate([Request("a", "Say it.", max_tokens=3)])

    assert result.text == "Computes the value"
    assert (result.finish_reason, result.output_tokens) == ("length", 3)


def test_an_answer_stops_at_a_blank_line(empty_models):
    install_sentence_model(empty_models, "talks", "Adds two numbers.\n\nHere is more of it.")
    with _pool(load_manifest("talks")) as pool:
        (result,) = pool.generate([Request("a", "Say it.")])

    assert (result.text, result.finish_reason) == ("Adds two numbers.", "stop")
    assert result.output_tokens <= 4


def test_a_blank_line_before_the_first_word_ends_nothing(empty_models):
    install_sentence_model(empty_models, "late", "\n\nAdds two numbers.")
    with _pool(load_manifest("late")) as pool:
        (result,) = pool.generate([Request("a", "Say it.")])

    assert result.text == "Adds two numbers."


def test_requests_are_pulled_only_as_sessions_come_free(sentence_model):
    pulled = []

    def requests() -> Iterator[Request]:
        for i in range(500):
            pulled.append(i)
            yield Request(str(i), "Say it.")

    with _pool(sentence_model, sessions=4) as pool:
        results = pool.generate(requests())
        assert pulled == []
        next(results)
        assert len(pulled) <= 8
        assert len(list(results)) == 499


def test_an_empty_iterator_loads_nothing(sentence_model):
    with _pool(sentence_model) as pool:
        assert list(pool.generate([])) == []
        assert not pool.loaded
        assert pool.device == "cpu"
        assert not pool.loaded
        list(pool.generate([Request("a", "Say it.")]))
        assert pool.loaded
    assert not pool.loaded


def test_a_prompt_over_the_budget_is_refused_and_the_rest_goes_on(sentence_model):
    requests = [
        Request("long", "word " * 3000),
        Request("empty", " \n"),
        Request("good", "Say it."),
    ]
    with _pool(sentence_model) as pool:
        results = {result.request_id: result for result in pool.generate(requests)}
        count = pool.count_tokens("word " * 3000)
        assert not isinstance(results["good"], Refusal)
        assert pool.stats().refused == 2

    assert results["long"] == Refusal(
        "long", "prompt_too_long", f"{count:,} tokens, limit 2,048", count
    )
    assert results["empty"].reason == "empty_prompt"


def test_an_iterator_that_was_left_can_be_followed_by_another(random_model):
    with _pool(random_model, sessions=4) as pool:
        expected = {r.request_id: r.text for r in pool.generate(_requests(5, max_tokens=12))}
        left = pool.generate(_requests(50, max_tokens=40))
        next(left)
        left.close()
        again = {r.request_id: r.text for r in pool.generate(_requests(5, max_tokens=12))}

    assert again == expected


def test_two_iterators_at_once_are_refused(sentence_model):
    with _pool(sentence_model) as pool:
        first = pool.generate(_requests(3))
        next(first)
        with pytest.raises(PoolError, match="generating already"):
            next(pool.generate(_requests(1)))
        assert len(list(first)) == 2


def test_an_error_of_the_request_iterator_leaves_the_pool_usable(sentence_model):
    def requests() -> Iterator[Request]:
        yield Request("a", "Say it.")
        raise KeyError("the source broke")

    with _pool(sentence_model) as pool:
        with pytest.raises(KeyError):
            list(pool.generate(requests()))
        assert len(list(pool.generate(_requests(2)))) == 2


def test_a_fault_in_a_step_is_a_pool_error_and_never_a_hang(sentence_model, monkeypatch):
    step = Sessions.step
    steps = []

    def failing(self, **how):
        steps.append(1)
        if len(steps) > 6:
            raise RuntimeError("[Event::stream] the device is gone\nsecond line")
        return step(self, **how)

    monkeypatch.setattr(Sessions, "step", failing)
    with _pool(sentence_model, sessions=2) as pool:
        with pytest.raises(PoolError, match=r"tiny on cpu.*device is gone\): what") as caught:
            list(pool.generate(_requests(5)))
        assert isinstance(caught.value.__cause__, RuntimeError)
        with pytest.raises(PoolError):
            list(pool.generate(_requests(5)))
    assert _threads() == []


def test_a_worker_that_ends_without_a_word_is_noticed(sentence_model, monkeypatch):
    monkeypatch.setattr(worker.Worker, "_serve", lambda self: None)
    with _pool(sentence_model) as pool, pytest.raises(PoolError, match="without a word"):
        list(pool.generate(_requests(1)))


def test_weights_that_cannot_be_loaded_are_told_in_one_line(empty_models):
    name = install_sentence_model(empty_models)
    weights = empty_models / name / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    with _pool(load_manifest(name)) as pool, pytest.raises(ModelError) as caught:
        list(pool.generate(_requests(1)))

    assert "\n" not in str(caught.value)
    assert "pull it again" in str(caught.value)


def test_everything_of_mlx_happens_on_one_thread(sentence_model, monkeypatch):
    seen = set()
    for name in ("__init__", "admit", "step", "close"):
        original = getattr(Sessions, name)

        def noting(self, *args, _original=original, **options):
            seen.add(threading.current_thread().name)
            return _original(self, *args, **options)

        monkeypatch.setattr(Sessions, name, noting)
    with _pool(sentence_model) as pool:
        list(pool.generate(_requests(3)))

    assert seen == {"dobby-mlx"}


def test_closing_ends_the_thread_and_a_second_time_does_nothing(sentence_model):
    pool = _pool(sentence_model)
    list(pool.generate(_requests(1)))
    assert len(_threads()) == 1
    pool.close()
    pool.close()

    assert _threads() == []
    with pytest.raises(PoolError, match="closed"):
        list(pool.generate(_requests(1)))


def test_closing_a_pool_that_was_never_used_is_quick(sentence_model):
    _pool(sentence_model).close()
    assert _threads() == []


def test_the_interpreter_ends_cleanly_with_a_pool_left_open(models):
    script = (
        "from dobby_pipeline.inference.models.manifests import load_manifest\n"
        "from dobby_pipeline.inference.pool import Request, SessionPool\n"
        "pool = SessionPool(load_manifest('tiny-random'), sessions=2, device='cpu')\n"
        "requests = (Request(str(i), 'Say it.', max_tokens=1 + 400 * i) for i in range(9))\n"
        "left = pool.generate(requests)\n"
        "next(left)\n"
    )
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, b"")


def test_an_unknown_model_and_one_that_is_not_pulled_say_what_to_do(models):
    with pytest.raises(ModelError, match=r"no manifest nothing\.toml .*there are: .*tiny"):
        load_manifest("nothing")
    with pytest.raises(ModelError, match="run `dobby models pull smollm2-135m`"):
        SessionPool(load_manifest("smollm2-135m"))


def test_no_sessions_and_a_memory_limit_below_the_weights_are_refused(sentence_model):
    with pytest.raises(PoolError, match="1 or more"):
        _pool(sentence_model, sessions=0)
    with (
        _pool(sentence_model, memory_limit_gb=0.0001) as pool,
        pytest.raises(ModelError, match="raise DOBBY_MEMORY_LIMIT_GB"),
    ):
        list(pool.generate(_requests(1)))


def test_a_gpu_that_is_not_there_gives_one_warning_and_the_cpu(sentence_model, caplog):
    pytest.importorskip("mlx.core")
    import mlx.core as mx

    if mx.metal.is_available() or mx.cuda.is_available():
        pytest.skip("there is a GPU here")
    with SessionPool(sentence_model, device="gpu") as pool:
        assert len(list(pool.generate(_requests(2)))) == 2
        assert pool.device == "cpu"

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "GPU cannot be used" in caplog.text


def test_sampling_follows_the_seed_and_its_key_tells_it(random_model):
    def texts(sampling: Sampling) -> set[str]:
        with _pool(random_model, sessions=1, sampling=sampling) as pool:
            return {result.text for result in pool.generate(_requests(2, max_tokens=12))}

    warm = Sampling(temperature=1.0, top_p=0.95, seed=7)

    assert texts(warm) == texts(warm)
    assert texts(warm) != texts(Sampling())
    keys = {s.key for s in (warm, Sampling(), Sampling(temperature=1.0), Sampling(stop=()))}
    assert len(keys) == 4
    assert Sampling(seed=1).key == Sampling(seed=2).key  # greedy: the seed changes nothing
