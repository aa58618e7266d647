"""The gate: whether one summary may be served. Deterministic, on the CPU, without a model.

Each rule is a small function that returns a reason, or None where it has no objection or nothing
to look at. Not here: the rules (form.py, copying.py, grounding.py, claims.py, opposites.py,
deeds.py, relevance.py), and the checks on a whole repository (checks.py). What the rules catch and
what they miss stands in docs/quality.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dobby_pipeline.quality.claims import (
    contradiction,
    negation,
    no_function,
    reversed_conversion,
)
from dobby_pipeline.quality.copying import copying, parroting, repetition
from dobby_pipeline.quality.deeds import deed, inverted
from dobby_pipeline.quality.form import (
    chat_marker,
    cut_off,
    no_verb,
    not_english,
    placeholder,
    secret,
    speaks_as_model,
    too_long,
    too_short,
    url,
)
from dobby_pipeline.quality.grounding import grounded_share, grounding
from dobby_pipeline.quality.opposites import opposite
from dobby_pipeline.quality.reading import Candidate, Reading
from dobby_pipeline.quality.relevance import astray, content_share, mixed_up, relevance
from dobby_pipeline.quality.statuses import PUBLISHED, QUARANTINED

__all__ = ["PUBLISHED", "QUARANTINED", "RULES", "Candidate", "Measurements", "Verdict", "judge"]


@dataclass(frozen=True)
class Measurements:
    """What was measured on the way to a verdict, for checks on many summaries.

    Attributes:
        grounded_share: of the names in the text, those that exist, 0 to 1; None where there is no
            name, or no code to look in: not applicable is not the same as good.
        content_share: of the content words, those that occur in the code's names, 0 to 1; None
            where there are too few.
        words: in the text.
    """

    grounded_share: float | None = None
    content_share: float | None = None
    words: int = 0


@dataclass(frozen=True)
class Verdict:
    """`published`, or `quarantined` with the reasons.

    Each reason is one line that begins with its rule's name, and holds no secret.
    """

    status: str
    reasons: tuple[str, ...] = ()
    measured: Measurements = Measurements()


Rule = Callable[[Reading], str | None]
RULES: tuple[Rule, ...] = (
    too_short,
    too_long,
    cut_off,
    no_verb,
    repetition,
    parroting,
    copying,
    chat_marker,
    speaks_as_model,
    placeholder,
    secret,
    url,
    not_english,
    grounding,
    negation,
    contradiction,
    no_function,
    reversed_conversion,
    opposite,
    deed,
    inverted,
    relevance,
    astray,
    mixed_up,
)


RULES_FOR_EXTRACTS: tuple[Rule, ...] = (
    too_long,
    cut_off,
    chat_marker,
    speaks_as_model,
    placeholder,
    secret,
    not_english,
)
"""An extract copies its code on purpose, a list of names may be short, and what an author claims
is not held against the code."""


def judge_extract(candidate: Candidate) -> Verdict:
    """The verdict on a text that was taken from the code itself."""
    return judge(candidate, RULES_FOR_EXTRACTS)


def judge(candidate: Candidate, rules: tuple[Rule, ...] = RULES) -> Verdict:
    """The verdict on one summary: every rule is asked, so that all reasons are told."""
    if not candidate.text.strip():
        return Verdict(QUARANTINED, ("empty: the summary has no text",))
    reading = Reading(candidate)
    reasons = tuple(reason for rule in rules if (reason := rule(reading)))
    measured = Measurements(grounded_share(reading), content_share(reading), len(reading.words))
    return Verdict(QUARANTINED if reasons else PUBLISHED, reasons, measured)
