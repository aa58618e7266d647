"""Real functions with the sentences that their authors wrote about them, from git repositories.

Run: `.venv/bin/python benchmarks/gate_set/functions.py FOLDER`, where FOLDER holds a git repository
for each name of REPOSITORIES; writes functions.jsonl and repositories.jsonl beside this file.
Not here: summaries that are wrong (summaries.py).
"""

import ast
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dobby_pipeline.sources.git_tree import open_repository, resolve_commit
from dobby_pipeline.sources.reader import GitSource
from dobby_pipeline.sources.records import SourceRecord

HERE = Path(__file__).parent
MAX_CODE = 1_200  # characters: the set stays small, and most functions are no longer
MIN_CODE = 60
MAX_WORDS = 40
MIN_WORDS = 4
VERBS = re.compile(
    r"(?:add|adjust|append|apply|assemble|augment|build|calculate|call|check|choose|clear|close|"
    r"combine|compare|compile|compute|construct|convert|copy|count|create|decode|delete|determine|"
    r"dispatch|download|drop|emit|encode|ensure|enter|escape|evaluate|execute|extract|fetch|fill|"
    r"find|flush|format|generate|get|group|handle|identify|indicate|inject|insert|intercept|invoke|"
    r"iterate|join|list|load|log|look|make|map|mark|match|merge|move|normalize|open|parse|patch|"
    r"perform|pop|position|prepare|prepend|print|process|produce|provide|push|put|raise|read|"
    r"recompute|register|release|remove|rename|render|replace|report|reset|resolve|retrieve|return|"
    r"reverse|rewind|run|search|select|send|serialize|set|sort|split|start|stop|store|subtract|"
    r"take|test|throw|transform|unset|update|validate|verify|wrap|write|yield)(?:e?s)?"
)
"""A sentence that begins with one of them, with or without -s, tells what a function does; others
were often notes to maintainers, such as `Prior to 1.0.12 there was a bug`."""

EXCLUDED = ("ZodObject.setKey", "::description", "core/util.cjs::derived")
"""Ends of ids whose sentence, read by a person, says nothing about what the function does."""

TESTS = re.compile(r"(^|/)(tests?|testing|examples?|bench(marks?)?)/|(_test\.go|Test\.java)$")


_BLOCK = re.compile(
    r"\s*(@|:|#|\.\.|>>>|\\|(Returns|Parameters|Notes|See Also|Examples|Raises|Yields)\s*$)"
)


@dataclass(frozen=True)
class Repository:
    """Where functions come from.

    Attributes:
        part: `calibration`, on which thresholds are chosen; `validation`, which was held out until
            it had been measured four times; or `held-out`.
        count: functions taken at most.
    """

    name: str
    release: str
    licence: str
    part: str
    count: int


REPOSITORIES = (
    Repository("networkx", "3.6.1", "BSD-3-Clause", "calibration", 40),
    Repository("zod", "4.6.7", "MIT", "calibration", 20),
    Repository("requests", "2.34.2", "Apache-2.0", "calibration", 30),
    Repository("flask", "3.1.2", "BSD-3-Clause", "calibration", 24),
    Repository("ripgrep", "Debian 13", "MIT", "calibration", 20),
    Repository("commons-lang3", "Debian 3.12", "Apache-2.0", "calibration", 24),
    Repository("jq", "Debian 1.6", "MIT", "calibration", 6),
    Repository("click", "8.5.1", "BSD-3-Clause", "calibration", 24),
    Repository("jinja2", "3.1.6", "BSD-3-Clause", "calibration", 28),
    Repository("starlette", "1.10.0", "BSD-3-Clause", "calibration", 24),
    Repository("tenacity", "9.2.1", "Apache-2.0", "calibration", 16),
    Repository("axios", "1.7.9", "MIT", "calibration", 20),
    Repository("kotlin-stdlib", "1.3", "Apache-2.0", "calibration", 30),
    Repository("rich", "15.0.0", "MIT", "calibration", 20),
    Repository("huggingface_hub", "2.4.0", "Apache-2.0", "calibration", 20),
    Repository("alembic", "1.20.1", "MIT", "calibration", 16),
    Repository("lodash-es", "4.17.21", "MIT", "calibration", 20),
    Repository("rxjs", "7.8.1", "Apache-2.0", "calibration", 16),
    Repository("pandas", "3.1.1", "BSD-3-Clause", "validation", 36),
    Repository("pydantic", "2.14.3", "MIT", "validation", 30),
    Repository("structlog", "26.1.0", "Apache-2.0", "validation", 24),
    Repository("uvicorn", "0.54.0", "BSD-3-Clause", "validation", 16),
    Repository("commander", "12.1.0", "MIT", "validation", 30),
    Repository("mathjs", "13.2.0", "Apache-2.0", "validation", 24),
    Repository("kotlin-compiler", "1.3", "Apache-2.0", "validation", 30),
    Repository("django", "5.2", "BSD-3-Clause", "held-out", 36),
    Repository("scikit-learn", "1.9.1", "BSD-3-Clause", "held-out", 36),
    Repository("boltons", "26.2.0", "BSD-3-Clause", "held-out", 30),
    Repository("more-itertools", "11.2.1", "MIT", "held-out", 24),
    Repository("beautifulsoup4", "4.15.0", "MIT", "held-out", 20),
    Repository("peewee", "4.5.3", "MIT", "held-out", 16),
    Repository("fastapi", "0.165.0", "MIT", "held-out", 16),
    Repository("three", "0.187.0", "MIT", "held-out", 30),
    Repository("commons-codec", "Debian 1.15", "Apache-2.0", "held-out", 24),
    Repository("guava", "Debian 31.1", "Apache-2.0", "held-out", 36),
    Repository("monolog", "Debian 2.9.1", "MIT", "held-out", 24),
)


