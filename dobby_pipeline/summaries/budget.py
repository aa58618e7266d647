"""What a run may spend on generation: tokens and time. Not here: what is left out (tally.py)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

ENDED_EARLY = "ended early"
"""The metadata of a materialisation that left the rest to the next run: why."""


@dataclass
class Budget:
    """The end of a run's generation, in tokens or in time; what is under way is finished.

    Attributes:
        max_tokens: prompt and output tokens together; None for no end.
        seconds: from now on; None for no end.
        tokens: tells what was spent so far.
    """

    max_tokens: int | None = None
    seconds: float | None = None
    tokens: Callable[[], int] = lambda: 0
    _begun: float = field(default_factory=time.monotonic, init=False)

    def is_spent(self) -> bool:
        """Whether nothing more should be asked."""
        if self.max_tokens is not None and self.tokens() >= self.max_tokens:
            return True
        return self.seconds is not None and time.monotonic() - self._begun >= self.seconds

    @property
    def line(self) -> str:
        """Which end was reached; empty while there is room."""
        if not self.is_spent():
            return ""
        if self.max_tokens is not None and self.tokens() >= self.max_tokens:
            return f"the budget of {self.max_tokens:,} tokens is spent"
        return "the time is up"
