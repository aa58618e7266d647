"""Two functions of mlx-lm's models, done otherwise on the CPU, where MLX is slow at them: for the
models that have no forward pass of their own there (cpu_network.py).

MLX has no vector code for `exp` on x86, so that its sigmoid and softmax take 20 ns an
element, where numpy takes 0.5. On two cores that was as much time as all matrix products together.
The products stay MLX's; only the elements in between are numpy's, in place, on MLX's own buffers.

Not here: the BLAS (blas.py), the sampling (sampling.py), and what is fused on CUDA (fused.py).
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dobby_pipeline.inference.blas import available_cores
from dobby_pipeline.inference.device import import_mlx

Floats = NDArray[np.float32]

_BLOCK = 32_768
"""Elements that numpy takes at a time, so that its passes over them stay in a core's cache."""

_REPLACED: dict[str, set[str]] = {}

_ALONE = 131_072
"""Elements up to which one thread is faster than handing work to others."""


def replace_slow_functions(network: Any) -> None:
    """Have a model of mlx-lm, and others of its architecture, call what is fast on the CPU.

    Its module looks the functions up by name at each call. Models on a GPU of the same process
    go on calling MLX's own.
    """
    module = sys.modules[type(network).__module__]
    _replace(module, "swiglu", swiglu)
    _replace(module, "scaled_dot_product_attention", attention)


def swiglu(gate: Any, up: Any) -> Any:
    """`gate * sigmoid(gate) * up`, of two float32 arrays of one shape (Shazeer 2020)."""
    mx = import_mlx()
    gate = mx.contiguous(gate)
    up = mx.contiguous(up)
    mx.eval(gate, up)
    gates, ups = _flat(gate), _flat(up)

    def compute(start: int, end: int) -> None:
        with np.errstate(over="ignore"):  # exp(-gate) may be infinite: gate / infinity is right
            for first in range(start, end, _BLOCK):
                last = min(first + _BLOCK, end)
                part = gates[first:last]
                scaled = np.negative(part)
                np.exp(scaled, out=scaled)
                scaled += 1
                np.divide(part, scaled, out=part)
                part *= ups[first:last]

    in_threads(compute, gates.size)
    return gate


def attention(
    queries: Any,
    keys: Any,
    values: Any,
    cache: Any,
    scale: float,
    mask: Any,
    sinks: Any = None,
) -> Any:
    """Scaled dot-product attention in float32.

    Args:
        queries: [B, heads, L, D].
        keys, values: [B, KV heads, T, D]; each serves `heads / KV heads` query heads.
        cache: unused; part of mlx-lm's signature.
        mask: None, `causal` (query l sees the first T - L + l + 1 keys), or booleans that
            broadcast to [B, 1, L, T], True where a key is seen.
        sinks: not supported.
    """
    _ = cache
    if sinks is not None:
        raise ValueError("attention sinks are not supported on the CPU")
    mx = import_mlx()
    batch, heads, length, size = queries.shape
    groups, total = keys.shape[1], keys.shape[2]
    rows = heads // groups * length
    grouped = (queries * scale).reshape(batch, groups, rows, size)
    scores = mx.contiguous(grouped @ keys.swapaxes(-1, -2))
    mx.eval(scores)
    table: Floats = np.asarray(scores).reshape(batch, groups, heads // groups, length, total)
    sums = np.empty(table.shape[:-1], np.float32)
    seen = _seen(mask, length, total)

    def compute(start: int, end: int) -> None:
        for row in range(start, end):
            part = table[row]
            if seen is not None:
                part += seen[row if seen.shape[0] > 1 else 0]
            part -= part.max(axis=-1, keepdims=True)
            np.exp(part, out=part)
            part.sum(axis=-1, out=sums[row])

    in_threads(compute, batch, table.size)
    # Divided afterwards: a row has fewer numbers then.
    out = (scores @ values) / mx.array(sums.reshape(batch, groups, rows, 1))
    return out.reshape(batch, heads, length, size)


def log_sum_exp(logits: Any) -> Any:
    """[B, V] to [B]."""
    mx = import_mlx()
    rows: Floats = np.asarray(logits)
    found = np.empty(rows.shape[0], np.float32)

    def compute(start: int, end: int) -> None:
        for row in range(start, end):
            top = rows[row].max()
            found[row] = top + np.log(np.exp(rows[row] - top).sum())

    in_threads(compute, rows.shape[0], rows.size)
    return mx.array(found)


def _seen(mask: Any, length: int, total: int) -> Floats | None:
    """What to add to the scores: 0, or minus infinity; [1 or B, 1, 1, L, T]."""
    if mask is None or (isinstance(mask, str) and length == 1):
        return None
    if isinstance(mask, str):
        return _causal(length, total)
    seen: Floats = np.where(np.asarray(mask), np.float32(0), np.float32("-inf"))
    return seen[:, None] if seen.ndim == 4 else seen.reshape(1, 1, 1, *seen.shape[-2:])


@cache
def _causal_table(size: int) -> Floats:
    return np.triu(np.full((size, size), -np.inf, np.float32), 1)


def _causal(length: int, total: int) -> Floats:
    size = 1 << (total - 1).bit_length()
    return _causal_table(size)[None, None, None, total - length : total, :total]


def _flat(array: Any) -> Floats:
    view: Floats = np.asarray(array)
    return view.reshape(-1)


def _replace(module: ModuleType, name: str, ours: Callable[..., Any]) -> None:
    theirs = getattr(module, name, None)
    if theirs is None or name in _REPLACED.setdefault(module.__name__, set()):
        return
    _REPLACED[module.__name__].add(name)
    mx = import_mlx()

    def chosen(*args: Any, **named: Any) -> Any:
        here = mx.default_device() == mx.cpu
        return (ours if here else theirs)(*args, **named)

    setattr(module, name, chosen)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(available_cores(), "dobby-math")


def in_threads(compute: Callable[[int, int], None], count: int, elements: int = 0) -> None:
    """Call `compute(start, end)` over parts of range(count), in threads if there is much to do."""
    parts = min(available_cores(), count)
    if parts < 2 or (elements or count) <= _ALONE:
        compute(0, count)
        return
    borders = [count * part // parts for part in range(parts + 1)]
    futures = [_threads().submit(compute, *part) for part in pairwise(borders)]
    for future in futures:
        future.result()
