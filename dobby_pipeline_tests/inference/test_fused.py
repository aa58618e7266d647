"""Layers of fewer products and kernels say what the layers say that they replace."""

from typing import Any

import pytest

from dobby_pipeline.inference.device import choose_device, import_mlx
from dobby_pipeline.inference.kv_cache import PromptCache, StepCache
from dobby_pipeline_tests.inference.networks import network_of


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_a_fused_model_says_the_same(kind: str) -> None:
    choose_device("cpu")
    mx = import_mlx()
    from dobby_pipeline.inference.fused import FusedAttention, FusedMlp, fuse

    network = network_of(kind)

    def said() -> list[Any]:
        caches = [PromptCache() for _ in network.layers]
        return [network(mx.array([part]), cache=caches) for part in ([1, 2, 3, 4], [5, 6], [7])]

    before = said()
    mx.eval(before)
    fuse(network)
    assert all(isinstance(layer.self_attn, FusedAttention) for layer in network.layers)
    assert all(isinstance(layer.mlp, FusedMlp) for layer in network.layers)
    for one, other in zip(before, said(), strict=True):
        assert mx.allclose(one, other, atol=1e-4).item()


def test_packed_weights_stay_as_they_are() -> None:
    choose_device("cpu")
    import_mlx()
    import mlx.nn as nn

    from dobby_pipeline.inference.fused import FusedAttention, fuse

    network = network_of("llama")
    nn.quantize(network, group_size=32, bits=4)
    fuse(network)
    assert not any(isinstance(layer.self_attn, FusedAttention) for layer in network.layers)


@pytest.mark.parametrize(("groups", "size"), [(1, 64), (3, 64), (7, 64), (6, 128)])
def test_the_kernel_for_a_step_is_attention(groups: int, size: int) -> None:
    mx = import_mlx()
    if choose_device("auto").kind != "cuda":
        pytest.skip("needs a CUDA device")
    from dobby_pipeline.inference.fused import attention

    rows, heads, capacity = 5, 2, 300
    queries = mx.random.normal((rows, heads * groups, 1, size))
    keys, values = (mx.random.normal((rows, heads, capacity, size)) for _ in range(2))
    offset = mx.array([0, 3, 127, 128, 299])
    cache = StepCache([keys, values], offset, None, None, capacity)
    mask = (mx.arange(capacity)[None] <= offset[:, None])[:, None, None]
    scale = size**-0.5
    expected = mx.fast.scaled_dot_product_attention(queries, keys, values, scale=scale, mask=mask)
    found = attention(queries, keys, values, cache, scale, mask)
    assert mx.allclose(found, expected, atol=1e-3).item()
