"""What parsing a symbol's code tells for certain, in a few short lines for its prompt.

Not here: parsing (quality/facts.py for functions, sources/captures.py for names), and where the
lines stand in a prompt (prompts/*.txt). The lines depend on the code and its language alone, and
never on the repository, so that a summary's key covers them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dobby_pipeline.quality.facts import FunctionFacts, read_facts
from dobby_pipeline.sources.captures import UnparsableError, capture
from dobby_pipeline.sources.languages import LANGUAGES, Language

FACTS_VERSION = "2"
"""Part of a prompt's version where it shows facts: to be raised when the lines for the same code
change."""

MAX_BYTES = 32_768
"""Of code that is parsed: up to there the time needs no watch (sources/captures.py), so that the
same code has the same lines on any machine. Larger symbols are shown in parts anyway."""

MAX_NAMES = 8
"""On one line. The code is there to be read: the line says what matters, and costs its tokens."""

MAX_NAME = 40
"""Characters of a name; a longer one is left out."""

TYPE_KINDS = frozenset({"class", "enum", "interface", "struct", "trait", "type", "union"})

_ROWS = {row.name: row for row in LANGUAGES}


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """What is certain about a symbol.

    Attributes:
        name: its own; empty where the code does not tell.
        lines: a function's tell its parameters, whether it returns a value or yields, and what it
            raises; a type's tell its members. Code that does not parse has fewer. What a function
            calls is no line: the code is there to be read, and the line made summaries worse
            (docs/quality.md).
    """

    name: str = ""
    lines: tuple[str, ...] = ()


def read_code_facts(language: str, kind: str, code: str) -> CodeFacts:
    """The facts of a symbol; none where nothing is certain.

    Args:
        language: as in the record.
        kind: as in the record.
        code: the record's, whole.
    """
    row = _ROWS.get(language)
    if row is None or len(code.encode("utf-8", "replace")) > MAX_BYTES:
        return CodeFacts()
    return _of_type(row, code) if kind in TYPE_KINDS else _of_function(row, code)


def _of_function(row: Language, code: str) -> CodeFacts:
    facts = read_facts(row.name, code)
    function = facts.function if facts else None
    if not function:
        return CodeFacts(_joined(_defined(row, code)[:1]))
    told = {
        "Parameters": _joined(function.parameter_order),
        "Result": _result(function),
        "Raises": _joined(function.raised),
    }
    return CodeFacts(_joined([function.name]), _lines(told))


def _of_type(row: Language, code: str) -> CodeFacts:
    name, *members = _defined(row, code) or [""]
    return CodeFacts(_joined([name]), _lines({"Members": _joined(members)}))


def _defined(row: Language, code: str) -> list[str]:
    """Last parts of the names of what the code defines, in order: itself, then what is in it."""
    try:
        found = capture(row, code.encode("utf-8", "replace"))
    except UnparsableError:
        return []
    inner = [d for d in sorted(found.definitions, key=lambda d: d.start) if d.kind != "scope"]
    return [re.split(r"\W+", definition.name)[-1] for definition in inner]


def _result(function: FunctionFacts) -> str:
    if function.is_stub:
        return ""
    said = [
        *(["yields values"] if function.yields else []),
        *(["returns a value"] if function.returns_value and not function.yields else []),
    ]
    return ", ".join(said)


def _joined(names: Iterable[str]) -> str:
    """The first MAX_NAMES plain names, each once: a name in quotes could say anything."""
    plain = (name for name in names if name.isidentifier() and len(name) <= MAX_NAME)
    return ", ".join(list(dict.fromkeys(plain))[:MAX_NAMES])


def _lines(told: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{label}: {value}" for label, value in told.items() if value)
