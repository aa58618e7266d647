"""The guard of `dobby bench`: a run's ratios beside those that were recorded last.

Ratios alone, since both sides of one are measured in the same run: a slower machine slows both.
Not here: measuring (benchmarks/), running them (bench.py).
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dobby_pipeline.errors import UsageError

FILE = "recorded.json"
"""Beside the benchmarks, and committed with the change that moved a figure."""

FALL = 0.10
"""What may be lost before it is said. Two runs of the same code on a quiet machine differ by 2 to
5 %, since other work hits both sides of a ratio at different moments."""

Row = Mapping[str, Any]


def recorded_ratios(file: Path) -> dict[str, float]:
    """The ratios recorded last, by figure; none where there is no file yet.

    Raises:
        UsageError: when the file is something else.
    """
    try:
        values = json.loads(file.read_text("utf-8"))
        return {str(name): float(ratio) for name, ratio in values.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{file} holds no recorded ratios ({type(error).__name__}): restore it, or remove it "
            "and record again with `dobby bench --record`"
        ) from error


def fallen(rows: Iterable[Row], recorded: Mapping[str, float]) -> list[str]:
    """A line for each ratio that is worse than recorded by more than FALL."""
    lines: list[str] = []
    for row in rows:
        now, before = row["ratio"], recorded.get(_figure(row))
        if not now or not before:
            continue
        kept = before / now if _lower_is_better(row) else now / before
        if kept < 1 - FALL:
            lines.append(
                f"{_figure(row)}: {now:.3g} x {row['peer']}, recorded {before:.3g} x: "
                f"{1 - kept:.0%} worse"
            )
    return lines


def record(file: Path, rows: Iterable[Row]) -> int:
    """Make the ratios of these rows the recorded ones; the others stay. Returns how many."""
    ratios = {_figure(row): round(row["ratio"], 4) for row in rows if row["ratio"]}
    all_of_them = {**recorded_ratios(file), **ratios}
    file.write_text(json.dumps(dict(sorted(all_of_them.items())), indent=1) + "\n", "utf-8")
    return len(ratios)


def _figure(row: Row) -> str:
    return f"{row['name']}: {row['metric']}"


def _lower_is_better(row: Row) -> bool:
    return str(row["target"]).startswith("<")
