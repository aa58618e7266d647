"""The forward pass of llama and qwen2 models on the CPU: numpy on MLX's own arrays.

MLX computes whatever is no matrix product on one thread, each operation over whole arrays that no
core's cache holds. Here each core takes prompts of its own from the first layer to the last, and
what lies between two products stays with it.

Not here: what a layer is made of (cpu_layers.py), the products (blas.py), and models of other
families (device_math.py).
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dobby_pipeline.inference.blas import available_cores, multiply, one_thread, use_fast_blas
from dobby_pipeline.inference.cpu_layers import (
    Block,
    Floats,
    Rotation,
    product,
    rms_norm,
)
from dobby_pipeline.inference.device import import_mlx
from dobby_pipeline.inference.device_math import in_threads
from dobby_pipeline.inference.kv_cache import PromptCache, StepCache, in_place

_FAMILIES = frozenset({"mlx_lm.models.llama", "mlx_lm.models.qwen2"})

_ROTATIONS = frozenset({"RoPE", "Llama3RoPE"})
"""Others of mlx-lm turn a position by what the length of the whole text is."""

_SCORES = 131_072
"""Scores of a head that are computed at once, so that the passes over them stay in a core's cache:
512 kB of the 1 MB that server cores have. Never for more than _QUERIES tokens, since a block's
last token decides how many keys all of it meets."""

_QUERIES = 128

_UNEVEN = 1.3
"""Times its equal part of the tokens that a core has at most. Above that they rather share each
product, at 0.9 ms a token for 0.7 on two cores."""

Counts = Sequence[int]


def on_cpu(network: Any) -> "CpuNetwork | None":
    """A model of mlx-lm in float32, to be called in its place; None for what is not done here."""
    if type(network).__module__ not in _FAMILIES or use_fast_blas().name != "OpenBLAS":
        return None
    blocks = network.model.layers
    rope = blocks[0].self_attn.rope
    turns_all = type(rope).__name__ in _ROTATIONS and rope.dims == _head_size(network.args)
    slides = any(getattr(block, "use_sliding", False) for block in blocks)
    return CpuNetwork(network) if turns_all and not slides else None


class CpuNetwork:
    """What a model of mlx-lm is for the sessions: layers, and a call.

    Attributes:
        layers: in order.
    """

    def __init__(self, network: Any) -> None:
        args, model = network.args, network.model
        self.layers = [Block.of(block) for block in model.layers]
        self._embeddings = in_place(model.embed_tokens.weight)
        self._norm = in_place(model.norm.weight)
        tied = getattr(args, "tie_word_embeddings", False)
        self._head = self._embeddings if tied else in_place(network.lm_head.weight)
        self._eps = float(args.rms_norm_eps)
        self._heads: int = args.num_attention_heads
        self._groups: int = args.num_key_value_heads
        self._size = _head_size(args)
        self._rotation = Rotation(model.layers[0].self_attn.rope, self._size)

    def __call__(self, tokens: Any, cache: Sequence[StepCache]) -> Any:
        """A step: a token of each row, whose keys and values go into the cache of each layer.

        Args:
            tokens: [rows, 1].

        Returns:
            Logits, [rows, 1, V]; of rows without a session zeros.
        """
        given: NDArray[np.int64] = np.asarray(tokens)
        return import_mlx().array(self._step(given[:, 0], cache))[:, None]

    def read(self, tokens: NDArray[np.int64], caches: list[PromptCache], counts: Counts) -> None:
        """Put the keys and values of prompts into their caches.

        Args:
            tokens: [B, L], behind those that the caches hold.
            caches: one for each layer.
            counts: of each row's tokens that are no padding; padding is not computed.
        """
        begun = caches[0].offset
        stored = [self._extended(cache, *tokens.shape) for cache in caches]
        self._rotation.reach(begun + tokens.shape[1])
        shares = _shares(counts, available_cores())

        def read_shares(first: int, last: int) -> None:
            for share in shares[first:last]:
                self._read_rows(share, [tokens[row, : counts[row]] for row in share], stored, begun)

        if len(shares) == 1:
            read_shares(0, 1)
            return
        with one_thread():
            in_threads(read_shares, len(shares), sum(counts) * self._embeddings.shape[1])

    def _extended(self, cache: PromptCache, rows: int, count: int) -> tuple[Floats, Floats]:
        """Room for more keys and values in a prompt's cache, behind those that it holds."""
        mx = import_mlx()
        begun, before = cache.offset, cache.layer
        shape = rows, self._groups, begun + count, self._size
        cache.keys, cache.values = mx.zeros(shape), mx.zeros(shape)
        mx.eval(cache.keys, cache.values)
        made = in_place(cache.keys), in_place(cache.values)
        for new, old in zip(made, before, strict=True):
            if old is not None:
                new[:, :, :begun] = in_place(old)
        return made

    def _read_rows(
        self,
        rows: Sequence[int],
        tokens: list[NDArray[np.int64]],
        stored: list[tuple[Floats, Floats]],
        begun: int,
    ) -> None:
        """Tokens of some rows, one row's behind another's, into [B, KV heads, begun + L, D]."""
        heads, groups, size = self._heads, self._groups, self._size
        ends = list(accumulate(map(len, tokens)))
        spans = list(zip(rows, [0, *ends[:-1]], ends, strict=True))
        places = np.concatenate([np.arange(begun, begun + len(row)) for row in tokens])
        turns = tuple(part[:, None] for part in self._rotation.of(places))
        x = self._embeddings[np.concatenate(tokens)]
        attended = np.empty((len(x), heads, size), np.float32)
        last = self.layers[-1]
        for layer, (keys, values) in zip(self.layers, stored, strict=True):
            normed = rms_norm(x, layer.input_norm, self._eps)
            new_keys = layer.key(normed).reshape(-1, groups, size)
            self._rotation.turn(new_keys, turns)
            new_values = layer.value(normed).reshape(-1, groups, size)
            for row, start, end in spans:
                until = begun + end - start
                keys[row, :, begun:until] = new_keys[start:end].swapaxes(0, 1)
                values[row, :, begun:until] = new_values[start:end].swapaxes(0, 1)
            if layer is last:
                return
            queries = self._queries(layer, normed, turns)
            for row, start, end in spans:
                until = begun + end - start
                own = keys[row, :, :until], values[row, :, :until]
                _attend(queries[start:end], *own, begun, attended[start:end])
            layer.finish(x, attended.reshape(len(x), -1), self._eps)

    def _step(self, tokens: NDArray[np.int64], caches: Sequence[StepCache]) -> Floats:
        """[rows] tokens, each behind those that its row holds, to logits, [rows, V]."""
        heads, groups, size = self._heads, self._groups, self._size
        held: NDArray[np.int64] = np.asarray(caches[0].offset)
        rows = np.flatnonzero(np.asarray(caches[0].active))
        places = held[rows]
        self._rotation.reach(int(places.max()) + 1)
        turns = tuple(part[:, None] for part in self._rotation.of(places))
        x = self._embeddings[tokens[rows]]
        attended = np.empty((len(rows), groups, heads // groups, size), np.float32)
        elements = 2 * groups * size * int(places.sum())
        for layer, cache in zip(self.layers, caches, strict=True):
            normed = rms_norm(x, layer.input_norm, self._eps)
            new = layer.key(normed).reshape(-1, groups, size)
            self._rotation.turn(new, turns)
            keys, values = map(in_place, cache.layer)
            keys[rows, :, places] = new
            values[rows, :, places] = layer.value(normed).reshape(-1, groups, size)
            asked = self._queries(layer, normed, turns).reshape(attended.shape)

            def attend(
                first: int,
                last: int,
                asked: Floats = asked,
                keys: Floats = keys,
                values: Floats = values,
            ) -> None:
                for number in range(first, last):
                    row, seen = rows[number], places[number] + 1
                    scores = asked[number] @ keys[row, :, :seen].swapaxes(-1, -2)
                    sums = _weights(scores)
                    np.matmul(scores, values[row, :, :seen], out=attended[number])
                    attended[number] /= sums

            in_threads(attend, len(rows), elements)
            layer.finish(x, attended.reshape(len(rows), -1), self._eps)
        logits = np.zeros((len(tokens), self._head.shape[0]), np.float32)
        logits[rows] = product(rms_norm(x, self._norm, self._eps), self._head)
        return logits

    def _queries(self, layer: "Block", normed: Floats, turns: tuple[Floats, ...]) -> Floats:
        """[n, heads, D], rotated and scaled."""
        queries = layer.query(normed).reshape(-1, self._heads, self._size)
        self._rotation.turn(queries, turns)
        queries *= self._size**-0.5
        return queries


def _shares(counts: Counts, parts: int) -> list[list[int]]:
    """Rows dealt out so that each core has about as many tokens to read; one share for all cores
    together where one of them would have much more to do than the others.
    """
    rows = [row for row, count in enumerate(counts) if count]
    shares: list[list[int]] = [[] for _ in range(parts)]
    loads = [0] * parts
    for row in sorted(rows, key=lambda row: -counts[row]):
        lightest = loads.index(min(loads))
        shares[lightest].append(row)
        loads[lightest] += counts[row]
    return shares if max(loads) * parts <= _UNEVEN * sum(loads) else [rows]


def _attend(queries: Floats, keys: Floats, values: Floats, begun: int, out: Floats) -> None:
    """Causal attention of one prompt's tokens, block by block.

    Args:
        queries: [L, heads, D], scaled.
        keys, values: [KV heads, begun + L, D].
        out: like `queries`.
    """
    count, heads, _ = queries.shape
    shared = heads // keys.shape[0]
    size = min(count, _QUERIES, max(16, _SCORES // keys.shape[1]))
    hidden = np.triu(np.full((size, size), -np.inf, np.float32), 1)
    room = np.empty(size * keys.shape[1], np.float32)
    for first in range(0, count, size):
        last = min(first + size, count)
        rows, seen = last - first, begun + last
        scores = room[: rows * seen].reshape(rows, seen)
        for head in range(heads):
            own = head // shared
            multiply(queries[first:last, head], keys[own, :seen].T, scores)
            scores[:, begun + first :] += hidden[:rows, :rows]
            sums = _weights(scores)
            multiply(scores, values[own, :seen], out[first:last, head])
            out[first:last, head] /= sums


def _weights(scores: Floats) -> Floats:
    """Scores to weights, in place; returns by what they are to be divided, [..., 1]."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    return scores.sum(axis=-1, keepdims=True)


def _head_size(args: Any) -> int:
    return getattr(args, "head_dim", None) or args.hidden_size // args.num_attention_heads
