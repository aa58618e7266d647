"""`dobby gate`: the gate by itself, over lines of JSON.

Not here: the rules (quality/gate.py).
"""

import json
import sys

import click

from dobby_pipeline.errors import UsageError
from dobby_pipeline.quality.gate import Candidate, judge


@click.command()
@click.option("--json", "as_json", is_flag=True, required=True, help="Lines of JSON in and out.")
def gate(as_json: bool) -> None:
    """Judge {language, code, summary} lines from standard input."""
    _ = as_json
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        verdict = judge(Candidate(_summary(line, number)))
        click.echo(json.dumps({"status": verdict.status, "reasons": list(verdict.reasons)}))


def _summary(line: str, number: int) -> str:
    try:
        summary = json.loads(line)["summary"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"line {number} of standard input is no JSON object with a summary: give "
            '{"language": …, "code": …, "summary": …}'
        ) from error
    if not isinstance(summary, str):
        raise UsageError(f"line {number} of standard input: the summary is no string")
    return summary
