"""How much of the CPU's matrix product the session pool reaches on real functions.

Run: `.venv/bin/python benchmarks/matmul_share.py [FUNCTIONS]`. The products of the model's weights
are counted from its shape, those of attention left out (some 6 % at 280 tokens). Beside them, in
the same run, numpy multiplies matrices of the same shapes, each layer's its own, so that weights
come from memory as they do in the model.
"""

import json
import sys
import time
from typing import Any

from engine import real_requests
from measure import at_least, in_child, told

FUNCTIONS = 40
SESSIONS = 20
MODEL = "smollm2-135m"
PASSES = 5


def model_shapes() -> tuple[list[list[tuple[int, int]]], tuple[int, int]]:
    """(in, out) of each product of each layer, keys and values first; and of the head."""
    from dobby_pipeline.inference.models.manifests import weights_folder

    config = json.loads((weights_folder(MODEL) / "config.json").read_text())
    hidden, inner, heads = (
        config[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads")
    )
    kv = config["num_key_value_heads"] * hidden // heads
    layer = [(hidden, kv)] * 2 + [(hidden, hidden)] * 2 + [(hidden, inner)] * 2 + [(inner, hidden)]
    return [layer] * config["num_hidden_layers"], (hidden, config["vocab_size"])


def prompt_products() -> list[tuple[int, int]]:
    """Of a prompt's token: of the last layer keys and values alone are needed."""
    layers, _ = model_shapes()
    return [shape for layer in layers[:-1] for shape in layer] + layers[-1][:2]


def step_products() -> list[tuple[int, int]]:
    """Of a token that is written."""
    layers, head = model_shapes()
    return [shape for layer in layers for shape in layer] + [head]


def flops(products: list[tuple[int, int]]) -> int:
    """Of one token."""
    return sum(2 * into * out for into, out in products)


def on_numpy(products: list[tuple[int, int]], rows: int) -> float:
    """10^9 operations a second of numpy's float32 products; the best pass of a few."""
    import numpy as np

    chance = np.random.default_rng(1)
    weights = [chance.random(shape, np.float32) for shape in products]
    inputs = {into: chance.random((rows, into), np.float32) for into, _ in products}
    best = float("inf")
    for _ in range(PASSES):
        started = time.perf_counter()
        for weight in weights:
            inputs[weight.shape[0]] @ weight
        best = min(best, time.perf_counter() - started)
    return rows * flops(products) / best / 1e9


def on_pool(functions: int) -> dict[str, float]:
    """Tokens and seconds of the pool, two warm-up requests left out."""
    from dataclasses import asdict

    from dobby_pipeline.inference.models.manifests import load_manifest
    from dobby_pipeline.inference.pool import SessionPool

    requests: list[Any] = real_requests(functions + 2)
    with SessionPool(load_manifest(MODEL), sessions=SESSIONS, device="cpu") as pool:
        list(pool.generate(requests[:2]))
        before = asdict(pool.metrics.reading())
        list(pool.generate(requests[2:]))
        after = asdict(pool.metrics.reading())
    return {name: after[name] - before[name] for name in after}


def main(functions: int) -> None:
    """Numpy before and after the pool, and the better of both as the limit."""
    reading, writing = prompt_products(), step_products()
    rows = 4 * 180  # a batch of four prompts behind their shared beginning

    def limits() -> tuple[float, float]:
        return in_child(on_numpy, reading, rows)[0], in_child(on_numpy, writing, SESSIONS)[0]

    before = limits()
    found, _ = in_child(on_pool, functions)
    read_limit, write_limit = (max(pair) for pair in zip(before, limits(), strict=True))
    work_read = found["read_tokens"] * flops(reading) / 1e9
    work_written = found["output_tokens"] * flops(writing) / 1e9
    name = f"matrix products, {functions} functions, {SESSIONS} sessions"
    best = work_read / read_limit + work_written / write_limit
    unit, peer = "GFLOP/s", "numpy sgemm"
    total = work_read + work_written
    told(
        at_least(
            name, "reading", work_read / found["prefill_seconds"], unit, peer, read_limit, 0.5
        ),
        at_least(
            name, "writing", work_written / found["decode_seconds"], unit, peer, write_limit, 0.4
        ),
        at_least(name, "all", total / found["busy_seconds"], unit, peer, total / best, 0.5),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else FUNCTIONS)
