"""`dobby gate`: the gate by itself, over lines of JSON.

Not here: the rules (quality/gate.py).
"""

import json
import sys
from functools import cache
from typing import Any

import click

from dobby_pipeline.cli.terminal import say
from dobby_pipeline.errors import UsageError
from dobby_pipeline.quality.gate import QUARANTINED, Candidate, Verdict, judge
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.sources.languages import language_named
from dobby_pipeline.summaries.prompts import load_prompts

_REQUIRED = ("language", "code", "summary")
_OPTIONAL = ("level", "finish_reason", "instructions", "symbol")
_NAMED = {"summary": "text"}


@click.command()
@click.option("--json", "as_json", is_flag=True, required=True, help="Lines of JSON in and out.")
def gate(as_json: bool) -> None:
    """Judge {language, code, summary} lines from standard input.

    A line may also have level (symbol, file or repo), finish_reason, instructions (Dobby's own by
    default), symbol (the qualified name), known_names and children (lists of strings). One that
    cannot be read is quarantined and told of; the others are judged, and the exit status is 2.
    """
    _ = as_json
    unreadable = 0
    lines = sys.stdin.buffer if sys.stdin else ()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            verdict = _verdict(_candidate(line))
        except UsageError as error:
            unreadable += 1
            say(f"dobby: line {number} of standard input {error}")
            verdict = Verdict(QUARANTINED, (f"input: the line {error}",))
        click.echo(json.dumps({"status": verdict.status, "reasons": list(verdict.reasons)}))
    if unreadable:
        sys.exit(UsageError.exit_status)


def _verdict(candidate: Candidate) -> Verdict:
    """As the gate's, but a summary of nothing is not published: no rule could object to it."""
    verdict = judge(candidate)
    if candidate.code.strip() or candidate.children:
        return verdict
    reason = "no_code: there is nothing to hold the summary against"
    return Verdict(QUARANTINED, (*verdict.reasons, reason))


def _candidate(line: bytes) -> Candidate:
    try:
        row: Any = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is no JSON in UTF-8: {_ADVICE}") from error
    if not isinstance(row, dict):
        raise UsageError(f"is no JSON object: {_ADVICE}")
    fields: dict[str, Any] = {"instructions": _own_words()}
    for name in (*_REQUIRED, *_OPTIONAL):
        value = row.get(name)
        if value is None and name in _OPTIONAL:
            continue
        if value is None:
            raise UsageError(f"has no {name}: {_ADVICE}")
        if not isinstance(value, str):
            raise UsageError(f"has a {name} that is no string")
        fields[_NAMED.get(name, name)] = value
    if fields.get("level", "symbol") not in ("symbol", "file", "repo"):
        raise UsageError("has a level that is none of symbol, file, repo")
    known = language_named(fields["language"])
    fields["language"] = known.name if known else fields["language"]
    children, known_names = _strings(row, "children"), KnownNames(_strings(row, "known_names"))
    return Candidate(**fields, children=tuple(children), known_names=known_names)


_ADVICE = 'give {"language": …, "code": …, "summary": …}'


def _strings(row: dict[str, Any], name: str) -> list[str]:
    value = row.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"has {name} that are no list of strings")
    return value


@cache
def _own_words() -> str:
    """What Dobby's own prompts ask, which no summary may repeat."""
    prompts = load_prompts()
    asked = (prompts.symbol, *prompts.kinds.values(), prompts.file, prompts.repo)
    return "\n".join(f"{prompt.system}\n{prompt.bare}" for prompt in asked)
