"""What a run of generation has done so far.

Not here: the generation (generate.py), and how the figures are shown (assets.py).
"""

from dataclasses import dataclass, field

SAMPLES = 6
"""Published summaries that a run shows."""


@dataclass
class Tally:
    """What a run has done so far.

    Attributes:
        missing: records within the limit that had no summary.
        left_out: records beyond the limit that had none.
        covered: records that have one now.
        generated: bodies made; fewer than the records covered where code is equal, more where
            symbols are large.
        parts: those of them that are about parts of a large symbol and stand for no record.
        samples: (path, symbol, text) of the first few published summaries.
    """

    records: int = 0
    present: int = 0
    missing: int = 0
    left_out: int = 0
    covered: int = 0
    generated: int = 0
    parts: int = 0
    published: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    samples: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])

    @property
    def records_a_minute(self) -> float:
        """Over the time from the first request to the last summary, loading left out."""
        made = self.generated - self.parts
        return 60 * made / self.seconds if self.seconds else 0.0
