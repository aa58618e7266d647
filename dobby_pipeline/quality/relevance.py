"""Whether a summary speaks of this code at all: its words against the words of the code's names.

Not here: names that must exist (grounding.py). This is lexical evidence: a summary of another
function that happens to use the same words is not told apart, and docs/quality.md says how often.
"""

import re

from dobby_pipeline.quality.english import ENGLISH
from dobby_pipeline.quality.reading import Reading

MIN_SHARE = 0.2
"""Of the content words, those that the code's names have too; see docs/quality.md for the curve."""

MIN_CONTENT_WORDS = 3
"""Fewer say too little: `Returns the result` fits any code."""

_STEM = 5
"""Letters of a word that are compared: truncation at five is about as good as a stemmer for English
(McNamee and Mayfield 2004), and makes `serialize` and `serialization` one."""

_ABBREVIATION = 3
"""Letters from which on a name's word may abbreviate one of the summary: `attr`, `num`, `req`."""

_HUMP = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")


def relevance(reading: Reading) -> str | None:
    """Less than MIN_SHARE of the content words occur in the code."""
    share = content_share(reading)
    if share is not None and share < MIN_SHARE:
        return f"relevance: {share:.0%} of its content words occur in the code's names"
    return None


def content_share(reading: Reading) -> float | None:
    """The share of the summary's content words that occur in the code, 0 to 1.

    None where there is no code, or fewer than MIN_CONTENT_WORDS of them.
    """
    if not reading.candidate.code and not reading.candidate.children:
        return None
    words = content_words(reading.plain)
    if len(words) < MIN_CONTENT_WORDS:
        return None
    known = subwords(reading.shown)
    stems = {word[:_STEM] for word in known}
    hits = sum(_occurs(word, known, stems) for word in words)
    return hits / len(words)


def content_words(text: str) -> set[str]:
    """The words of a text, names taken apart, without those of ENGLISH and short ones."""
    return {word for word in subwords(text) if word not in ENGLISH and len(word) > 2}


def subwords(text: str) -> set[str]:
    """The words in a text's names in lower case: `max`, `file`, `size` of `max_fileSize`."""
    return {hump.lower() for hump in _HUMP.findall(text)}


def _occurs(word: str, known: set[str], stems: set[str]) -> bool:
    if word in known or word[:_STEM] in stems:
        return True
    return any(word[:length] in known for length in range(_ABBREVIATION, len(word)))
