"""Prompts against each other: ours and the plain one, on functions whose authors described them.

Run: `.venv/bin/python benchmarks/prompts.py [MODEL…]`: chrF against the author's words, the share
of names that exist and the share that the gate publishes, on 200 functions, with each prompt, and
the contracts that ours is better. `--part development --functions 60 --folder DIR` is for work on
the texts, which may look at no other functions; with several folders and `--keep` the plain
prompt is asked once. With `--keep FILE` an interrupted run goes on.

The functions are those of gate_set/functions.jsonl: real ones of 25 repositories (requests,
networkx, flask, …), 60 to 1,200 characters, with one or two sentences of their authors that do not
stand in the code. Not here: where they come from (gate_set/functions.py).
"""

import argparse
import hashlib
import json
import random
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation_model import NAME, evaluation_model
from measure import Contract, told
from sacrebleu.metrics.chrf import CHRF

from dobby_pipeline.inference.models.manifests import Manifest, load_manifest
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.requests import Completion, Request
from dobby_pipeline.quality.gate import Candidate, judge
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.summaries.prompts import Prompt, load_prompt, symbol_text
from dobby_pipeline.summaries.sentences import whole_sentences

SET = Path(__file__).parent / "gate_set"
PLAIN = Path(__file__).parent / "plain_prompt"
DEVELOPMENT = 60
FUNCTIONS = 200
RESAMPLES = 10_000
SEED = 20_261_123
_INSIDE = re.compile(r"[.#]|::")
Row = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What a model said about one function, and how good it is.

    Attributes:
        chrf: character n-gram F-score (Popović 2015; sacrebleu's defaults), 0 to 100, against the
            author's words.
        grounded: share of the names in it that exist; None where it names nothing.
        reasons: the gate's; none where it would be published.
    """

    function: str
    text: str
    reference: str
    chrf: float
    grounded: float | None
    reasons: tuple[str, ...]

    @property
    def is_published(self) -> bool:
        """Whether the gate lets it through."""
        return not self.reasons


def functions(part: str, count: int) -> list[Row]:
    """The first `count` functions of a part, in an order by hash.

    `development` is of the repositories on which the gate was calibrated as well; `held-out` is of
    all repositories but those held out of the gate, without the functions of the development part.
    """
    repositories = {row["repository"]: row["part"] for row in _read("repositories.jsonl")}
    rows = [row for row in _read("functions.jsonl") if repositories[_repository(row)] != "held-out"]
    rows.sort(key=lambda row: hashlib.sha256(row["id"].encode()).hexdigest())
    seen = [row for row in rows if repositories[_repository(row)] == "calibration"][:DEVELOPMENT]
    if part == "development":
        return seen[:count]
    looked_at = {row["id"] for row in seen}
    return [row for row in rows if row["id"] not in looked_at][:count]


def say(manifest: Manifest, prompt: Prompt, rows: Sequence[Row], kept: Path | None) -> list[Said]:
    """Summaries of the functions as a run makes them, each with its figures.

    Args:
        kept: answers of earlier runs, which are not asked for again; new ones are added.
    """
    names = {
        row["repository"]: KnownNames(row["names"].split()) for row in _read("repositories.jsonl")
    }
    answers = _kept(manifest, prompt, kept)
    requests = [
        Request(
            row["id"],
            symbol_text(prompt, language=row["language"], kind=_kind(row), code=row["code"]),
            prompt.system,
            prompt.max_tokens,
            prompt.examples,
        )
        for row in rows
        if row["id"] not in answers
    ]
    with SessionPool(manifest) as pool:
        for result in pool.generate(requests):
            if not isinstance(result, Completion):
                raise SystemExit(f"{result.request_id}: {result.reason}, {result.detail}")
            answers[result.request_id] = result.text, result.finish_reason
            if kept:
                said = (*_asked(manifest, prompt), result.request_id, *answers[result.request_id])
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(said, ensure_ascii=False) + "\n")
    return [_said(row, answers[row["id"]], prompt, names[_repository(row)]) for row in rows]


def _asked(manifest: Manifest, prompt: Prompt) -> tuple[str, str]:
    return manifest.name, prompt.version


def _kept(manifest: Manifest, prompt: Prompt, kept: Path | None) -> dict[str, tuple[str, str]]:
    """Text and finish reason by function."""
    lines = kept.read_text("utf-8").splitlines() if kept and kept.exists() else []
    said = [json.loads(line) for line in lines]
    asked = list(_asked(manifest, prompt))
    return {row[2]: (row[3], row[4]) for row in said if row[:2] == asked}


def _said(row: Row, answer: tuple[str, str], prompt: Prompt, names: KnownNames) -> Said:
    text = whole_sentences(*answer, prompt.sentences)
    verdict = judge(
        Candidate(
            text,
            answer[1],
            prompt.instructions,
            language=row["language"],
            code=row["code"],
            symbol=row["id"].partition("::")[2],
            known_names=names,
            examples=prompt.answers,
        )
    )
    score = CHRF().sentence_score(text, [row["docstring"]]).score
    grounded = verdict.measured.grounded_share
    return Said(row["id"], text, row["docstring"], score, grounded, verdict.reasons)


def _read(name: str) -> list[Row]:
    return [json.loads(line) for line in (SET / name).read_text("utf-8").splitlines()]


def _repository(row: Row) -> str:
    return row["id"].partition(":")[0]


def _kind(row: Row) -> str:
    return "method" if _INSIDE.search(row["id"].partition("::")[2]) else "function"


def mean_chrf(said: Sequence[Said]) -> float:
    """Of all summaries."""
    return sum(item.chrf for item in said) / len(said)


def mean_grounded(said: Sequence[Said]) -> float:
    """Of the summaries that name anything; 1 where none does."""
    shares = [item.grounded for item in said if item.grounded is not None]
    return sum(shares) / len(shares) if shares else 1.0


def published(said: Sequence[Said]) -> float:
    """The share that the gate lets through."""
    return sum(item.is_published for item in said) / len(said)


METRICS: dict[str, Callable[[Sequence[Said]], float]] = {
    "chrF": mean_chrf,
    "grounded share": mean_grounded,
    "published share": published,
}


def interval(
    metric: Callable[[Sequence[Said]], float], ours: Sequence[Said], plain: Sequence[Said]
) -> tuple[float, float]:
    """The 95 % percentile interval of the paired difference, from RESAMPLES bootstrap samples.

    Functions are drawn, with what both prompts led to (Koehn 2004, section 4).
    """
    rng = random.Random(SEED)
    differences: list[float] = []
    for _ in range(RESAMPLES):
        drawn = rng.choices(range(len(ours)), k=len(ours))
        differences.append(metric([ours[i] for i in drawn]) - metric([plain[i] for i in drawn]))
    differences.sort()
    return differences[int(0.025 * RESAMPLES)], differences[int(0.975 * RESAMPLES)]


def compare(
    label: str, manifest: Manifest, rows: Sequence[Row], ours: Prompt, kept: Path | None
) -> None:
    """The contracts for one model, and a row of docs/quality.md's table a metric."""
    prompts = {"plain": load_prompt("symbol", folder=PLAIN), "ours": ours}
    said = {name: say(manifest, prompt, rows, kept) for name, prompt in prompts.items()}
    name = f"{label}, {manifest.name}, {len(rows)} functions"
    for metric, measure in METRICS.items():
        value, plain = measure(said["ours"]), measure(said["plain"])
        low, high = interval(measure, said["ours"], said["plain"])
        told(Contract(name, metric, value, "", "plain prompt", plain, "> peer", value > plain))
        print(
            f"| {manifest.name} | {metric} | {plain:.3f} | {value:.3f} | {value - plain:+.3f} "
            f"({low:+.3f} to {high:+.3f}) |",
            file=sys.stderr,
        )
    named = {p: sum(i.grounded is not None for i in items) for p, items in said.items()}
    print(f"summaries that name something: {named}", file=sys.stderr)


def main() -> None:
    """Both models, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["smollm2-135m", NAME])
    parser.add_argument("--part", choices=("development", "held-out"), default="held-out")
    parser.add_argument("--functions", type=int, default=FUNCTIONS)
    parser.add_argument(
        "--folder", type=Path, action="append", help="other templates than Dobby's own; repeatable"
    )
    parser.add_argument("--keep", type=Path, help="a file for the answers: a later run reuses them")
    options = parser.parse_args()
    rows = functions(options.part, options.functions)
    for model in options.models:
        manifest = evaluation_model() if model == NAME else load_manifest(model)
        for folder in options.folder or [None]:
            label = f"prompts{f' of {folder.name}' if folder else ''}"
            compare(label, manifest, rows, load_prompt("symbol", folder=folder), options.keep)


if __name__ == "__main__":
    main()
