"""`dobby gate`: the gate by itself, over lines of JSON.

Not here: the rules (quality/gate.py).
"""

import json
import sys
from typing import Any

import click

from dobby_pipeline.errors import UsageError
from dobby_pipeline.quality.gate import Candidate, judge
from dobby_pipeline.quality.reading import KnownNames

_TEXTS = ("language", "code", "summary", "level", "finish_reason", "instructions", "symbol")
_NAMED = {"summary": "text"}


@click.command()
@click.option("--json", "as_json", is_flag=True, required=True, help="Lines of JSON in and out.")
def gate(as_json: bool) -> None:
    """Judge {language, code, summary} lines from standard input.

    A line may also have level (symbol, file or repo), finish_reason, instructions, symbol (the
    qualified name), known_names and children (lists of strings).
    """
    _ = as_json
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        verdict = judge(_candidate(line, number))
        click.echo(json.dumps({"status": verdict.status, "reasons": list(verdict.reasons)}))


def _candidate(line: str, number: int) -> Candidate:
    where = f"line {number} of standard input"
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is no JSON: {_ADVICE}") from error
    if not isinstance(row, dict) or "summary" not in row:
        raise UsageError(f"{where} is no JSON object with a summary: {_ADVICE}")
    fields: dict[str, Any] = {}
    for name in _TEXTS:
        value = row.get(name)
        if value is None and name != "summary":
            continue
        if not isinstance(value, str):
            raise UsageError(f"{where}: the {name} is no string")
        fields[_NAMED.get(name, name)] = value
    if fields.get("level", "symbol") not in ("symbol", "file", "repo"):
        raise UsageError(f"{where}: the level is none of symbol, file, repo")
    children = _strings(row, "children", where)
    known_names = KnownNames(_strings(row, "known_names", where))
    return Candidate(**fields, children=tuple(children), known_names=known_names)


_ADVICE = 'give {"language": …, "code": …, "summary": …}'


def _strings(row: dict[str, Any], name: str, where: str) -> list[str]:
    value = row.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{where}: the {name} are no list of strings")
    return value
