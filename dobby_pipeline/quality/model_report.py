"""The models that wrote a repository's summaries, side by side: what the gate let pass, and at what
cost.

Not here: which model writes what (summaries/routing.py). It counts in the store: one query a level,
whatever run, process or machine made the summaries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dobby_pipeline.cozo.store import CozoStore

LEVELS = ("symbol", "file", "repo")

_BODIES = {
    "symbol": "*symbol_summaries{repo: $repo, path, symbol, summary_key, content_hash: read}, "
    "*source_records{repo: $repo, path, symbol, content_hash}, read == content_hash",
    "file": "*file_summaries{repo: $repo, summary_key}",
    "repo": "*repo_summaries{repo: $repo, summary_key}",
}

# A body that many symbols share is one row of `body`, so that equal code counts once. What the
# model was not asked, since the prompt was too long or nothing was to be shown, was refused.
_REPORT = """
body[summary_key] := {bodies}
one[model, summary_key, asked, generated, published, first, extract, known, sure] :=
    body[summary_key],
    *summary_bodies{{
        summary_key, model, status, origin, prompt_version, confidence, finish_reason
    }},
    asked = if(finish_reason == 'refused', 0, 1),
    extract = if(origin == 'extractive', 1, 0),
    generated = if(origin == 'generated', 1, 0),
    published = if(and(origin == 'generated', status == 'published'), 1, 0),
    first = if(str_includes(prompt_version, '+repair-'), 0, published),
    known = if(is_null(confidence), 0, 1),
    sure = if(is_null(confidence), 0.0, confidence)
?[model, count(summary_key), sum(asked), sum(generated), sum(published), sum(first), sum(extract),
  sum(prompt), sum(output), sum(time), sum(known), sum(sure)] :=
    one[model, summary_key, asked, generated, published, first, extract, known, sure],
    *summary_bodies{{summary_key, prompt_tokens, output_tokens, ms}},
    prompt = asked * prompt_tokens, output = asked * output_tokens, time = asked * ms
:order model
"""


@dataclass(frozen=True, slots=True)
class ModelLine:
    """What one model did at one level of a repository.

    Attributes:
        level: one of LEVELS.
        summaries: different ones; what equal code shares counts once.
        answered: of them, those that the model was asked for; the others had too long a prompt.
        generated: of them, those that stand with the model's own text, published or not.
        published: of them, those that the gate let pass.
        extractive: stand-ins from the code, after the gate had refused the model's text.
        pass_rate: published of the answered, 0 to 1; None where nothing was.
        first_pass_rate: the same without second attempts.
        prompt_tokens, output_tokens, ms: means of the answered; second attempts are in them.
        confidence: mean of the mean log-probability of the output tokens, over generated ones.
    """

    model: str
    level: str
    summaries: int
    answered: int
    generated: int
    published: int
    extractive: int
    pass_rate: float | None
    first_pass_rate: float | None
    prompt_tokens: float | None
    output_tokens: float | None
    ms: float | None
    confidence: float | None


def model_report(store: CozoStore, repo: str, levels: Sequence[str] = LEVELS) -> list[ModelLine]:
    """A line for each level and model that wrote there, in this order.

    Of symbols only those summaries count whose code is the present one.

    Raises:
        StoreError: when the database cannot be read.
    """
    return [line for level in levels for line in _of_level(store, repo, level)]


def report_rows(lines: Sequence[ModelLine]) -> list[dict[str, Any]]:
    """The lines as rows of a table; figures are rounded, and unknown ones are left empty."""
    return [{name: _shown(value) for name, value in asdict(line).items()} for line in lines]


def _of_level(store: CozoStore, repo: str, level: str) -> Iterator[ModelLine]:
    script = _REPORT.format(bodies=_BODIES[level])
    for row in store.run(f"report models of {level}", script, {"repo": repo}):
        model, *counts = row.values()
        summaries, answered, generated, published, first, extractive, *sums, known, sure = counts
        prompt, output, ms = (_mean(total, answered) for total in sums)
        yield ModelLine(
            model=model,
            level=level,
            summaries=int(summaries),
            answered=int(answered),
            generated=int(generated),
            published=int(published),
            extractive=int(extractive),
            pass_rate=_mean(published, answered),
            first_pass_rate=_mean(first, answered),
            prompt_tokens=prompt,
            output_tokens=output,
            ms=ms,
            confidence=_mean(sure, known),
        )


def _mean(total: float, count: float) -> float | None:
    return total / count if count else None


def _shown(value: object) -> object:
    if value is None:
        return ""
    return round(value, 3) if isinstance(value, float) else value