def main(folder: Path) -> None:
    """Write the functions, and every name of each repository."""
    outputs = (HERE / "model_outputs.jsonl").read_text("utf-8").splitlines()
    asked = {json.loads(line)["function"] for line in outputs}
    functions: list[dict[str, Any]] = []
    repositories: list[dict[str, Any]] = []
    for repository in REPOSITORIES:
        records = [r for r in _records(folder / repository.name) if not TESTS.search(r.path)]
        found = [row for record in records if (row := _row(repository, record))]
        found.sort(key=lambda row: (row["id"] not in asked, _shuffled(row["id"])))
        chosen = _distinct(_distinct(found, "code"), "docstring")[: repository.count]
        functions += sorted(chosen, key=lambda row: row["id"])
        names = sorted({r.name for r in records} | {part for r in records for part in _path(r)})
        repositories.append(
            {
                "repository": repository.name,
                "release": repository.release,
                "licence": repository.licence,
                "part": repository.part,
                "names": " ".join(n for n in names if " " not in n and len(n) <= 60),
            }
        )
        print(f"{repository.name}: {len(found)} documented, {len(chosen)} taken", file=sys.stderr)
    write("functions.jsonl", functions)
    write("repositories.jsonl", repositories)


def write(name: str, rows: list[dict[str, Any]]) -> None:
    """Put the rows into a file beside this one, a line of JSON each."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (HERE / name).write_text("\n".join(lines) + "\n", "utf-8")


def _records(folder: Path) -> Iterator[SourceRecord]:
    repository = open_repository(folder)
    source = GitSource(repository, resolve_commit(repository, "HEAD"))
    for file in source.files():
        if not file.reason and not TESTS.search(file.path):
            yield from source.read(file).records


def _distinct(rows: list[dict[str, Any]], column: str) -> list[dict[str, Any]]:
    """The first row of each value, in order."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row[column], row)
    return list(first.values())


def _shuffled(name: str) -> str:
    """An order by hash: a function that comes or goes leaves the others where they are."""
    return hashlib.sha256(name.encode()).hexdigest()


def _path(record: SourceRecord) -> list[str]:
    return [part.partition(".")[0] for part in record.path.split("/")]


def _row(repository: Repository, record: SourceRecord) -> dict[str, Any] | None:
    if record.kind not in ("function", "method"):
        return None
    code = without_docstring(record.code) if record.language == "python" else record.code
    text = sentences(record.docstring)
    if code is None or text is None or not MIN_CODE <= len(code) <= MAX_CODE:
        return None
    if not MIN_WORDS <= len(text.split()) <= MAX_WORDS:
        return None
    name = f"{repository.name}:{record.path}::{record.symbol}"
    if name.endswith(EXCLUDED):
        return None
    return {
        "id": name,
        "language": record.language,
        "name": record.name,
        "code": code,
        "docstring": text,
    }


def without_docstring(code: str) -> str | None:
    """Python code as it would be without its docstring; None where nothing else would be left."""
    try:
        function = ast.parse(code).body[0]
    except SyntaxError:
        return None
    body = getattr(function, "body", [])
    if len(body) < 2 or not ast.get_docstring(function):
        return None
    lines = code.splitlines()
    return "\n".join(lines[: body[0].lineno - 1] + lines[body[0].end_lineno :])


def sentences(docstring: str) -> str | None:
    """The first paragraph's first one or two sentences in plain English markup, if it has any."""
    lines = docstring.strip().splitlines()
    end = next((i for i, line in enumerate(lines) if _BLOCK.match(line)), None)
    paragraph = re.split(r"\n\s*\n", "\n".join(lines[:end]).strip())[0]
    text = re.split(r"</?p>|<[uo]l>|<pre>", paragraph)[0]
    text = re.sub(r"</?(?:em|i|b|strong|code|tt)>", "`", text)
    text = re.sub(r"\{@(?:code|link|literal|linkplain)\s+#?([^}]+)\}", r"`\1`", text)
    text = re.sub(r":[a-z:]+:`[~.!]?([^`<]+?)(?:\s*<[^>]*>)?`", r"`\1`", text)
    text = re.sub(r"``([^`]*)``", r"`\1`", text)
    text = re.sub(r"\[(\w+)\](?![\w(\[])", r"`\1`", text)
    text = re.sub(r"\[`([^`]*)`\]", r"`\1`", text)
    text = re.sub(r"\*([A-Za-z_]+)\*", r"\1", text)
    text = " ".join(text.split())
    ends = [m.end() for m in re.finditer(r"(?<!e\.g)(?<!i\.e)[.!?](?=\s+[A-Z`]|$)", text)]
    text = text[: ends[min(1, len(ends) - 1)]] if ends else ""
    return text if text.isascii() and _begins_with_verb(text) else None


def _begins_with_verb(text: str) -> bool:
    word = re.match(r"[a-z]*", text.lower())
    return bool(word and VERBS.fullmatch(word[0]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
