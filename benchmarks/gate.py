"""The gate on labelled summaries: what it catches, and what it refuses without cause.

Run: `.venv/bin/python benchmarks/gate.py` for the contracts, on the held-out part. With a word and
`calibration`, `validation` or `held-out` behind it, of that part: `table` for the tables of
docs/quality.md, `bare` for the same from language, code and summary alone, `mistakes` for each
summary that was judged wrongly, and `later` for good ones with a false claim behind their verb.
"""

import json
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measure import Contract, told

from dobby_pipeline.quality.gate import PUBLISHED, RULES, Candidate, Verdict, judge
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.summaries.prompts import load_prompt

SET = Path(__file__).parent / "gate_set"
PLAIN = Path(__file__).parent / "plain_prompt"
"""The prompt that the parroting summaries of the set repeat."""
LATER = {
    "value": (r"\breturn\b(?! None)|\byield\b|\blambda\b", "and return{s} the number of entries."),
    "error": (r"\braise\b|TypeError", "and raise{s} a `TypeError` if it is empty."),
    "file": (r"(?i)file|path|open|write|\bio\b|stream|out", "and write{s} the result to a file."),
    "deletion": (r"(?i)del|remove|pop|clear|drop|clean|reset", "and delete{s} the old entry."),
}
"""False of Python code in which the expression finds nothing, by a look at its text alone."""
BROKEN = ("empty", "cut", "repeated", "parroted", "wrong_language", "invented_call")
MEANING = ("model_wrong", "opposite", "swapped", "swapped_far")
"""Kinds that are well-formed and wrong: only knowing what the code does tells them all."""


@dataclass(frozen=True)
class Judged:
    """A labelled summary with the gate's verdict."""

    row: dict[str, Any]
    verdict: Verdict

    @property
    def is_refused(self) -> bool:
        """Whether the gate quarantined it."""
        return self.verdict.status != PUBLISHED

    @property
    def rules(self) -> list[str]:
        """The rules that objected."""
        return [reason.partition(":")[0] for reason in self.verdict.reasons]


def judged(part: str, *, is_bare: bool = False) -> Iterator[Judged]:
    """Every summary of a part through the gate, as generation hands it over.

    Args:
        is_bare: only with what `dobby gate` needs: language, code and summary.
    """
    functions = {row["id"]: row for row in _read("functions.jsonl")}
    repositories = {row["repository"]: row for row in _read("repositories.jsonl")}
    names = {name: KnownNames(row["names"].split()) for name, row in repositories.items()}
    instructions = load_prompt("symbol", folder=PLAIN).instructions
    for row in _read("summaries.jsonl"):
        function, repository = functions[row["function"]], row["function"].partition(":")[0]
        if repositories[repository]["part"] == part:
            if is_bare:
                bare = Candidate(
                    row["summary"], language=function["language"], code=function["code"]
                )
                yield Judged(row, judge(bare))
                continue
            candidate = Candidate(
                row["summary"],
                row["finish_reason"],
                instructions,
                language=function["language"],
                code=function["code"],
                symbol=function["id"].partition("::")[2],
                known_names=names[repository],
            )
            yield Judged(row, judge(candidate))


def _read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SET / name).read_text("utf-8").splitlines()]


def contracts() -> None:
    """The figures that must hold, on the held-out part."""
    start = time.perf_counter()
    rows = list(judged("held-out"))
    ms = 1e3 * (time.perf_counter() - start) / len(rows)
    good = [item for item in rows if item.row["label"] == "good"]
    bad = [item for item in rows if item.row["label"] == "bad"]
    form = [item for item in bad if item.row["kind"] not in MEANING]
    name = f"gate, {len(rows)} held-out summaries"
    told(
        _at_least(name, "recall", _share(bad), 0.95),
        _at_least(name, "recall but for kinds of wrong meaning", _share(form), 0.95),
        Contract(name, "false alarms", _share(good), "", "", None, "<= 0.05", _share(good) <= 0.05),
        *(
            _at_least(name, f"recall of {kind}", _share(_of(bad, kind)), 1.0)
            for kind in (*BROKEN, *MEANING)
            if kind in BROKEN
        ),
        Contract(name, "time a summary", ms, "ms", "", None, "< 20 ms", ms < 20),
    )


