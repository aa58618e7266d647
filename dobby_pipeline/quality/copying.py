"""Rules on what a summary repeats: itself, its instructions, or the code.

Not here: whether what it says is so (grounding.py, claims.py).
"""

import re
from collections import Counter
from collections.abc import Hashable, Sequence

from dobby_pipeline.quality.reading import Reading, words_of

MAX_DUPLICATE_4GRAM_SHARE = 0.3
"""Of the words, those within a repeated 4-gram. Gopher's rules (Rae et al. 2021, table A1) allow
0.16 for the most frequent 4-gram of a web page and 0.15 for all duplicate 5-grams; a summary of
30 words needs more room: a good one of the calibration set has 0.25."""

MAX_SAME_WORD_RUN = 3
"""The same word so often in a row is a loop; two may stand in a sentence (`that that`)."""

MAX_TOP_2GRAM_SHARE = 0.34
"""Of the characters, those of the most frequent pair of words that stands three times or more.
Gopher allows 0.20 on a page; a short sentence that says `returns a` twice has 0.36."""

MAX_REPEATED_RUN = 6
"""Words in a row that stand twice: on the calibration set a good summary has 6 at most."""

PARROT_WORDS = 8
"""A run of this many words that also stands in the instructions is taken for a copy of them."""

EXAMPLE_WORDS = 5
"""A small model that has nothing to say takes the examples' words: of 40 summaries of this project
by SmolLM2-135M four began with "Deletes all entries of the", about code that deletes nothing."""

MAX_COPIED_TOKENS = 11
"""Code tokens in a row: a run of 12 is a line of code, no name or call that a sentence quotes."""

MAX_CODE_RUN = 6
MAX_MARKS = 2
"""A shorter run counts where it has more than so many of the marks that prose has no use for:
`x[y] = f(z)` is code among words."""

MAX_DENSITY = 4.0
MAX_COVERAGE = 0.75
"""Extractive fragment density and coverage (Grusky, Naaman and Artzi 2018, "Newsroom", section 4),
of the summary's tokens against the code's: where both are exceeded the summary is a short piece of
code. The good ones of the calibration set have 3.0 and 0.78 at most."""

MAX_CODE_TOKENS = 50_000
"""Of the code, about 200 kB of it. It bounds time and memory."""

_MARKS = frozenset("()[]{}=;<>")
_TOKEN = re.compile(r"\w+|[^\w\s]")


def repetition(reading: Reading) -> str | None:
    """A sentence said twice, a word over and over, or too large a share of repeated n-grams."""
    sentences = Counter(" ".join(words_of(sentence)) for sentence in reading.sentences)
    if any(count > 1 and sentence for sentence, count in sentences.items()):
        return "repetition: a sentence stands twice"
    words = reading.words
    if _longest_run(words) > MAX_SAME_WORD_RUN:
        return f"repetition: a word stands more than {MAX_SAME_WORD_RUN} times in a row"
    runs = ngrams(words, MAX_REPEATED_RUN + 1)
    if len(set(runs)) < len(runs):
        return f"repetition: more than {MAX_REPEATED_RUN} words in a row stand twice"
    share = duplicate_ngram_share(words, 4)
    if share > MAX_DUPLICATE_4GRAM_SHARE:
        return f"repetition: {share:.0%} of the words lie in repeated 4-grams"
    share = top_ngram_share(words, 2)
    if share > MAX_TOP_2GRAM_SHARE:
        return f"repetition: {share:.0%} of the characters are one pair of words"
    return None


def parroting(reading: Reading) -> str | None:
    """PARROT_WORDS words in a row that are the instructions' own, or EXAMPLE_WORDS of an example's
    answer that do not stand in the code.
    """
    said = ngrams(reading.words, PARROT_WORDS)
    given = set(ngrams(words_of(reading.candidate.instructions), PARROT_WORDS))
    if any(gram in given for gram in said):
        return f"parroting: repeats {PARROT_WORDS} words or more of its instructions"
    shown = {
        gram
        for answer in reading.candidate.examples
        for gram in ngrams(words_of(answer), EXAMPLE_WORDS)
    }
    taken = shown.intersection(ngrams(reading.words, EXAMPLE_WORDS))
    if taken.difference(ngrams(words_of(reading.shown), EXAMPLE_WORDS)):
        return f"parroting: repeats {EXAMPLE_WORDS} words or more of an example's answer"
    return None


