"""Whether a summary speaks of this code at all: its words against the words of the code's names.

Not here: names that must exist (grounding.py). This is lexical evidence: a summary of another
function that happens to use the same words is not told apart, and docs/quality.md says how often.
"""

import math

from dobby_pipeline.quality.english import ENGLISH
from dobby_pipeline.quality.reading import Reading, sentences_of, stem, subwords, word_set
from dobby_pipeline.quality.word_evidence import (
    CodeWords,
    code_words,
    missing_of_name,
    symbol_of,
    weight,
    with_meanings,
    words_that_tell,
)

WEIGHTS = (-2.063, 0.864, -0.243, 1.865)
CONSTANT = -6.856
MAX_ODDS = 1.2
FEW = 20

MIN_SHARE = 0.2
"""Of the content words, those that the code's names have too.

It counts only where no word of the symbol's own name is in the summary: authors hardly ever do
without one. On the calibration set the name alone would refuse 9 % of the good summaries and 95 %
of those swapped within a repository; with the share it is 1.6 % and 53 %, and 83 % of summaries of
another repository's code. A share of 0.34 would refuse 4.3 %, 58 % and 85 %."""

MIN_CONTENT_WORDS = 2
"""One word may be a synonym: from one on, 2.7 % of the good summaries would be refused."""

MIN_AUTHORS_SHARE = 0.25
"""Of the content words in a summary's first sentence about a file, a directory or a repository,
those that its authors use of it; where their own first sentence is the shorter one, of as many.

Of 1,549 such summaries by Qwen2.5-Coder-0.5B, of this project and networkx, 16 % have less. Of 24
of those that were read 9 were wrong and 8 said nothing; of 24 between a quarter and a half 3 were
wrong. What then stands in is what the authors say."""

_ABBREVIATION = 3
"""Letters from which on a name's word may abbreviate one of the summary: `attr`, `num`, `req`."""


_MEANINGS = {
    name: word_set(words)
    for name, words in {
        "cfg": "config configuration", "cls": "class", "cmp": "compare", "ctx": "context",
        "ctor": "constructor", "del": "delete remove", "dump": "serialize write",
        "dumps": "serialize", "eq": "equal compare", "fmt": "format", "idx": "index",
        "getitem": "get item", "init": "create construct initialize", "len": "length size count",
        "load": "deserialize read parse", "loads": "deserialize parse", "msg": "message",
        "new": "create construct", "pkg": "package", "repr": "representation", "rm": "remove",
        "setitem": "set item", "src": "source", "str": "string", "to": "convert",
        "tmp": "temporary",
    }.items()
}  # fmt: skip
"""What names say in letters that no prefix of the word has."""

_ANY_SUMMARY = frozenset(map(stem, ENGLISH))


def relevance(reading: Reading) -> str | None:
    """The odds that the summary is about other code are above MAX_ODDS.

    Where there is no code, or no word that tells anything, there is nothing to look for.
    """
    if not reading.has_source:
        return None
    shown = "\n".join([reading.code, *reading.candidate.children])
    told = signs(reading.plain, code_words(shown, symbol_of(reading)))
    if told is None:
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
    return told, missing_of_name(words, code), nowhere, math.log(FEW + len(code.stems))


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


def _stems(texts: list[str]) -> set[str]:
    return {stem(word) for text in texts for word in content_words(text)}


def content_share(reading: Reading) -> float | None:
    """The share of the summary's content words that occur in the code's names, 0 to 1.

    None where there is no code to look in, or there are no content words.
    """
    words = content_words(reading.plain)
    if not words or not reading.has_source:
        return None
    known = _with_meanings(reading.subwords)
    stems = {stem(word) for word in known}
    return sum(_occurs(word, known, stems) for word in words) / len(words)


def content_words(text: str) -> set[str]:
    """The words of a text, names taken apart, without short ones and what any summary may say."""
    return {word for word in subwords(text) if len(word) > 2 and stem(word) not in _ANY_SUMMARY}


def _own_name(reading: Reading) -> set[str]:
    function = reading.facts.function if reading.facts else None
    name = reading.candidate.symbol or (function.name if function else "")
    return {word for word in _with_meanings(subwords(name)) if len(word) >= _ABBREVIATION}


def _with_meanings(words: set[str]) -> set[str]:
    return words.union(*(_MEANINGS[word] for word in words & _MEANINGS.keys()))


def _is_named(name: set[str], text: str) -> bool:
    said = subwords(text)
    stems = {stem(word) for word in said}
    return any(
        stem(word) in stems or any(other.startswith(stem(word)) for other in said) for word in name
    )


def _occurs(word: str, known: set[str], stems: set[str]) -> bool:
    if word in known or stem(word) in stems:
        return True
    return any(word[:length] in known for length in range(_ABBREVIATION, min(len(word), 40)))