def table(part: str, *, is_bare: bool = False) -> None:
    """Recall by kind, and what each rule objected to, in Markdown."""
    rows = list(judged(part, is_bare=is_bare))
    kinds = Counter(item.row["kind"] for item in rows)
    print(f"| {part}: kind | summaries | refused | share | by |\n| --- | --- | --- | --- | --- |")
    for kind, count in sorted(
        kinds.items(), key=lambda pair: (pair[0] not in ("author", "model"), pair[0])
    ):
        found = [item for item in _of(rows, kind) if item.is_refused]
        by = Counter(rule for item in found for rule in item.rules).most_common(3)
        told_by = ", ".join(f"{rule} {n}" for rule, n in by)
        print(f"| {kind} | {count} | {len(found)} | {len(found) / count:.2f} | {told_by} |")
    print(f"\n| {part}: rule | good | bad | precision |\n| --- | --- | --- | --- |")
    hits: dict[str, Counter[str]] = defaultdict(Counter)
    for item in rows:
        for rule in set(item.rules):
            hits[rule][item.row["label"]] += 1
    for rule in ["empty", *(rule.__name__ for rule in RULES)]:
        good, bad = hits[rule]["good"], hits[rule]["bad"]
        precision = f"{bad / (good + bad):.2f}" if good + bad else "-"
        print(f"| {rule} | {good} | {bad} | {precision} |")
    for label in ("good", "bad"):
        mine = [item for item in rows if item.row["label"] == label]
        print(f"\n{part}: {label}: {len(mine)}, refused {_share(mine):.3f}")
    rest = [i for i in rows if i.row["label"] == "bad" and i.row["kind"] not in MEANING]
    print(f"\n{part}: bad but for wrong meaning: {len(rest)}, refused {_share(rest):.3f}")


def mistakes(part: str) -> None:
    """Each summary that was judged against its label."""
    for item in judged(part):
        if item.is_refused == (item.row["label"] == "good"):
            row = item.row
            print(f"{row['kind']} | {row['function']} | {row['summary']} | {item.verdict.reasons}")


def later(part: str) -> None:
    """How many good first sentences about Python code are refused with each claim of LATER."""
    functions = {row["id"]: row for row in _read("functions.jsonl")}
    names = {row["repository"]: row for row in _read("repositories.jsonl")}
    for kind, (true, tail) in LATER.items():
        found: list[bool] = []
        for row in _read("summaries.jsonl"):
            function = functions[row["function"]]
            repository = names[row["function"].partition(":")[0]]
            first = re.split(r"[.!?](?=\s|$)", row["summary"])[0]
            is_wanted = row["kind"] == "author" and repository["part"] == part
            if not is_wanted or function["language"] != "python":
                continue
            if re.search(true, function["code"]) or " def " in function["code"]:
                continue
            ending = "s" if first.split()[0].endswith("s") else ""
            candidate = Candidate(
                f"{first}, {tail.format(s=ending)}",
                language=function["language"],
                code=function["code"],
                symbol=function["id"].partition("::")[2],
                known_names=KnownNames(repository["names"].split()),
            )
            if judge(replace(candidate, text=f"{first}.")).status == PUBLISHED:
                found.append(judge(candidate).status != PUBLISHED)
        print(f"| {part}: {kind} | {len(found)} | {sum(found)} | {sum(found) / len(found):.2f} |")


def _of(rows: list[Judged], kind: str) -> list[Judged]:
    return [item for item in rows if item.row["kind"] == kind]


def _share(rows: list[Judged]) -> float:
    return sum(item.is_refused for item in rows) / len(rows)


def _at_least(name: str, metric: str, value: float, target: float) -> Contract:
    return Contract(name, metric, value, "", "", None, f">= {target:g}", value >= target)


if __name__ == "__main__":
    what, part = [*sys.argv[1:], "", "held-out"][0], [*sys.argv[2:], "held-out"][0]
    {
        "": contracts,
        "table": lambda: table(part),
        "bare": lambda: table(part, is_bare=True),
        "later": lambda: later(part),
        "mistakes": lambda: mistakes(part),
    }[what]()
