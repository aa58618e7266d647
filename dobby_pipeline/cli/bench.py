"""`dobby bench`: the performance contracts, measured on this machine.

Not here: what is measured (benchmarks/). Each is a script that prints a line of JSON a figure.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from dobby_pipeline.cli.terminal import say
from dobby_pipeline.errors import UsageError
from dobby_pipeline.settings import project_file

_SHARED = ("measure", "evaluation_model")
"""Scripts that benchmarks use and that measure nothing themselves."""


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def bench(names: tuple[str, ...], as_json: bool) -> None:
    """Measure each contract under benchmarks/, or those of NAME."""
    scripts = _scripts()
    unknown = [name for name in names if name not in scripts]
    if unknown or not scripts:
        known = ", ".join(scripts) or "none: they come with the repository, not with the wheel"
        raise UsageError(f"no benchmark {', '.join(unknown)} (there are: {known})")
    missed = 0
    for name in names or scripts:
        for row in _figures(scripts[name]):
            missed += not row["met"]
            click.echo(json.dumps(row) if as_json else _line(row))
    if missed:
        say(f"dobby: {missed} figures miss their target on this machine")
        sys.exit(1)


def _scripts() -> dict[str, Path]:
    found = sorted(project_file("benchmarks").glob("*.py"))
    return {path.stem: path for path in found if path.stem not in _SHARED}


def _figures(script: Path) -> Iterator[dict[str, Any]]:
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise UsageError(f"{script.name} ended with status {process.returncode}: see its output")


def _line(row: dict[str, Any]) -> str:
    against = f", {row['ratio']:g} x {row['peer']}" if row["ratio"] is not None else ""
    verdict = "met" if row["met"] else "MISSED"
    figure = f"{row['name']}: {row['metric']} {row['value']:g} {row['unit']}{against}"
    return f"{figure} (target {row['target']}: {verdict})"
