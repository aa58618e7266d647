"""The CPU's own forward pass says what mlx-lm's says, with the same keys and values."""

from typing import Any

import numpy as np
import pytest

from dobby_pipeline.inference import cpu_layers, cpu_network
from dobby_pipeline.inference.blas import multiply, one_thread, openblas, use_fast_blas
from dobby_pipeline.inference.cpu_network import CpuNetwork, on_cpu
from dobby_pipeline.inference.device import choose_device, import_mlx
from dobby_pipeline.inference.kv_cache import PromptCache, step_caches, write_rows
from dobby_pipeline_tests.inference.networks import network_of

pytestmark = pytest.mark.skipif(
    use_fast_blas().name != "OpenBLAS", reason="needs OpenBLAS, as on Linux"
)

LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
MODELS = [
    ("llama", {}),
    ("llama", {"rope_traditional": True}),
    ("llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False}),
    ("llama", {"rope_scaling": LLAMA3, "num_key_value_heads": 4}),
    ("qwen2", {}),
]


def both(kind: str, shape: dict[str, Any]) -> tuple[Any, CpuNetwork]:
    """mlx-lm's network, and ours on its weights."""
    choose_device("cpu")
    network = network_of(kind, **shape)
    ours = on_cpu(network)
    assert ours is not None
    return network, ours


def opened(network: Any, tokens: list[int]) -> list[Any]:
    """Keys and values of what prompts share, by mlx-lm."""
    mx = import_mlx()
    caches = [PromptCache() for _ in network.layers]
    network(mx.array([tokens]), cache=caches)
    layers = [cache.layer for cache in caches]
    mx.eval(layers)
    return layers


def prompts(rows: int, columns: int) -> Any:
    return np.random.default_rng(0).integers(0, 50, (rows, columns))


@pytest.mark.parametrize(("kind", "shape"), MODELS)
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_prompts_leave_the_same_keys_and_values(
    kind: str, shape: dict[str, Any], rows: int
) -> None:
    mx = import_mlx()
    network, ours = both(kind, shape)
    opening = opened(network, [1, 2, 3, 4, 5, 6, 7])
    tokens = prompts(rows, 40)
    theirs, own = ([PromptCache(layer) for layer in opening] for _ in range(2))
    for part in (tokens[:, :30], tokens[:, 30:]):
        network(mx.array(part), cache=theirs)
        ours.read(part, own, [part.shape[1]] * rows)
    for expected, found in zip(theirs, own, strict=True):
        assert found.offset == 47
        assert mx.allclose(found.keys, expected.keys, atol=1e-4).item()
        assert mx.allclose(found.values, expected.values, atol=1e-4).item()


def test_padding_is_not_computed_and_changes_nothing() -> None:
    mx = import_mlx()
    _, ours = both("llama", {})
    tokens = prompts(4, 12)
    lengths = [12, 0, 3, 7]
    together = [PromptCache() for _ in ours.layers]
    ours.read(tokens, together, lengths)
    for row, length in enumerate(lengths):
        if not length:
            continue
        alone = [PromptCache() for _ in ours.layers]
        ours.read(tokens[row : row + 1, :length], alone, [length])
        for one, other in zip(together, alone, strict=True):
            assert mx.allclose(one.keys[row : row + 1, :, :length], other.keys, atol=1e-5).item()
            assert not one.keys[row, :, length:].any().item()


def test_blocks_of_queries_are_one_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    mx = import_mlx()
    monkeypatch.setattr(cpu_network, "_QUERIES", 16)
    network, ours = both("llama", {})
    tokens = prompts(2, 50)
    theirs, own = ([PromptCache() for _ in ours.layers] for _ in range(2))
    network(mx.array(tokens), cache=theirs)
    ours.read(tokens, own, [50, 50])
    assert mx.allclose(own[-1].values, theirs[-1].values, atol=1e-4).item()


@pytest.mark.parametrize(("kind", "shape"), MODELS)
def test_a_step_gives_the_same_logits(kind: str, shape: dict[str, Any]) -> None:
    mx = import_mlx()
    network, ours = both(kind, shape)
    read = opened(network, [1, 2, 3, 4, 5])
    tokens = mx.array([[6], [7], [8]])
    # The rows hold as much as they look at: 5 tokens, none (no session), and 3.
    lengths, active = mx.array([5, 0, 3]), mx.array([1, 0, 1])

    def said(model: Any) -> tuple[Any, list[Any]]:
        layers = [[mx.zeros((3, a.shape[1], 8, a.shape[3])) for a in pair] for pair in read]
        write_rows(layers, [0, 2], [[mx.repeat(a, 2, axis=0) for a in pair] for pair in read])
        logits = model(tokens, cache=step_caches(layers, lengths, active, 6))[:, -1]
        mx.eval(logits, layers)
        return logits, layers

    (expected, theirs), (found, own) = said(network), said(ours)
    for row, length in ((0, 5), (2, 3)):
        assert mx.allclose(found[row], expected[row], atol=1e-4).item()
        for one, other in zip(own, theirs, strict=True):
            part = (row, slice(None), slice(0, length + 1))
            assert mx.allclose(one[0][part], other[0][part], atol=1e-4).item()
    assert not found[1].any().item()


def test_places_beyond_the_first_table_are_turned_as_well() -> None:
    mx = import_mlx()
    network, ours = both("llama", {"max_position_embeddings": 4096})
    rope = network.layers[0].self_attn.rope
    x = np.random.default_rng(1).random((1, 1, 3, 16)).astype(np.float32)
    for first in (10, cpu_layers._POSITIONS - 1):
        expected = np.array(rope(mx.array(x), offset=first))
        turned = x[0, 0].copy()
        ours._rotation.reach(first + 3)
        ours._rotation.turn(turned, ours._rotation.of(np.arange(first, first + 3)))
        assert np.allclose(turned, expected[0, 0], atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("llama", {"sliding_window": 8, "layer_types": ["full_attention", "sliding_attention"]}),
        ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}),
        ("qwen3", {"head_dim": 16}),
    ],
)
def test_what_is_not_done_here_is_left_to_mlx(kind: str, shape: dict[str, Any]) -> None:
    choose_device("cpu")
    assert on_cpu(network_of(kind, **shape)) is None


def test_products_of_parts_of_arrays() -> None:
    chance = np.random.default_rng(2)
    left, right = (chance.random((6, 4, 8)).astype(np.float32) for _ in range(2))
    out = np.ones((6, 3, 6), np.float32)
    multiply(left[:, 1], right[:, 2].T, out[:, 0])
    assert np.allclose(out[:, 0], left[:, 1] @ right[:, 2].T)
    multiply(left[:, 1], right[:, 2].T, out[:, 1], add=True)
    assert np.allclose(out[:, 1], 1 + left[:, 1] @ right[:, 2].T)
    assert (out[:, 2] == 1).all()
    wide = chance.random((8, 6)).astype(np.float32)
    multiply(left[:, 3], wide, out[:, 2])
    assert np.allclose(out[:, 2], left[:, 3] @ wide)


def test_one_thread_for_a_while() -> None:
    before = openblas().scipy_openblas_get_num_threads()
    with one_thread():
        assert openblas().scipy_openblas_get_num_threads() == 1
    assert openblas().scipy_openblas_get_num_threads() == before
