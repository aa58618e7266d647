"""What a person sees: the progress bar on a terminal, plain lines without one.

Not here: JSON, which goes to standard output alone.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from dobby_pipeline.progress import LogReporter, Progress, Report, no_pulse

if TYPE_CHECKING:
    from dobby_pipeline.inference.models.pull import PullProgress


def say(message: str) -> None:
    """A line for the person, on standard error."""
    click.echo(message, err=True)


def shown(text: str) -> str:
    r"""The text on one line, with `\n` and the like for what a terminal would obey or hide.

    A file's name may hold anything but a NUL.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@dataclass
class TerminalReporter:
    """Progress on standard error, and in Dagster's log as well.

    On a terminal each step has a bar with its rate and the time left. Elsewhere it is a line
    every few seconds, as for the log.

    Attributes:
        pulse: as of `LogReporter`.
    """

    console: Console = field(default_factory=lambda: Console(file=sys.stderr))
    pulse: Callable[[], str] = no_pulse
    _bars: Bars | None = field(default=None, init=False)
    _tasks: dict[str, TaskID] = field(default_factory=dict[str, TaskID], init=False)
    _plain: LogReporter = field(init=False)

    def __post_init__(self) -> None:
        self._plain = LogReporter(pulse=self.pulse)

    def __enter__(self) -> "TerminalReporter":
        if self.console.is_terminal:
            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()
            self._bars, self._tasks = None, {}

    def to(self, log: Callable[[str], None]) -> Report:
        """As `Reporter.to`."""
        to_log = LogReporter(pulse=self.pulse).to(log)
        to_terminal = self._draw if self._bars else self._plain.to(say)

        def report(progress: Progress) -> None:
            to_log(progress)
            to_terminal(progress)

        return report

    def _draw(self, progress: Progress) -> None:
        bars = self._bars
        if bars is None:
            return
        name = f"{progress.repo}: {progress.stage}"
        if name not in self._tasks:
            self._tasks[name] = bars.add_task(name, total=progress.total, note="")
        note = progress.beside(self.pulse).note
        bars.update(self._tasks[name], completed=progress.done, total=progress.total, note=note)


@dataclass
class PullBar:
    """A pull's stages: a bar on a terminal, a line every few seconds elsewhere."""

    console: Console = field(default_factory=lambda: Console(file=sys.stderr))
    every_s: float = 5.0
    _bars: Bars | None = field(default=None, init=False)
    _tasks: dict[str, TaskID] = field(default_factory=dict[str, TaskID], init=False)
    _stage: str = field(default="", init=False)
    _last: float = field(default=0.0, init=False)

    def __enter__(self) -> "PullBar":
        if self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
            self._bars = Bars(*columns, TransferSpeedColumn(), console=self.console)
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()

    def __call__(self, progress: "PullProgress") -> None:
        """Show one moment."""
        stage = f"{progress.stage} {progress.file}".strip()
        if self._bars:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage, total=progress.total)
            self._bars.update(self._tasks[stage], completed=progress.done, total=progress.total)
        elif stage != self._stage or time.monotonic() - self._last >= self.every_s:
            self._stage, self._last = stage, time.monotonic()
            mb = (
                f" {progress.done / 1e6:.0f} of {progress.total / 1e6:.0f} MB"
                if progress.total
                else ""
            )
            say(stage + mb)
