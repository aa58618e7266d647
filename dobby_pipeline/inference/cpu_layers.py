"""The parts of llama and qwen2 models on the CPU, in numpy on MLX's own float32 arrays.

Not here: attention and the way through the layers (cpu_network.py), the products (blas.py).
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dobby_pipeline.inference.blas import multiply
from dobby_pipeline.inference.device import import_mlx
from dobby_pipeline.inference.kv_cache import in_place

Floats = NDArray[np.float32]

_POSITIONS = 2_048
"""Whose rotations are computed at first; twice as many whenever they do not suffice."""


@dataclass(slots=True)
class Linear:
    """A product with a weight, [out, in], and its bias."""

    weight: Floats
    bias: Floats | None

    @classmethod
    def of(cls, module: Any) -> Self:
        """From mlx's module."""
        bias = module.get("bias")
        return cls(in_place(module.weight), None if bias is None else in_place(bias))

    def __call__(self, x: Floats) -> Floats:
        """[n, in] to [n, out]."""
        out = product(x, self.weight)
        if self.bias is not None:
            out += self.bias
        return out

    def add(self, x: Floats, out: Floats) -> None:
        """Add the product to `out`."""
        multiply(x, self.weight.T, out, add=True)
        if self.bias is not None:
            out += self.bias


@dataclass(slots=True)
class Block:
    """One layer's weights."""

    input_norm: Floats
    query: Linear
    key: Linear
    value: Linear
    attended: Linear
    mlp_norm: Floats
    gate: Linear
    up: Linear
    down: Linear

    @classmethod
    def of(cls, block: Any) -> Self:
        """From mlx-lm's."""
        attention, mlp = block.self_attn, block.mlp
        return cls(
            in_place(block.input_layernorm.weight),
            Linear.of(attention.q_proj),
            Linear.of(attention.k_proj),
            Linear.of(attention.v_proj),
            Linear.of(attention.o_proj),
            in_place(block.post_attention_layernorm.weight),
            Linear.of(mlp.gate_proj),
            Linear.of(mlp.up_proj),
            Linear.of(mlp.down_proj),
        )

    def finish(self, x: Floats, attended: Floats, eps: float) -> None:
        """Add what attention found, and then the MLP's part (SwiGLU, Shazeer 2020), to `x`."""
        self.attended.add(attended, x)
        normed = rms_norm(x, self.mlp_norm, eps)
        gate, up = self.gate(normed), self.up(normed)
        up *= gate
        np.negative(gate, out=gate)
        with np.errstate(over="ignore"):  # may be infinite: divided by infinity is right
            np.exp(gate, out=gate)
        gate += 1
        up /= gate
        self.down.add(up, x)


class Rotation:
    """Rotary position embeddings, as the model's own module makes them."""

    def __init__(self, rope: Any, size: int) -> None:
        self._rope, self._size = rope, size
        self._interleaved = bool(rope.traditional)
        self._turns: tuple[Floats, ...] = ()
        self._count = 0

    def reach(self, count: int) -> None:
        """Have what `of` gives for the first positions: on the thread that MLX computes on."""
        if count > self._count:
            self._count = max(_POSITIONS, 1 << (count - 1).bit_length())
            self._turns = self._table(self._count)

    def of(self, places: NDArray[np.int64]) -> tuple[Floats, ...]:
        """What `turn` needs for these positions, each [positions, D / 2]."""
        return tuple(part[places] for part in self._turns)

    def turn(self, x: Floats, turns: tuple[Floats, ...]) -> None:
        """Rotate [..., D], whose last axis is contiguous, in place."""
        if self._interleaved:  # neighbours are a complex number
            pairs = x.view(np.complex64)
            pairs *= turns[0]
            return
        cos, sin = turns
        half = self._size // 2
        first, second = x[..., :half], x[..., half:]
        from_first, from_second = first * sin, second * sin
        first *= cos
        first -= from_second
        second *= cos
        second += from_first

    def _table(self, count: int) -> tuple[Floats, ...]:
        """What becomes of (1, 0) tells cosine and sine, whichever way they are scaled."""
        mx = import_mlx()
        ones = np.zeros((1, 1, count, self._size), np.float32)
        half = self._size // 2
        ones[..., 0 :: 2 if self._interleaved else 1] = 1
        if not self._interleaved:
            ones[..., half:] = 0
        turned = np.array(self._rope(mx.array(ones), offset=0))[0, 0]
        if self._interleaved:
            return (turned.view(np.complex64),)
        return turned[:, :half].copy(), turned[:, half:].copy()


def rms_norm(x: Floats, weight: Floats, eps: float) -> Floats:
    """Root mean square normalisation (Zhang, Sennrich 2019) of [n, width]."""
    means = np.einsum("ij,ij->i", x, x)
    means /= x.shape[1]
    means += eps
    np.sqrt(means, out=means)
    normed: Floats = x / means[:, None]
    normed *= weight
    return normed


def product(x: Floats, weight: Floats) -> Floats:
    """[n, in] with a weight, [out, in], to [n, out]."""
    out = np.empty((x.shape[0], weight.shape[0]), np.float32)
    multiply(x, weight.T, out)
    return out
