"""What a run of generation has done so far.

Not here: the generation (answers.py), and how the figures are shown (assets.py).
"""

import time
from dataclasses import dataclass, field

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.quality.statuses import PUBLISHED

SAMPLES = 6
"""Published summaries that a run shows."""


@dataclass
class Tally:
    """What a run has done so far.

    Attributes:
        records: what should have a summary: symbols, files or the repository.
        missing: of those within the limit, how many had none.
        left_out: of those beyond the limit, how many had none.
        covered: how many have one now.
        generated: bodies made; fewer than the records covered where code is equal, more where
            symbols are large.
        parts: those of them that stand for no record and are a step to another, such as one about
            a part of a large symbol.
        repaired: published at the second attempt.
        extractive: stand-ins, taken from the code.
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
    repaired: int = 0
    extractive: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    samples: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    _begun: float = field(default=0.0, init=False)

    def begin(self) -> None:
        """The first request is about to be sent."""
        self._begun = self._begun or time.monotonic()

    def tick(self) -> None:
        """A summary was finished."""
        self.seconds = time.monotonic() - self._begun

    def count(self, body: Row, references: list[Row]) -> None:
        """Count a body that was made, and the rows that waited for it."""
        self.generated += 1
        self.prompt_tokens += body["prompt_tokens"]
        self.output_tokens += body["output_tokens"]
        self.parts += not references
        if body["status"] != PUBLISHED:
            return
        if body["origin"] == "extractive":
            self.extractive += 1
            return
        self.published += 1
        self.repaired += "+repair-" in body["prompt_version"]
        if references and len(self.samples) < SAMPLES:
            row = references[0]
            place = row.get("path", ""), row.get("symbol", "")
            self.samples.append((*place, body["text"]))

    @property
    def tokens(self) -> int:
        """Prompt and output tokens together."""
        return self.prompt_tokens + self.output_tokens

    @property
    def records_a_minute(self) -> float:
        """Over the time from the first request to the last summary, loading left out."""
        made = self.generated - self.parts
        return 60 * made / self.seconds if self.seconds else 0.0
