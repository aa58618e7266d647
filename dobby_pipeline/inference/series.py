"""A run over time in a buffer that does not grow: samples, and the rates between them.

Not here: when a sample is taken (recorder.py), drawing (charts.py).
"""

from dataclasses import dataclass, field
from itertools import pairwise

MOST = 480
"""Samples kept: 2 minutes at four a second, then every second one goes. A picture has 60 points."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment.

    Attributes:
        at: seconds since the start.
        requests, tokens: answered and written since the start.
        memory: bytes held, at most since the sample before.
        busy: sessions.
    """

    at: float
    requests: int
    tokens: int
    memory: int
    busy: int


@dataclass
class Series:
    """Samples in order of time, at most `most` of them.

    When it is full each pair becomes one sample, and they are to be taken half as often.

    Attributes:
        every_s: seconds that are to be between two samples now.
    """

    every_s: float
    most: int = MOST
    samples: list[Sample] = field(default_factory=list[Sample], init=False)

    def add(self, sample: Sample) -> None:
        """Keep a sample, later than those before."""
        if len(self.samples) >= self.most:
            first, *rest = self.samples
            pairs = zip(rest[::2], rest[1::2], strict=False)
            self.samples = [first, *(_merged(one, two) for one, two in pairs)]
            self.every_s *= 2
        self.samples.append(sample)

    def rates(self, points: int = 60) -> list["Rate"]:
        """What happened between samples, in `points` stretches of time or fewer."""
        size = max(1, -(-(len(self.samples) - 1) // points))
        ends = self.samples[::size]
        if self.samples and ends[-1] is not self.samples[-1]:
            ends.append(self.samples[-1])
        found: list[Rate] = []
        for start, end in pairwise(ends):
            seconds = end.at - start.at
            if seconds > 0:
                within = [s for s in self.samples if start.at < s.at <= end.at]
                found.append(
                    Rate(
                        end.at,
                        60 * (end.requests - start.requests) / seconds,
                        (end.tokens - start.tokens) / seconds,
                        max(s.memory for s in within),
                        sum(s.busy for s in within) / len(within),
                    )
                )
        return found


@dataclass(frozen=True, slots=True)
class Rate:
    """A stretch of time.

    Attributes:
        at: its end, in seconds since the start.
        requests_a_minute, tokens_a_second: over it.
        memory: bytes held at most.
        busy: sessions on average.
    """

    at: float
    requests_a_minute: float
    tokens_a_second: float
    memory: int
    busy: float


def _merged(one: Sample, two: Sample) -> Sample:
    busy = round((one.busy + two.busy) / 2)
    return Sample(two.at, two.requests, two.tokens, max(one.memory, two.memory), busy)
