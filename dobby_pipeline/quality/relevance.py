"""Whether a summary speaks of this code at all: its words against the words of the code's names.

Not here: names that must exist (grounding.py). This is lexical evidence: a summary of another
function that happens to use the same words is not told apart, and docs/quality.md says how often.
"""

import math
import re

from dobby_pipeline.quality.english import ENGLISH
from dobby_pipeline.quality.reading import Reading, quoted, sentences_of, stem, subwords
from dobby_pipeline.quality.word_evidence import (
    MIN_LETTERS,
    CodeWords,
    code_words,
    missing_of_name,
    symbol_of,
    weight,
    with_meanings,
    words_that_tell,
)

WEIGHTS = (-2.011, 0.913, -0.257, 1.734)
CONSTANT = -6.3
"""Of the log-odds that a summary of a symbol is about other code, for the signs in their order: a
logistic regression on functions of other repositories than the labelled ones, with their authors'
sentences and with those on other functions (benchmarks/gate_set/words.py)."""

MAX_ODDS = 1.6
"""Log-odds from which on a summary is refused: with it 1.9 % of the 24,219 authors' sentences that
the weights come from are, and all rules together refuse no more than 3.5 % of the calibration set's
good summaries. At 1.0 it would be 4.8 %, for 3 in 100 more of the swapped ones."""

FEW = 20
MOST = 250
"""Words added to those of the code, and words of it that count: hardly a function has more."""

MIN_SHARE = 0.2
"""Of the content words about a type or a roll-up, those that the names have too. It counts only
where no word of the own name is in the summary, and with MIN_CONTENT_WORDS or more."""

MIN_CONTENT_WORDS = 2
"""One word may be a synonym."""

MIN_AUTHORS_SHARE = 0.25
"""Of the content words in a summary's first sentence about a file, a directory or a repository,
those that its authors use of it; where their own first sentence is the shorter one, of as many.

Of 1,549 such summaries by Qwen2.5-Coder-0.5B, of this project and networkx, 16 % have less. Of 24
of those that were read 9 were wrong and 8 said nothing; of 24 between a quarter and a half 3 were
wrong. What then stands in is what the authors say."""

_ANY_SUMMARY = frozenset(map(stem, ENGLISH))

_IS_A = re.compile(
    r"^(?:[\w`-]+ ){1,4}is (?:an?|the) (?:[\w-]+ ){0,3}?([\w-]{3,40})"
    r"(?= (?:and|by|for|from|in|of|on|that|to|used|where|which|whose|with|written)\b|[.,;:]|$)",
    re.IGNORECASE,
)
_MADE_OR_USED = re.compile(
    r"\b(?:against|from|in|into|on|over|to|with) (?:(?:an?|any|each|its|one|the|your) )?"
    r"(?:[\w-]+ ){0,3}$",
    re.IGNORECASE,
)


def relevance(reading: Reading) -> str | None:
    """The odds that the summary is about other code are above MAX_ODDS.

    Where there is no code, no word that tells anything, or no name of a word that does, there is
    nothing to look for.
    """
    if not reading.has_source:
        return None
    is_function = reading.facts is None or reading.facts.function is not None
    if reading.candidate.level != "symbol" or not is_function:
        return _shares_nothing(reading)
    shown = "\n".join([reading.code, *reading.candidate.children])
    code = code_words(shown, symbol_of(reading))
    told = signs(reading.plain, code)
    if told is None or not any(len(word) >= MIN_LETTERS for word in code.name):
        return None
    odds = CONSTANT + sum(weight * sign for weight, sign in zip(WEIGHTS, told, strict=True))
    if odds <= MAX_ODDS:
        return None
    return f"relevance: its words are those of other code (log-odds {odds:.1f})"


def signs(text: str, code: CodeWords) -> tuple[float, float, float, float] | None:
    """What the words of a text tell about whether it is about the code; None without any.

    Their weights' sum over the square root of their number, words of the symbol's name that it
    does not say, words of its own that are nowhere in the code, and the logarithm of how many
    words the code has: in a large one any word may be found.
    """
    words = words_that_tell(text)
    if not words:
        return None
    found = [weight(word, code) for word in words.values()]
    told = sum(weight for _, weight in found) / math.sqrt(len(found))
    nowhere = sum(where == "none" for where, _ in found)
    size = math.log(FEW + min(len(code.stems), MOST))
    return told, missing_of_name(words, code), nowhere, size


def _shares_nothing(reading: Reading) -> str | None:
    """No word of the own name, and less than MIN_SHARE of the content words in what was shown: for
    types, files and repositories, of which no weights were counted.
    """
    share, name = content_share(reading), _own_name(reading)
    if share is None or share >= MIN_SHARE or not name or _is_named(name, reading.plain):
        return None
    if len(content_words(reading.plain)) < MIN_CONTENT_WORDS:
        return None
    return f"relevance: {share:.0%} of its content words occur in the code, and none of its name"


def astray(reading: Reading) -> str | None:
    """Its first sentence has less than MIN_AUTHORS_SHARE of words that the authors use of it."""
    about = reading.candidate.about
    theirs = _stems(sentences_of(about.split("\n\n")[0])[:1])
    own = _stems(reading.sentences[:1])
    least = min(len(theirs), len(own))
    shared = len(own & _stems([about]))
    if len(theirs) < MIN_CONTENT_WORDS or shared >= MIN_AUTHORS_SHARE * least:
        return None
    return f"astray: {shared} of the {len(own)} words that it begins with are its authors'"


def mixed_up(reading: Reading) -> str | None:
    """It says that the software is what its authors say that it makes or works on: `is a database`
    of what `turns code into a database`. Small models like to begin so, and drop the verb.

    Where the authors themselves call it that, in one place at least, it stands.
    """
    about = reading.candidate.about
    found = _IS_A.match(reading.sentences[0].strip()) if about and reading.sentences else None
    if found is None:
        return None
    named = list(re.finditer(rf"\b{re.escape(found[1])}\b", about, re.IGNORECASE))
    if not named or not all(_MADE_OR_USED.search(about[: place.start()]) for place in named):
        return None
    return f"mixed_up: its authors make or use what it is said to be, a {quoted(found[1])}"


def _stems(texts: list[str]) -> set[str]:
    return {stem(word) for text in texts for word in content_words(text)}


def content_share(reading: Reading) -> float | None:
    """The share of the summary's content words that occur in the code's names, 0 to 1.

    None where there is no code to look in, or there are no content words.
    """
    words = content_words(reading.plain)
    if not words or not reading.has_source:
        return None
    known = with_meanings(reading.subwords)
    stems = {stem(word) for word in known}
    return sum(_occurs(word, known, stems) for word in words) / len(words)


def content_words(text: str) -> set[str]:
    """The words of a text, names taken apart, without short ones and what any summary may say."""
    return {word for word in subwords(text) if len(word) > 2 and stem(word) not in _ANY_SUMMARY}


def _own_name(reading: Reading) -> set[str]:
    function = reading.facts.function if reading.facts else None
    name = reading.candidate.symbol or (function.name if function else "")
    return {word for word in with_meanings(subwords(name)) if len(word) >= MIN_LETTERS}


def _is_named(name: set[str], text: str) -> bool:
    said = subwords(text)
    stems = {stem(word) for word in said}
    return any(
        stem(word) in stems or any(other.startswith(stem(word)) for other in said) for word in name
    )


def _occurs(word: str, known: set[str], stems: set[str]) -> bool:
    if word in known or stem(word) in stems:
        return True
    return any(word[:length] in known for length in range(MIN_LETTERS, min(len(word), 40)))
