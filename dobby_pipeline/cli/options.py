"""What the command line may tell a run. Not here: the run itself (runs.py), which needs Dagster."""

import math
from dataclasses import dataclass
from typing import Any

import click

_LEVELS = {"symbol": "symbol_summaries", "file": "file_summaries", "repo": "repo_summary"}
"""The asset of each level, in the order of the flow."""


class FiniteRange(click.FloatRange):
    """A range of numbers, which neither `nan` nor `inf` lies in: click's own lets both through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """As the parent's; fails where the number is none."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return number


@dataclass(frozen=True)
class RunOptions:
    """What a run of the command line is told besides its repository.

    Attributes:
        level: how far up the flow goes: `symbol`, `file` or `repo`.
        limit: only so many records, those that limit.py takes; None for all.
        with_callees: whether prompts carry the summaries of what a symbol calls.
        max_tokens_total: prompt and output tokens of the run; None for no end.
        max_minutes: of the run; None for no end.
    """

    level: str = "repo"
    limit: int | None = None
    with_callees: bool = False
    max_tokens_total: int | None = None
    max_minutes: float | None = None

    @property
    def levels(self) -> list[str]:
        """Those that are to be made."""
        return list(_LEVELS)[: list(_LEVELS).index(self.level) + 1]

    @property
    def assets(self) -> list[str]:
        """What is to be materialised."""
        return ["cozo_schema", "source_records", *(_LEVELS[level] for level in self.levels)]

    @property
    def leaves_out(self) -> str:
        """What may leave records without a summary, for the run's tag; empty for nothing."""
        ends = (self.limit, self.max_tokens_total, self.max_minutes)
        told = [f"{end:g}" for end in ends if end is not None]
        return ", ".join(told)

    @property
    def config(self) -> dict[str, Any]:
        """The run's config for its assets."""
        ends = {"max_tokens_total": self.max_tokens_total, "max_minutes": self.max_minutes}
        budget = {name: end for name, end in ends.items() if end is not None}
        symbol = {**budget, "with_callees": self.with_callees}
        if self.limit is not None:
            symbol["limit"] = self.limit
        configs = [symbol, budget, budget]
        return {
            _LEVELS[level]: {"config": config}
            for level, config in zip(self.levels, configs, strict=False)
        }
