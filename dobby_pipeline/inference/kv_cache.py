"""Keys and values: a row of them for each session, and what a model of mlx-lm calls a cache.

Not here: which session has which row (sessions.py). mlx-lm's models ask a cache for three things:
`offset`, the position of the first token that comes; `update_and_fetch`; and `make_mask`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dobby_pipeline.inference.device import import_mlx

Layer = list[Any]
"""Keys and values of one layer, each [rows, KV heads, tokens, size of a head]."""


class PromptCache:
    """One layer's cache while prompts of one batch are read, behind a prefix that they share.

    The prompts are padded at their end, so that `causal` is the whole mask: what a padding token
    left behind is overwritten before a session ever sees it.
    """

    def __init__(self, prefix: Layer | None = None) -> None:
        self.keys, self.values = prefix or [None, None]

    @property
    def offset(self) -> int:
        """Tokens that are there."""
        return 0 if self.keys is None else self.keys.shape[2]

    @property
    def layer(self) -> Layer:
        """All that was read."""
        return [self.keys, self.values]

    def update_and_fetch(self, keys: Any, values: Any) -> tuple[Any, Any]:
        """Add [batch, KV heads, new tokens, size] and return all."""
        if self.keys is not None:
            self.keys = _joined(self.keys, keys)
            self.values = _joined(self.values, values)
        else:
            self.keys, self.values = keys, values
        return self.keys, self.values

    def make_mask(
        self, count: int, return_array: bool = False, window_size: int | None = None
    ) -> Any:
        """For `count` new tokens."""
        if not return_array and window_size is None:
            return "causal"
        from mlx_lm.models.base import create_causal_mask

        return create_causal_mask(count, self.offset, window_size=window_size)


def _joined(before: Any, new: Any) -> Any:
    mx = import_mlx()
    if before.shape[0] != new.shape[0]:  # a prefix, of one row, in front of a batch
        before = mx.broadcast_to(before, (new.shape[0], *before.shape[1:]))
    return mx.concatenate([before, new], axis=2)


@dataclass(slots=True)
class StepCache:
    """One layer's cache for one token of each session.

    Attributes:
        layer: replaced in place, so that nothing else holds the arrays while they are computed:
            otherwise each step would copy them.
        offset: [rows] tokens that each row holds: where its next one goes.
        active: [rows] 1 where a row has a session.
        place: the offsets for each KV head and number, [rows, KV heads, 1, size].
        attended: tokens of a row that are looked at; above every offset.
    """

    layer: Layer
    offset: Any
    active: Any
    place: Any
    attended: int

    def update_and_fetch(self, keys: Any, values: Any) -> tuple[Any, Any]:
        """Put [rows, KV heads, 1, size] at each row's own place."""
        mx = import_mlx()
        layer = self.layer
        layer[0] = mx.put_along_axis(layer[0], self.place, keys, axis=2)
        layer[1] = mx.put_along_axis(layer[1], self.place, values, axis=2)
        return layer[0][:, :, : self.attended], layer[1][:, :, : self.attended]

    def make_mask(
        self, count: int, return_array: bool = False, window_size: int | None = None
    ) -> Any:
        """[rows, 1, 1, attended]: what a row holds, its new token included."""
        _ = count, return_array
        mx = import_mlx()
        places = mx.arange(self.attended)[None]
        last = self.offset[:, None]
        seen = places <= last
        if window_size is not None:
            seen = seen & (places > last - window_size)
        return seen[:, None, None]


def step_caches(
    layers: Sequence[Layer], offset: Any, active: Any, attended: int
) -> list[StepCache]:
    """The caches for one step, [rows] offsets for all layers."""
    mx = import_mlx()
    rows, heads, _, size = layers[0][0].shape
    place = mx.contiguous(mx.broadcast_to(offset[:, None, None, None], (rows, heads, 1, size)))
    return [StepCache(layer, offset, active, place, attended) for layer in layers]


def resized(array: Any, keep: Sequence[int], shape: Sequence[int]) -> Any:
    """An array of this shape with the kept rows of another one first, and zeros elsewhere."""
    mx = import_mlx()
    made = mx.zeros(shape, array.dtype)
    if keep:
        held = tuple(slice(0, min(sizes)) for sizes in zip(array.shape[1:], shape[1:], strict=True))
        if mx.default_device() == mx.cpu:
            in_place(made)[(slice(0, len(keep)), *held)] = in_place(array)[(list(keep), *held)]
        else:
            made[(slice(0, len(keep)), *held)] = array[mx.array(list(keep))][(slice(None), *held)]
    return made


def resized_layers(
    layers: list[Layer], like: Sequence[Layer], keep: Sequence[int], rows: int, capacity: int
) -> list[Layer]:
    """So many rows with room for so many tokens; those in `keep` come first, the others are empty.

    Args:
        layers: what there is now, or nothing. Emptied, so that old and new are never both there
            as a whole.
        like: a pair for each layer, of the right KV heads, sizes and type.
    """
    mx = import_mlx()
    made: list[Layer] = []
    for number, pair in enumerate(like):
        old = layers[number] if keep else pair
        new = [resized(a, keep, (rows, a.shape[1], capacity, a.shape[3])) for a in old]
        mx.eval(new)
        made.append(new)
        if layers:
            layers[number] = []
    return made


def write_rows(layers: Sequence[Layer], rows: Sequence[int], new: Sequence[Layer]) -> None:
    """Put what was read of a batch of prompts into these rows, from their start on.

    A single row of `new`, which is a prefix by itself, goes into all of them.
    """
    mx = import_mlx()
    on_cpu = mx.default_device() == mx.cpu
    index = list(rows) if on_cpu else mx.array(list(rows))
    for pair, new_pair in zip(layers, new, strict=True):
        for held, read in zip(pair, new_pair, strict=True):
            if on_cpu:
                in_place(held)[index, :, : read.shape[2]] = in_place(read)[: len(rows)]
            else:
                held[index, :, : read.shape[2]] = read[: len(rows)]


def in_place(array: Any) -> NDArray[Any]:
    """An array of the CPU as numpy's, on the same memory.

    MLX's own assignment looks up each number's place by itself: to give 20 sessions more room took
    it 0.9 s, and numpy 0.2.
    """
    return np.asarray(array)
