"""What the gate's rules look at: a summary, what it is about, and both taken apart once.

Not here: the rules themselves (form.py, copying.py, grounding.py, claims.py, relevance.py).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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
_PLURAL_FROM = 3
_Y_FROM = 4
_WITH_IE = frozenset({"cookies", "movies", "series", "species"})
_HUMP = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_NAME = re.compile(r"[^\W\d][\w$]*")


class KnownNames:
    """Names that are real though they do not stand in the code: those of the repository's symbols,
    files and imports. One object serves all summaries of a repository, so that its words are
    taken apart once.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    @cached_property
    def pieces(self) -> frozenset[str]:
        """What stands between the underscores of the names, in lower case."""
        return frozenset(piece for name in self._names for piece in name.lower().split("_"))


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
        symbol: the symbol's qualified name, so that a method may be called by its class's name;
            where it is empty, the name that parsing the code tells.
        known_names: what else may be named.
        children: the summaries that this one was made from.
        level: `symbol`, `file` or `repo`.
        examples: answers that the prompt showed, each about other code.
        about: what the authors say about the whole that is summarised.
    """

    text: str
    finish_reason: str = "stop"
    instructions: str = ""
    language: str = ""
    code: str = ""
    symbol: str = ""
    known_names: KnownNames = field(default_factory=KnownNames)
    children: tuple[str, ...] = ()
    level: str = "symbol"
    examples: tuple[str, ...] = ()
    about: str = ""

    def saying(
        self, text: str, finish_reason: str, instructions: str, examples: tuple[str, ...] = ()
    ) -> "Candidate":
        """The same code with what a model said about it when it was told and shown these."""
        return replace(
            self,
            text=text,
            finish_reason=finish_reason,
            instructions=instructions,
            examples=examples,
        )


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
        return sentences_of(self.text)

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
        """All that the summary is about: the symbol, its code and the summaries of its parts."""
        return "\n".join([self.candidate.symbol, self.code, *self.candidate.children])

    @property
    def has_source(self) -> bool:
        """Whether there is anything to hold the summary against."""
        return bool(self.candidate.code or self.candidate.children)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name in what was shown, in lower case: own names, callees, imports, literals."""
        return frozenset(match[0].lower() for match in _NAME.finditer(self.shown))

    @cached_property
    def pieces(self) -> frozenset[str]:
        """What stands between the underscores of those names: `samesite` of `COOKIE_SAMESITE`."""
        return frozenset(piece for name in self.names for piece in name.split("_"))

    @cached_property
    def subwords(self) -> set[str]:
        """The words that the names are made of."""
        return subwords(self.shown)

    @cached_property
    def facts(self) -> Facts | None:
        """What parsing the code tells for certain; None where it tells nothing."""
        return read_facts(self.candidate.language, self.code)


def sentences_of(text: str) -> list[str]:
    """What ends in `.`, `!` or `?` before white space, or at the end."""
    return [sentence for sentence in _SENTENCE.split(text) if sentence.strip()]


def stem(word: str) -> str:
    """The first letters of a word without a plural's s: truncation at five is about as good as a
    stemmer for English (McNamee and Mayfield 2004), and makes `serialize` and `serialization` one.
    Before it `retries` and `retried` become `retry`, which it would tell apart.
    """
    if len(word) > _Y_FROM and word.endswith(("ies", "ied")) and word not in _WITH_IE:
        word = f"{word[:-3]}y"
    return (word[:-1] if len(word) > _PLURAL_FROM and word[-1] == "s" else word)[:5]


def subwords(text: str) -> set[str]:
    """The words in a text's names in lower case: `max`, `file`, `size` of `max_fileSize`."""
    return {hump.lower() for hump in _HUMP.findall(text)}


def word_set(text: str) -> frozenset[str]:
    """The words of a table, which stand in one string."""
    return frozenset(text.split())


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return re.findall(r"\w+", text.lower())


def quoted(piece: str) -> str:
    """A piece of the text for a reason: one line, MAX_QUOTE characters at most."""
    line = " ".join("".join(c if c.isprintable() else " " for c in piece).split())
    return repr(line if len(line) <= MAX_QUOTE else line[: MAX_QUOTE - 1] + "…")
