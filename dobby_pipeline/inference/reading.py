"""Prompts being read: in batches, behind the beginnings that they share, before sessions write.

Not here: which prompts (admission.py), what sessions make of them (sessions.py).
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dobby_pipeline.inference.admission import Job
from dobby_pipeline.inference.cpu_network import CpuNetwork
from dobby_pipeline.inference.device import Kind, import_mlx
from dobby_pipeline.inference.kv_cache import Layer, PromptCache
from dobby_pipeline.inference.work import Work

PREFILL_STEP = {"cpu": 1_024, "metal": 2_048, "cuda": 2_048}
"""Prompt tokens of a session computed at once."""

PREFILL_TOKENS = {"cpu": 2_048, "metal": 16_384, "cuda": 32_768}
"""Tokens of all prompts of a batch computed at once, at most."""

READ_STEP = 64
"""On CUDA prompts are padded to a multiple of this, and a batch to a power of two: a product of a
shape that it has not met takes MLX 85 ms there, of one that it has 14."""

MIN_OPENING = 16
"""Tokens. Shorter openings are not worth a batch of their own."""

MOST_OPENINGS = 8
"""That are kept. A run has one for each kind of prompt: some three."""

Integers = NDArray[np.int64]


@dataclass(slots=True)
class Reading:
    """A batch of prompts that is being read.

    Attributes:
        tokens: [batch, longest] of what comes behind the opening, padded at the end.
        lengths: [batch] tokens that are no padding.
        done: columns that are read.
    """

    jobs: list[Job]
    caches: list[PromptCache]
    tokens: Integers
    lengths: list[int]
    done: int = 0

    @property
    def layers(self) -> list[Layer]:
        """Keys and values of what was read, a row a job; more rows where the batch is padded."""
        return [cache.layer for cache in self.caches]

    def counts(self, columns: int) -> list[int]:
        """Tokens of each row that the next columns hold."""
        return [min(max(length - self.done, 0), columns) for length in self.lengths]


class Reader:
    """Prompts that wait to be read, and the beginnings that were."""

    def __init__(self, network: Any, kind: Kind, work: Work) -> None:
        self._network = network
        self._kind: Kind = kind
        self._work = work
        self._waiting: deque[Reading] = deque()
        # Keys and values of beginnings that prompts share; the one used last at the end.
        self._openings: dict[tuple[int, ...], list[Layer]] = {}

    @property
    def waits(self) -> bool:
        """Whether there is something to read."""
        return bool(self._waiting)

    def add(self, jobs: Sequence[Job]) -> None:
        """Let prompts wait, in batches of one beginning and about one length."""
        by_opening: dict[tuple[int, ...], list[Job]] = {}
        for job in jobs:
            by_opening.setdefault(_opening(job), []).append(job)
        for opening, same in by_opening.items():
            lengths = [len(job.tokens) - 1 for job in same]
            self._work.begin(lengths, len(opening), known=opening in self._openings)
            size = self._batch(max(lengths) - len(opening))
            for start in range(0, len(same), size):
                self._waiting.append(self._reading(opening, same[start : start + size]))

    def read(self) -> tuple[int, Reading | None]:
        """The next part of the first batch that waits.

        Returns:
            Tokens that were computed, padding included; and the batch, if that was its end.
        """
        reading = self._waiting[0]
        self._work.parts += 1
        part = reading.tokens[:, reading.done : reading.done + PREFILL_STEP[self._kind]]
        if part.size:
            self._compute(part, reading.caches, reading.counts(part.shape[1]))
        reading.done += part.shape[1]
        if reading.done < reading.tokens.shape[1]:
            return part.size, None
        return part.size, self._waiting.popleft()

    def clear(self) -> None:
        """Drop all batches."""
        self._waiting.clear()

    def close(self) -> None:
        """Free what it holds."""
        self.clear()
        self._openings.clear()

    def _batch(self, longest: int) -> int:
        """Prompts computed together, of so many tokens behind their opening at most."""
        columns = max(1, min(longest, PREFILL_STEP[self._kind]))
        if self._kind == "cuda":
            columns = -(-columns // READ_STEP) * READ_STEP
            return max(1, 2 ** int(math.log2(PREFILL_TOKENS[self._kind] / columns)))
        return max(1, PREFILL_TOKENS[self._kind] // columns)

    def _reading(self, opening: tuple[int, ...], jobs: list[Job]) -> Reading:
        # The last token of a prompt is computed as its session's first step, with the others'.
        rests = [job.tokens[len(opening) : -1] for job in jobs]
        rows, length = len(rests), max(map(len, rests))
        if self._kind == "cuda":
            rows, length = 1 << (rows - 1).bit_length(), -(-length // READ_STEP) * READ_STEP
        tokens = np.zeros((rows, length), np.int64)
        for row, rest in enumerate(rests):
            tokens[row, : len(rest)] = rest
        return Reading(jobs, self._caches(opening), tokens, [len(rest) for rest in rests])

    def _caches(self, opening: tuple[int, ...]) -> list[PromptCache]:
        """Caches that hold an opening, which is read the first time."""
        if not opening:
            return [PromptCache() for _ in self._network.layers]
        layers = self._openings.pop(opening, None) or self._read_opening(opening)
        self._openings[opening] = layers
        if len(self._openings) > MOST_OPENINGS:
            del self._openings[next(iter(self._openings))]
        return [PromptCache(layer) for layer in layers]

    def _read_opening(self, opening: tuple[int, ...]) -> list[Layer]:
        caches = [PromptCache() for _ in self._network.layers]
        size = PREFILL_STEP[self._kind]
        for start in range(0, len(opening), size):
            part = np.array([opening[start : start + size]])
            self._compute(part, caches, [part.size])
        return [cache.layer for cache in caches]

    def _compute(self, tokens: Integers, caches: list[PromptCache], counts: Sequence[int]) -> None:
        if isinstance(self._network, CpuNetwork):
            self._network.read(tokens, caches, counts)
            return
        mx = import_mlx()
        self._network(mx.array(tokens), cache=caches)
        # A GPU gets the next part while it computes this one; the CPU has nothing beside itself.
        compute = mx.eval if self._kind == "cpu" else mx.async_eval
        compute([cache.layer for cache in caches])


def _opening(job: Job) -> tuple[int, ...]:
    """What the prompt shares with others like it, where that is worth while."""
    return tuple(job.tokens[: job.opening]) if job.opening >= MIN_OPENING else ()
