"""`dobby bench`: the performance contracts, measured on this machine.

Not here: what is measured (benchmarks/: each a script that prints a line of JSON a figure), what
it is compared with (regressions.py).
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from dobby_pipeline.cli.regressions import FILE, fallen, record, recorded_ratios
from dobby_pipeline.cli.terminal import say
from dobby_pipeline.errors import UsageError
from dobby_pipeline.settings import project_file

_SHARED = ("measure", "evaluation_model", "generated")
"""Scripts that benchmarks use and that measure nothing themselves."""


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--record", "recording", is_flag=True, help="Make this run's ratios the recorded.")
def bench(names: tuple[str, ...], as_json: bool, recording: bool) -> None:
    """Measure each contract under benchmarks/, or those of NAME.

    What is more than 10 % worse than recorded in benchmarks/recorded.json is said. A benchmark that
    cannot run, for want of a tool or of memory, stops no other.
    """
    scripts = _scripts()
    unknown = [name for name in names if name not in scripts]
    if unknown or not scripts:
        known = ", ".join(scripts) or "none: they come with the repository, not with the wheel"
        raise UsageError(f"no benchmark {', '.join(unknown)} (there are: {known})")
    file = project_file("benchmarks") / FILE
    before = recorded_ratios(file)  # read first: a broken file is no reason to lose a run's figures
    rows: list[dict[str, Any]] = []
    unmeasured: list[str] = []
    for name in names or scripts:
        with _running(scripts[name]) as process:
            for row in map(json.loads, process.stdout or ()):
                rows.append(row)
                click.echo(json.dumps(row) if as_json else _line(row))
        if process.returncode:
            unmeasured.append(name)
            say(f"dobby: {name} ended with status {process.returncode}: what it said is above")
    missed = sum(not row["met"] for row in rows)
    if missed:
        say(f"dobby: {missed} figures miss their target on this machine")
    worse = fallen(rows, before)
    for line in worse:
        say(f"dobby: {line}")
    if recording:
        say(f"dobby: {record(file, rows)} ratios recorded in {file}")
    if missed or unmeasured or (worse and not recording):
        sys.exit(1)


def _scripts() -> dict[str, Path]:
    found = sorted(project_file("benchmarks").glob("*.py"))
    return {path.stem: path for path in found if path.stem not in _SHARED}


def _running(script: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)


def _line(row: dict[str, Any]) -> str:
    against = f", {row['ratio']:g} x {row['peer']}" if row["ratio"] is not None else ""
    verdict = "met" if row["met"] else "MISSED"
    figure = f"{row['name']}: {row['metric']} {row['value']:g} {row['unit']}{against}"
    return f"{figure} (target {row['target']}: {verdict})"
