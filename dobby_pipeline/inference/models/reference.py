"""What a model of the llama or qwen2 family says, computed without MLX: the reference.

Not here: where the weights are read from (reference_weights.py) and what is compared
(golden.py). It is written from the architecture's definition in plain float32 and shares no
code, no names and no form of rotation with the conversion and with mlx-lm, so that an error in
either shows. A layer is in memory at a time, so it takes little beside the vocabulary's scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

_ROWS = 8192
"""Of the vocabulary, scored at once: 8,192 rows of 4,096 numbers are 134 MB."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model's weights do not tell about themselves.

    Attributes:
        vocabulary: how many tokens there are.
        head_size: numbers in one head.
        epsilon: of the norms.
        rope_base: positions turn the pair i of n by position / rope_base ** (i / n).
        rope_pairs: `neighbours` (0 with 1, 2 with 3, as GGUF stores llama) or `halves` (0 with
            n, 1 with n + 1, as the hub does and as GGUF stores qwen2).
        rope_divisors: what each pair's speed is divided by; empty for 1.
    """

    vocabulary: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    epsilon: float
    rope_base: float
    rope_pairs: str
    rope_divisors: tuple[float, ...] = ()


class Weights(Protocol):
    """A model's weights by their names in GGUF."""

    @property
    def shape(self) -> Shape:
        """The model's shape."""
        ...

    def get(self, name: str, rows: "slice | Sequence[int]" = slice(None)) -> "Array | None":
        """Rows of a tensor in float32, or None when the model has none of that name."""
        ...


def next_scores(weights: Weights, tokens: Sequence[int]) -> "Array":
    """The scores (logits) of every next token after each token: (tokens, vocabulary)."""
    import numpy as np

    states = _get(weights, "token_embd.weight", tokens)
    turns = _turns(weights.shape, len(tokens))
    for layer in range(weights.shape.layers):
        name = f"blk.{layer}."
        normed = _normed(states, weights, f"{name}attn_norm")
        states = states + _attention(normed, weights, name, turns)
        normed = _normed(states, weights, f"{name}ffn_norm")
        states = states + _feed_forward(normed, weights, name)
    normed = _normed(states, weights, "output_norm")
    head = "output.weight"
    if weights.get(head, slice(1)) is None:
        head = "token_embd.weight"
    starts = range(0, weights.shape.vocabulary, _ROWS)
    rows = (_get(weights, head, slice(start, start + _ROWS)) for start in starts)
    return np.concatenate([normed @ part.T for part in rows], axis=1)


def _attention(
    states: "Array", weights: Weights, name: str, turns: "tuple[Array, Array]"
) -> "Array":
    import numpy as np

    shape, length = weights.shape, len(states)
    queries, keys, values = (
        _linear(states, weights, f"{name}attn_{role}").reshape(length, heads, shape.head_size)
        for role, heads in zip("qkv", (shape.heads, shape.kv_heads, shape.kv_heads), strict=True)
    )
    queries, keys = (_turned(x, turns, shape.rope_pairs) for x in (queries, keys))
    # Each key head serves a group of query heads that stand side by side.
    group = shape.heads // shape.kv_heads
    keys, values = (np.repeat(x, group, axis=1) for x in (keys, values))
    scores = np.einsum("qhd,khd->hqk", queries, keys) / np.sqrt(np.float32(shape.head_size))
    scores += np.triu(np.full((length, length), -np.inf, np.float32), k=1)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    mixed = np.einsum("hqk,khd->qhd", shares, values).reshape(length, -1)
    return _linear(mixed, weights, f"{name}attn_output")


def _feed_forward(states: "Array", weights: Weights, name: str) -> "Array":
    import numpy as np

    gate = _linear(states, weights, f"{name}ffn_gate")
    with np.errstate(over="ignore"):  # exp of a large number: the gate is shut
        gate = gate / (np.float32(1) + np.exp(-gate))
    return _linear(gate * _linear(states, weights, f"{name}ffn_up"), weights, f"{name}ffn_down")


def _linear(states: "Array", weights: Weights, name: str) -> "Array":
    out = states @ _get(weights, f"{name}.weight").T
    bias = weights.get(f"{name}.bias")
    return out if bias is None else out + bias


def _normed(states: "Array", weights: Weights, name: str) -> "Array":
    import numpy as np

    size = np.sqrt(np.mean(states**2, axis=-1, keepdims=True) + weights.shape.epsilon)
    return states / size * _get(weights, f"{name}.weight")


def _turns(shape: Shape, length: int) -> "tuple[Array, Array]":
    """Cosine and sine of each position's turn of each pair: (length, 1, pairs)."""
    import numpy as np

    pairs = shape.head_size // 2
    speeds = shape.rope_base ** (-np.arange(pairs) / pairs)
    if shape.rope_divisors:
        speeds = speeds / np.array(shape.rope_divisors)
    angles = (np.arange(length)[:, None] * speeds)[:, None, :]
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _turned(states: "Array", turns: "tuple[Array, Array]", pairs: str) -> "Array":
    import numpy as np

    half = states.shape[-1] // 2
    places = (slice(0, None, 2), slice(1, None, 2))
    if pairs == "halves":
        places = (slice(half), slice(half, None))
    (cosine, sine), (first, second) = turns, places
    x, y = states[..., first], states[..., second]
    turned = np.empty_like(states)
    turned[..., first], turned[..., second] = x * cosine - y * sine, x * sine + y * cosine
    return turned


def _get(weights: Weights, name: str, rows: "slice | Sequence[int]" = slice(None)) -> "Array":
    found = weights.get(name, rows)
    if found is None:
        raise KeyError(name)
    return found
