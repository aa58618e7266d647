"""The gate: whether one summary may be served. Deterministic, on the CPU, without a model.

Each rule is a small function that returns a reason, or None where it has no objection.
Not here: the checks on a whole repository (checks.py).
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

PUBLISHED = "published"
QUARANTINED = "quarantined"

MIN_WORDS = 4
"""A sentence that says what code does needs a verb and an object; shorter ones were fragments."""

MAX_DUPLICATE_4GRAM_SHARE = 0.3
"""Of the words, those within a repeated 4-gram. Gopher's rules (Rae et al. 2021, table A1) allow
0.16 for the most frequent 4-gram of a web page and 0.15 for all duplicate 5-grams; a summary of
30 words needs more room, since one repeated name of two words already makes such a 4-gram."""

PARROT_WORDS = 8
"""A run of this many words that also stands in the instructions is taken for a copy of them."""

_CHAT_MARKER = re.compile(
    r"<\|[a-z_]+\|>|</?s>|\[/?INST\]|<start_of_turn>|<end_of_turn>|^\s*(?:user|assistant|system):",
    re.IGNORECASE | re.MULTILINE,
)
_AS_AN_AI = re.compile(
    r"\bas an? (?:ai|artificial intelligence|language model|assistant)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Candidate:
    """What the gate looks at.

    Attributes:
        text: the summary.
        finish_reason: `stop`, or `length` where the model ran into the token limit.
        instructions: the prompt's own words, without the code.
    """

    text: str
    finish_reason: str = "stop"
    instructions: str = ""


@dataclass(frozen=True)
class Verdict:
    """`published`, or `quarantined` with the reasons."""

    status: str
    reasons: tuple[str, ...] = ()


def judge(candidate: Candidate) -> Verdict:
    """The verdict on one summary: every rule is asked, so that all reasons are told."""
    if not candidate.text.strip():
        return Verdict(QUARANTINED, ("empty: the summary has no text",))
    reasons = tuple(reason for rule in RULES if (reason := rule(candidate)))
    return Verdict(QUARANTINED if reasons else PUBLISHED, reasons)


def too_short(candidate: Candidate) -> str | None:
    """Fewer than MIN_WORDS words."""
    count = len(_words(candidate.text))
    return f"too_short: {count} words, at least {MIN_WORDS}" if count < MIN_WORDS else None


def cut_off(candidate: Candidate) -> str | None:
    """No terminal punctuation: the model stopped, or was stopped, within a sentence."""
    if re.search(r"[.!?][\"'`)\]*]*\s*$", candidate.text):
        return None
    return f"cut_off: ends within a sentence (finish reason {candidate.finish_reason})"


def repetition(candidate: Candidate) -> str | None:
    """A sentence said twice, or a share of repeated 4-grams over MAX_DUPLICATE_4GRAM_SHARE."""
    sentences = Counter(" ".join(_words(s)) for s in re.split(r"[.!?]\s+", candidate.text))
    twice = [s for s, n in sentences.items() if n > 1 and s]
    if twice:
        return "repetition: a sentence stands twice"
    share = duplicate_ngram_share(_words(candidate.text), 4)
    if share > MAX_DUPLICATE_4GRAM_SHARE:
        return f"repetition: {share:.0%} of the words lie in repeated 4-grams"
    return None


def parroting(candidate: Candidate) -> str | None:
    """PARROT_WORDS words in a row that are the instructions' own."""
    said = ngrams(_words(candidate.text), PARROT_WORDS)
    given = set(ngrams(_words(candidate.instructions), PARROT_WORDS))
    if any(gram in given for gram in said):
        return f"parroting: repeats {PARROT_WORDS} words or more of its instructions"
    return None


def chat_marker(candidate: Candidate) -> str | None:
    """A token of a chat template, or a turn's label, in the text."""
    found = _CHAT_MARKER.search(candidate.text)
    return f"chat_marker: contains {found[0].strip()!r}" if found else None


def speaks_as_model(candidate: Candidate) -> str | None:
    """The model speaks of itself instead of the code."""
    return "speaks_as_model: 'as an AI'" if _AS_AN_AI.search(candidate.text) else None


Rule = Callable[[Candidate], str | None]
RULES: tuple[Rule, ...] = (too_short, cut_off, repetition, parroting, chat_marker, speaks_as_model)


def ngrams(words: list[str], n: int) -> list[tuple[str, ...]]:
    """All runs of `n` words, in order."""
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def duplicate_ngram_share(words: list[str], n: int) -> float:
    """The share of words that lie in an n-gram seen before in the text, 0 to 1."""
    seen: set[tuple[str, ...]] = set()
    repeated: set[int] = set()
    for start, gram in enumerate(ngrams(words, n)):
        if gram in seen:
            repeated.update(range(start, start + n))
        seen.add(gram)
    return len(repeated) / len(words) if words else 0.0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