def copying(reading: Reading) -> str | None:
    """A run of more than MAX_COPIED_TOKENS code tokens, a line of code (MAX_CODE_RUN, MAX_MARKS),
    or MAX_DENSITY and MAX_COVERAGE at once.

    Comments and docstrings are no code here: their words are the author's, about the code.
    """
    code = reading.facts.bare_code if reading.facts else reading.code
    tokens = tokens_of(reading.text)
    lengths = fragments(tokens, tokens_of(code)[:MAX_CODE_TOKENS])
    if not lengths:
        return None
    total = sum(1 if length == 0 else length for length in lengths)
    longest = max(lengths)
    coverage = sum(lengths) / total
    density = sum(length * length for length in lengths) / total
    if longest > MAX_COPIED_TOKENS:
        return f"copying: {longest} tokens in a row are the code's own"
    if _has_line(tokens, lengths):
        return "copying: a line of code stands among the words"
    if density > MAX_DENSITY and coverage > MAX_COVERAGE:
        return f"copying: {coverage:.0%} of it is code, density {density:.1f}"
    return None


def _has_line(tokens: list[str], lengths: list[int]) -> bool:
    position = 0
    for length in lengths:
        marks = sum(token in _MARKS for token in tokens[position : position + length])
        if length > MAX_CODE_RUN and marks > MAX_MARKS:
            return True
        position += max(1, length)
    return False


def tokens_of(text: str) -> list[str]:
    """Words and single punctuation marks, without backticks."""
    return _TOKEN.findall(text.replace("`", " "))


def fragments(summary: Sequence[Hashable], source: Sequence[Hashable]) -> list[int]:
    """Lengths of the extractive fragments, 0 for each token that is in none.

    Greedy as in the paper: from each position the longest run that also stands in the source, then
    on behind it. In linear time: a suffix automaton of the source read backwards tells for each
    position of the summary how long the run that begins there is.
    """
    automaton = _Automaton(source[::-1])
    longest = automaton.matches(summary[::-1])[::-1]
    lengths: list[int] = []
    position = 0
    while position < len(summary):
        lengths.append(longest[position])
        position += max(1, longest[position])
    return lengths


def ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
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


def top_ngram_share(words: list[str], n: int) -> float:
    """The share of characters in the most frequent n-gram, 0 to 1; 0 where none stands thrice."""
    counts = Counter(ngrams(words, n))
    often = [(sum(map(len, gram)) * count) for gram, count in counts.items() if count > 2]
    characters = sum(map(len, words))
    return min(1.0, max(often) / characters) if often else 0.0


def _longest_run(words: list[str]) -> int:
    longest = run = 0
    before = ""
    for word in words:
        run = run + 1 if word == before else 1
        longest, before = max(longest, run), word
    return longest


class _Automaton:
    """A suffix automaton (Blumer et al. 1985): all runs of a sequence, in space linear in it."""

    def __init__(self, sequence: Sequence[Hashable]) -> None:
        self._next: list[dict[Hashable, int]] = [{}]
        self._link = [-1]
        self._length = [0]
        self._last = 0
        for item in sequence:
            self._extend(item)

    def _extend(self, item: Hashable) -> None:
        current = self._add(self._length[self._last] + 1, {}, 0)
        state = self._last
        while state >= 0 and item not in self._next[state]:
            self._next[state][item] = current
            state = self._link[state]
        if state >= 0:
            self._link[current] = self._target(state, item)
        self._last = current

    def _target(self, state: int, item: Hashable) -> int:
        known = self._next[state][item]
        if self._length[state] + 1 == self._length[known]:
            return known
        clone = self._add(self._length[state] + 1, dict(self._next[known]), self._link[known])
        self._link[known] = clone
        while state >= 0 and self._next[state].get(item) == known:
            self._next[state][item] = clone
            state = self._link[state]
        return clone

    def _add(self, length: int, following: dict[Hashable, int], link: int) -> int:
        self._next.append(following)
        self._link.append(link)
        self._length.append(length)
        return len(self._length) - 1

    def matches(self, sequence: Sequence[Hashable]) -> list[int]:
        """For each position how long the known run that ends there is."""
        state = length = 0
        lengths: list[int] = []
        for item in sequence:
            while state and item not in self._next[state]:
                state = self._link[state]
                length = self._length[state]
            if item in self._next[state]:
                state = self._next[state][item]
                length += 1
            lengths.append(length)
        return lengths
