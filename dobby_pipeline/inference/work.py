"""What sessions have computed so far, for the metrics and the benchmarks.

Not here: computing it (sessions.py), the time that it took (worker.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Work:
    """Counts since the sessions were made.

    Attributes:
        parts: of prompts that were read, each a step.
        read: tokens in them, padding left out.
        hits: prompts whose beginning had been read before.
        spared: tokens that did not have to be read for that.
        written: tokens of all sessions, end tokens left out.
    """

    parts: int = 0
    read: int = 0
    hits: int = 0
    spared: int = 0
    written: int = 0

    def begin(self, lengths: Sequence[int], shared: int, *, known: bool) -> None:
        """Count prompts that are going to be read.

        Args:
            lengths: their tokens, without the last of each.
            shared: tokens of the beginning that they share; 0 for none.
            known: whether it has been read before.
        """
        hits = 0 if not shared else len(lengths) - (not known)
        self.hits += hits
        self.spared += hits * shared
        self.read += sum(lengths) - hits * shared
