"""What the gate's rules look at: a summary, what it is about, and both taken apart once.

Not here: the rules themselves (form.py, copying.py, grounding.py, claims.py, relevance.py).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from dobby_pipeline.quality.facts import Facts, read_facts
from dobby_pipeline.sources.secrets import redact

MAX_TEXT = 6_000
"""Characters of a summary that the rules read. The longest that any level allows is some 300
words, about 2,000 characters: what is longer has failed already, and need cost no more time."""

MAX_QUOTE = 60
"""Characters of a summary that a reason repeats."""

_SPAN = re.compile(r"`+([^`]*)`+")
_URL = re.compile(r"\b(?:https?|ftp)://[^\s<>\"'`)\]]+|\bwww\.[^\s<>\"'`)\]]+", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_NAME = re.compile(r"[^\W\d][\w$]*")


@dataclass(frozen=True)
class Candidate:
    """What the gate is asked about. Only the text must be there; a rule that needs more stands
    aside without it.

    Attributes:
        text: the summary.
        finish_reason: `stop`, or `length` where the model ran into the token limit.
        instructions: the prompt's own words, without the code.
        language: of the code, as in records; empty where it is not known.
        code: what the summary is about: a symbol's code, or a signature with `children`.
        known_names: names that are real though they do not stand in the code: those of the
            repository's symbols, files and imports.
        children: the summaries that this one was made from.
        level: `symbol`, `file` or `repo`.
    """

    text: str
    finish_reason: str = "stop"
    instructions: str = ""
    language: str = ""
    code: str = ""
    known_names: Collection[str] = frozenset()
    children: tuple[str, ...] = ()
    level: str = "symbol"


@dataclass(frozen=True)
class Reading:
    """A candidate and what can be read from it, each part on demand and once."""

    candidate: Candidate

    @cached_property
    def secrets(self) -> Mapping[str, int]:
        """How many secrets stand in the text, by kind."""
        return self._redacted[1]

    @cached_property
    def text(self) -> str:
        """The text without its secrets, so that nothing that is quoted of it can be one."""
        return self._redacted[0]

    @cached_property
    def _redacted(self) -> tuple[str, Mapping[str, int]]:
        # A lone surrogate is no UTF-8, and a summary that holds one is no worse for it.
        data = self.candidate.text[:MAX_TEXT].encode("utf-8", "replace")
        redacted = redact(data)
        return redacted.data.decode("utf-8", "replace"), redacted.found

    @cached_property
    def words(self) -> list[str]:
        """The text's words in lower case."""
        return words_of(self.text)

    @cached_property
    def sentences(self) -> list[str]:
        """The text's sentences: what ends in `.`, `!` or `?` before white space."""
        return [sentence for sentence in _SENTENCE.split(self.text) if sentence.strip()]

    @cached_property
    def urls(self) -> list[str]:
        """The addresses in the text, without a full stop behind them."""
        return [match[0].rstrip(".,;:!?") for match in _URL.finditer(self.text)]

    @cached_property
    def plain(self) -> str:
        """The text without addresses."""
        return _URL.sub(" ", self.text)

    @cached_property
    def spans(self) -> list[str]:
        """What stands between backticks."""
        return [match[1].strip() for match in _SPAN.finditer(self.plain)]

    @cached_property
    def prose(self) -> str:
        """The text without addresses and without what stands between backticks."""
        return _SPAN.sub(" ", self.plain)

    @cached_property
    def code(self) -> str:
        """The code, of which a lone surrogate is replaced."""
        return self.candidate.code.encode("utf-8", "replace").decode("utf-8", "replace")

    @cached_property
    def shown(self) -> str:
        """All that the summary is about: the code and the summaries of its parts."""
        return "\n".join([self.code, *self.candidate.children])

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name in what was shown, in lower case: own names, callees, imports, literals."""
        return frozenset(match[0].lower() for match in _NAME.finditer(self.shown))

    @cached_property
    def facts(self) -> Facts | None:
        """What parsing the code tells for certain; None where it tells nothing."""
        return read_facts(self.candidate.language, self.code)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return re.findall(r"\w+", text.lower())


def quoted(piece: str) -> str:
    """A piece of the text for a reason: one line, MAX_QUOTE characters at most."""
    line = " ".join("".join(c if c.isprintable() else " " for c in piece).split())
    return repr(line if len(line) <= MAX_QUOTE else line[: MAX_QUOTE - 1] + "…")
