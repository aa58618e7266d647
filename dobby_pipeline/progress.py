"""How far a long step is, told to whoever shows it: Dagster's log, or the terminal's bar.

Not here: the bar (cli/).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """One moment of a step.

    Attributes:
        stage: the asset's name.
        repo: the partition.
        done: units finished in this run.
        total: units of this run, or None while unknown.
        unit: what is counted, plural.
        note: what else is worth a glance, such as a rate.
    """

    stage: str
    repo: str
    done: int
    total: int | None
    unit: str
    note: str = ""

    @property
    def line(self) -> str:
        """The moment as a line of text."""
        of = f"/{self.total}" if self.total is not None else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.repo}: {self.stage} {self.done}{of} {self.unit}{note}"

    @property
    def finished(self) -> bool:
        """Whether the step is at its end."""
        return self.done == self.total

    def beside(self, pulse: "Callable[[], str]") -> "Progress":
        """The same moment with what the engine is at in its note, unless it is the last."""
        if self.finished:
            return self
        return replace(self, note=", ".join(filter(None, (self.note, pulse()))))


def no_pulse() -> str:
    """Nothing is known of what is under way."""
    return ""


Report = Callable[[Progress], None]


class Reporter(Protocol):
    """Where progress goes. A Dagster resource, so that the command line can put its bar there."""

    def to(self, log: Callable[[str], None]) -> Report:
        """A function for one step to call; `log` writes a line to the step's own log."""
        ...


@dataclass
class LogReporter:
    """Progress as log lines, one in `every_s` seconds at most, and the last moment always.

    Attributes:
        pulse: what the engine is at, in a few words; empty when it is not at work.
    """

    every_s: float = 10.0
    pulse: Callable[[], str] = no_pulse
    _last: float = field(default=float("-inf"), init=False)

    def to(self, log: Callable[[str], None]) -> Report:
        """As `Reporter.to`."""

        def report(progress: Progress) -> None:
            now = time.monotonic()
            if progress.finished or now - self._last >= self.every_s:
                self._last = now
                log(progress.beside(self.pulse).line)

        return report
