"""Beginnings that prompts share: read once, their keys and values given to every session.

Not here: reading them (sessions.py). Plain numbers: no mlx.
"""

from collections.abc import Sequence
from itertools import takewhile

MIN_TOKENS = 16
"""Shorter ones are not worth a batch of their own."""

MOST = 8
"""Beginnings that are kept. A run has one for each kind of prompt: some three."""

Tokens = Sequence[int]


class Prefixes:
    """The beginnings found so far, the one used last at the end."""

    def __init__(self) -> None:
        self.known: list[tuple[int, ...]] = []

    def of(self, prompts: Sequence[Tokens]) -> list[tuple[int, ...]]:
        """For each prompt the longest known beginning, shorter than the prompt; or nothing.

        Prompts without one are compared with each other, and what saves most is known from then on.
        """
        found = [self._known(prompt) for prompt in prompts]
        strangers = [p for p, prefix in zip(prompts, found, strict=True) if not prefix]
        while len(strangers) > 1:
            first, *others = strangers
            new = _best(first, others)
            if new:
                self.known = [*self.known[1 - MOST :], new]
                others = [prompt for prompt in others if not self._known(prompt)]
            strangers = others
        return [
            prefix or self._known(prompt) for prompt, prefix in zip(prompts, found, strict=True)
        ]

    def _known(self, prompt: Tokens) -> tuple[int, ...]:
        fitting = [p for p in self.known if len(p) < len(prompt) and tuple(prompt[: len(p)]) == p]
        longest = max(fitting, key=len, default=())
        if longest:
            self.known.remove(longest)
            self.known.append(longest)
        return longest


def _best(prompt: Tokens, others: Sequence[Tokens]) -> tuple[int, ...]:
    """The beginning of `prompt` that saves most tokens: its length by the others that share it."""
    shared = sorted((_shared(prompt, other) for other in others), reverse=True)
    saved = [length * (place + 1) for place, length in enumerate(shared)]
    length = shared[saved.index(max(saved))]
    return tuple(prompt[:length]) if length >= MIN_TOKENS else ()


def _shared(one: Tokens, other: Tokens) -> int:
    """Tokens that both begin with; the last token of either is never one of them."""
    pairs = zip(one[:-1], other[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
