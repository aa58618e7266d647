"""Several real tiny models under one memory limit."""

import shutil
import time
from functools import cache

import pytest

from dobby_pipeline.inference import worker
from dobby_pipeline.inference.device import import_mlx
from dobby_pipeline.inference.fleet import Fleet
from dobby_pipeline.inference.models.listing import bytes_held
from dobby_pipeline.inference.models.manifests import (
    Manifest,
    ModelError,
    load_manifest,
    weights_folder,
)
from dobby_pipeline.inference.pool import PoolError, SessionPool
from dobby_pipeline.inference.requests import Request
from dobby_pipeline.inference.weights import load_weights
from dobby_pipeline.inference.worker import LEAST_TOKENS
from dobby_pipeline_tests.inference.tiny_model import (
    SENTENCE,
    install_random_model,
    install_sentence_model,
)

MODELS = ("one", "two", "three")
REQUESTS = [Request(str(n), f"Say it {'again ' * n}", max_tokens=12) for n in range(6)]


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory):
    """Three models of about the same size: each answers with a sentence of its own."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOBBY_MODELS", str(folder))
        for name in MODELS:
            install_sentence_model(folder, name, f"{name.title()} of {SENTENCE.lower()}")
        install_random_model(folder, "babble")
    return folder


@pytest.fixture
def fleets(models_folder, monkeypatch):
    """Makes fleets whose limit has room for so many of MODELS, and closes them."""
    monkeypatch.setenv("DOBBY_MODELS", str(models_folder))
    made: list[Fleet] = []

    def make(room_for: float) -> Fleet:
        limit = room_for * max(size(name) for name in MODELS) / 1e9

        def open_pool(manifest: Manifest, beside):
            return SessionPool(
                manifest, sessions=4, device="cpu", memory_limit_gb=limit, beside=beside
            )

        made.append(Fleet(open_pool, limit))
        return made[-1]

    yield make
    for fleet in made:
        fleet.close()


def size(name: str) -> int:
    return bytes_held(weights_folder(name), "cpu", LEAST_TOKENS)


def texts(pool) -> dict[str, str]:
    return {done.request_id: done.text for done in pool.generate(REQUESTS)}


def active_memory() -> int:
    return import_mlx().get_active_memory()


@cache
def alone(name: str) -> dict[str, str]:
    with SessionPool(load_manifest(name), sessions=4, device="cpu") as pool:
        return texts(pool)


def test_what_a_model_holds_is_known_without_loading_it(fleets):
    fleets(1)
    model = load_weights(weights_folder("one"), "cpu")
    assert bytes_held(weights_folder("one"), "cpu", 0) == model.nbytes
    assert size("one") == model.nbytes + LEAST_TOKENS * model.kv_bytes
    stored = (weights_folder("one") / "model.safetensors").stat().st_size
    assert bytes_held(weights_folder("one"), "metal", 0) == stored


def test_models_that_fit_stay_loaded_side_by_side_and_say_what_they_say_alone(fleets):
    fleet = fleets(3)
    for _ in range(2):
        for name in (*MODELS, "one"):
            assert texts(fleet.pool(name)) == alone(name)
    assert fleet.models == ["two", "three", "one"]
    assert all(fleet.pool(name).loaded for name in MODELS)


def test_random_weights_write_the_same_beside_another_model(fleets):
    fleet = fleets(3)
    texts(fleet.pool("one"))
    assert texts(fleet.pool("babble")) == alone("babble")


def test_a_pool_is_opened_once_and_loads_at_the_first_request(fleets):
    fleet = fleets(2)
    pool = fleet.pool("one")
    assert not pool.loaded
    assert fleet.pool("one") is pool
    texts(pool)
    assert fleet.pool("one").loaded


def test_the_model_that_was_not_used_longest_makes_room(fleets):
    fleet = fleets(2.1)
    one, two = fleet.pool("one"), fleet.pool("two")
    texts(one)
    texts(two)
    fleet.pool("one")  # so that `two` is the one not used longest
    three = fleet.pool("three")
    assert fleet.models == ["one", "three"]
    assert (one.loaded, two.loaded) == (True, False)
    with pytest.raises(PoolError, match="closed"):
        texts(two)
    assert texts(three) == alone("three")
    assert texts(one) == alone("one")
    assert texts(fleet.pool("two")) == alone("two")
    assert fleet.models == ["three", "two"]


def test_where_only_one_fits_they_take_turns(fleets):
    fleet = fleets(1.2)
    for name in ("one", "two", "one"):
        assert texts(fleet.pool(name)) == alone(name)
        assert fleet.models == [name]
    stats = fleet.stats()
    assert stats.requests == 3 * len(REQUESTS)
    assert stats.peak_sessions == 4
    assert stats.output_tokens > 0


def test_a_model_that_does_not_fit_alone_is_refused_with_what_it_needs(fleets):
    fleet = fleets(0.5)
    with pytest.raises(ModelError, match=r"model one needs .* DOBBY_MEMORY_LIMIT_GB"):
        texts(fleet.pool("one"))


def test_beside_others_the_sessions_get_what_is_left(fleets, monkeypatch):
    seen: list[int] = []
    rule = worker.kv_tokens

    def noting(plan, model, kind):
        tokens = rule(plan, model, kind)
        seen.append(tokens)
        return tokens

    monkeypatch.setattr(worker, "kv_tokens", noting)
    fleet = fleets(2.1)
    one = fleet.pool("one")
    texts(one)
    first = seen[-1]
    texts(fleet.pool("two"))
    texts(fleet.pool("one"))
    assert worker.SHORT_PROMPT_TOKENS <= seen[-1] < first


def test_an_idle_model_keeps_its_weights_and_not_the_keys_of_what_it_said(fleets):
    fleet = fleets(3)
    one = fleet.pool("one")
    texts(one)
    at_work = active_memory()
    keys = size("one") - bytes_held(weights_folder("one"), "cpu", 0)  # 4 sessions of 256 tokens
    fleet.pool("two")
    for _ in range(600):  # its own thread frees them
        if active_memory() <= at_work - keys:
            break
        time.sleep(0.05)
    assert active_memory() <= at_work - keys
    assert active_memory() >= bytes_held(weights_folder("one"), "cpu", 0)
    assert one.loaded


def test_a_model_in_use_is_not_closed_for_another(fleets):
    fleet = fleets(1.2)
    answers = fleet.pool("one").generate(REQUESTS)
    next(answers)
    with pytest.raises(PoolError, match="does not fit beside one"):
        fleet.pool("two")
    assert fleet.models == ["one"]
    assert len(list(answers)) == len(REQUESTS) - 1
    assert texts(fleet.pool("two")) == alone("two")


def test_what_is_no_model_or_not_pulled_is_told_and_leaves_the_others(fleets, models_folder):
    fleet = fleets(3)
    fleet.pool("one")
    with pytest.raises(ModelError, match="gpt-9"):
        fleet.pool("gpt-9")
    shutil.copy(models_folder / "one.toml", models_folder / "absent.toml")
    with pytest.raises(ModelError, match="dobby models pull absent"):
        fleet.pool("absent")
    assert fleet.models == ["one"]


def test_a_closed_fleet_holds_nothing(fleets):
    fleet = fleets(3)
    pools = [fleet.pool(name) for name in MODELS]
    texts(pools[0])
    fleet.close()
    fleet.close()
    assert fleet.models == []
    assert fleet.latest is None
    assert not any(pool.loaded for pool in pools)
    assert fleet.stats().requests == len(REQUESTS)
