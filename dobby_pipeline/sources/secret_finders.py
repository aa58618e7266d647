"""Where secrets stand in a text: by their format, their name, or their randomness.

Not here: the formats (secret_formats.py), the judgement (secret_values.py), private keys
(private_keys.py), and what is put in their place (secrets.py).

A text is UTF-8 read as Latin-1: a character a byte. What is searched over the whole of it are
literals, one class of characters and one expression of names; everything else is tried on
pieces of bounded length around what those find, so that time is linear whatever a text holds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import cast

from dobby_pipeline.sources import private_keys, secret_values
from dobby_pipeline.sources.secret_formats import (
    ANCHOR_REACH,
    FORMATS,
    LITERALS,
    PLUGINS,
    RUN_LENGTH,
    Format,
)

_SLICE = 4096  # characters of a run that are looked at together
_OVERLAP = 1024  # of two slices, so that what lies on the cut is whole in one of them
_BEFORE = 160  # characters in front of a value that can name it
_NAME_REACH = 20  # characters around a hint in which a name lies
_AFTER = 300  # characters behind a run that can belong to its format

_RUN_BYTES = b"+-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
_RUN_CLASS = bytes(ord("x") if byte in _RUN_BYTES else ord(" ") for byte in range(256))
_RUN = b"x" * RUN_LENGTH

PLACEHOLDER = re.compile(r"REDACTED_[A-Z0-9_]+", re.ASCII)
"""What stands for a secret: a word, so that code around it can be parsed."""

_FRONT = re.compile(r"(?:^|[^A-Za-z0-9]|\\[nrtbf]|%[0-9A-F]{2})\Z", re.ASCII)
_TAIL = re.compile(r"[\w-]*", re.ASCII)
_TELLING = re.compile("[0-9A-Z]")  # all other runs are words: `test_that_it_works`
_DIGIT = re.compile("[0-9]")

_QUOTES = "\"'`"
_CLASS = r"[\w.*\[\]<>|&?']"
_ENDING = re.compile(r"[\w$-]{0,60}", re.ASCII)
_ASSIGNMENT = re.compile(
    r"(?P<close>(?:\\?[\"'`])?[\])]{0,2}|\[\w{0,20}\])[ \t]{0,20}"
    rf"(?::[ \t]{{0,4}}{_CLASS}[\w.*\[\]<>|&?' ,]{{0,60}}(?==[^=])"  # name: Type = value
    rf"|{_CLASS}{{1,40}}[ \t]{{1,8}}(?==[^=]))?"  # name Type = value
    r"(?P<sign>===?|!==?|=>|:=|\?\?=?|\|\|=?|[=:,(]"
    r"|[ \t](?:value|content|default)=|[ \t])[ \t]{0,40}",
    re.ASCII,
)
_WRAPPER = (
    r"(?:new )?(?:[\w.:]{0,40}[.:])?(?:[A-Z]\w{0,40}|from|str|bytes|getenv|get|env|fetch|b64decode"
    r"|a2b_hex|fromhex|unhexlify|get_or|var|value|literal|raw|unwrap_or|or)!?"
)
_QUOTED = re.compile(
    rf"\s{{0,80}}(?:(?P<list>[\[(])\s{{0,40}}|{{\s{{0,40}})?(?:{_WRAPPER}\((?:[\w\"'.-]{{1,60}}, ?)?)?[rbfuRBFUL@$]{{0,2}}"  # noqa: E501
    r"(?:\"\"\"|'''|(?P<quote>\\?[\"'`]))"
    r"(?P<value>(?:(?!(?P=quote))(?:\\.|[^\\\n])){1,1000}?)(?P=quote)",
    re.ASCII,
)
_ITEM = re.compile(
    r"\s{0,40},\s{0,80}[rbfuRBFUL@]{0,2}(?P<quote>\\?[\"'`])"
    r"(?P<value>(?:(?!(?P=quote))(?:\\.|[^\\\n])){1,200}?)(?P=quote)(?!\s{0,4}:)",
    re.ASCII,
)
_MAX_ITEMS = 32  # of a list of passwords, so that time is bounded
# An `&` ends it where the next parameter of a query follows.
_BARE = re.compile(
    r"(?P<value>(?:[^\s\"'`,;(){}\[\]<>\\|&]|&(?![\w.-]{1,40}=)){6,200})(?P<next>.?)", re.ASCII
)
_REVERSED = re.compile(
    r"(?P<quote>[\"'`])(?P<value>(?:(?!(?P=quote))[^\\\n]){4,200})(?P=quote)"
    r"\s{0,8}[!=]={1,2}\s{0,8}[\w.$>\[-]{0,60}\Z",
    re.ASCII,
)
_FALLBACK = re.compile(r"(?:get|getenv|env|var|fetch|lookup|config)\(\s?[\"'`]\Z", re.ASCII)
_SETS = re.compile(r"(?:.*(?:set|with|using|new|make|add|use|send|type|fill|create)_?)?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """[start, end) of a secret, on one line. Of places that overlap the lowest rank names."""

    start: int
    end: int
    rank: int
    kind: str


@dataclass(frozen=True)
class _Detector:
    kind: str
    anchor: re.Pattern[str]
    pattern: re.Pattern[str]
    bounded: bool = False


class SecretFinder:
    """One text's secrets; places may overlap."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._lowered = data.lower()
        self.text = data.decode("latin-1")

    def places(self) -> Iterator[Place]:
        """Every secret that is found."""
        if any(mark in self._data for mark in private_keys.MARKS):
            for start, end in private_keys.key_places(self.text):
                yield Place(start, end, 0, "private_key")
        for start, end in self._runs():
            if _TELLING.search(self.text, start, end) and not PLACEHOLDER.fullmatch(
                self.text, start, end
            ):
                yield from self._of_format(start, end)
                if _DIGIT.search(self.text, start, end):
                    yield from self._random(start, end)
        yield from self._by_literal()
        for name in self._names():
            yield from self._named(name)

    @cached_property
    def _lower(self) -> str:
        return self._lowered.decode("latin-1")

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Runs of token characters, in slices. Horspool's search skips most of the text."""
        classes = self._data.translate(_RUN_CLASS)
        start = classes.find(_RUN)
        while start >= 0:
            end = classes.find(b" ", start)
            end = len(classes) if end < 0 else end
            yield start, min(end, start + _SLICE)
            while end - start > _SLICE:
                start += _SLICE - _OVERLAP
                yield start, min(end, start + _SLICE)
            start = classes.find(_RUN, end)

    def _names(self) -> Iterator[re.Match[str]]:
        """Names of secrets. The literals in them are found first: that is ten times as fast."""
        seen: set[int] = set()
        for hint in secret_values.NAME_HINTS:
            at = self._lowered.find(hint)
            while at >= 0:
                low = max(0, at - _NAME_REACH)
                for name in secret_values.NAME.finditer(self._lower, low, at + _NAME_REACH):
                    if name.start() not in seen:
                        seen.add(name.start())
                        yield name
                at = self._lowered.find(hint, at + len(hint))

    def _of_format(self, start: int, end: int) -> Iterator[Place]:
        """Credentials that their format gives away."""
        low, high = max(0, start - ANCHOR_REACH), min(len(self.text), end + _AFTER)
        joined = (self.text[end : end + 1] == "." and self.text[start] in "nMNO") or (
            self.text[start - 1 : start] == ":" and self.text[start - 2].isdigit()
        )
        if not joined and not _anchors().search(self.text, low, min(end + 2, high)):
            return
        for detector in _detectors():
            if not detector.anchor.search(self.text, low, min(end + 2, high)):
                continue
            for match in detector.pattern.finditer(self.text, low, high):
                first, last = _secret_of(match)
                front = self.text[max(0, first - 3) : first]
                if detector.bounded and not _FRONT.search(front):
                    continue
                if self.text[last - 1].isalnum():
                    last = _end_of(_TAIL.match(self.text, last, last + _AFTER))
                yield Place(first, last, 1, detector.kind)

    def _by_literal(self) -> Iterator[Place]:
        for row, pattern in _literals():
            literal = row.anchor.encode()
            at = self._lowered.find(literal)
            while at >= 0:
                match = pattern.match(self.text, at)
                if match and not secret_values.is_example(row.kind, match[1]):
                    yield Place(*match.span(1), 2, row.kind)
                at = self._lowered.find(literal, at + len(literal))

    def _named(self, name: re.Match[str]) -> Iterator[Place]:
        """Values that stand at the name of a secret."""
        text = self.text
        before = text[max(0, name.start() - 60) : name.start()]
        stem = before.rstrip(_NAME_CHARACTERS)
        first = name.start() - (len(before) - len(stem))
        if "==" in before or "!=" in before:
            compared = _REVERSED.search(text, max(0, name.start() - 300), name.start())
            if compared and secret_values.is_assigned_secret(name[0], "", compared["value"]):
                yield Place(*compared.span("value"), 3, "secret_keyword")
        stop = _end_of(_ENDING.match(text, name.end()))
        ending = self._lower[name.end() : stop]
        if secret_values.NAME.search(ending):
            return  # the later word decides: `secret_token_url`
        assignment = _ASSIGNMENT.match(text, stop)
        if assignment is None:
            return
        sign = assignment["sign"]
        quoted = _QUOTED.match(text, assignment.end())
        if quoted and sign not in " \t":
            prefix, alone = before[len(stem) :], stem[-1:] in tuple(_QUOTES)
            yield from self._quoted(
                name[0], ending, sign, prefix, assignment, quoted, first, alone=alone
            )
            return
        bare = _BARE.match(text, assignment.end())
        if not bare or sign not in "=: \t:=":
            return
        if sign in " \t" and text[first : first + 2] != "--":
            return
        value = bare["value"].rstrip(".:!?*/")
        upper = text[name.start() : name.end()].isupper()
        shell = (
            (sign == "=" and text[assignment.start("sign") + 1 : bare.start() + 1] == value[0])
            and assignment.start("sign") == stop
            and (upper or (bare["next"] or " ") not in ",)(.[")
        ) or sign in " \t"
        if bare["next"] in ("(", "[", "{") or assignment["close"] in ("(", ")"):
            return
        if secret_values.is_bare_secret(name[0], ending, value, shell=shell):
            yield Place(bare.start("value"), bare.start("value") + len(value), 3, "secret_keyword")

    def _quoted(
        self,
        name: str,
        ending: str,
        sign: str,
        prefix: str,
        assignment: re.Match[str],
        quoted: re.Match[str],
        first: int,
        *,
        alone: bool,
    ) -> Iterator[Place]:
        value = _as_text(quoted["value"])
        if sign == ",":
            # `f(password, "x")`: the next argument, unless it is `("DB_PASSWORD", "x")`
            whole = alone and assignment["close"][-1:] in tuple(_QUOTES)
            if not whole or quoted.start("quote") - assignment.end() > 2:
                return
            falls_back = _FALLBACK.search(self.text, max(0, first - 24), first)
            if not falls_back and (ending or not secret_values.is_no_word(value)):
                return
        if sign == "(" and (
            not _SETS.fullmatch(prefix.lower()) or not any(c.isdigit() for c in value)
        ):
            return
        if self._closes(quoted.start("quote")) and (
            value[0] in " +.,:;)&|=]}" or value[-1] in " +(,[{&|="
        ):
            return  # the quote in front ends a string: the value is code
        if secret_values.is_assigned_secret(name, ending, value):
            yield Place(*quoted.span("value"), 3, "secret_keyword")
        if quoted["list"]:
            yield from self._items(name, ending, quoted.end())

    def _items(self, name: str, ending: str, at: int) -> Iterator[Place]:
        """The further values of a list or tuple."""
        for _ in range(_MAX_ITEMS):
            item = _ITEM.match(self.text, at)
            if item is None:
                return
            if secret_values.is_assigned_secret(name, ending, _as_text(item["value"])):
                yield Place(*item.span("value"), 3, "secret_keyword")
            at = item.end()

    def _closes(self, quote: int) -> bool:
        """Whether the quote is an even one of its line."""
        character = self.text[quote]
        line = self.text.rfind("\n", max(0, quote - 1000), quote) + 1
        return self.text.count(character, max(line, quote - 1000), quote) % 2 == 1

    def _random(self, start: int, end: int) -> Iterator[Place]:
        """A run that looks random and stands where a secret would."""
        text = self.text
        if text[start - 1 : start] == "\\":
            start += 1
        padded = end + len(text[end : end + 2]) - len(text[end : end + 2].lstrip("="))
        value = text[start:padded]
        quoted = (
            start > 0
            and text[start - 1] in _QUOTES
            and text[padded : padded + 2].lstrip("\\")[:1] in _QUOTES
            and padded < len(text)
        )
        line = self._lower.rfind("\n", max(0, start - _BEFORE), start) + 1
        context = self._lower[max(line, start - _BEFORE) : start]
        comment = _comment_before(self._lower, line)
        kind = secret_values.random_kind(value, context, comment, quoted=quoted)
        if kind:
            yield Place(start, padded, 4, kind)


_NAME_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-$"


def _as_text(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "ignore")


def _comment_before(lowered: str, line: int) -> str:
    """The comment on the line in front, if there is one."""
    start = lowered.rfind("\n", max(0, line - 1 - _BEFORE), max(0, line - 1)) + 1
    text = lowered[start : max(0, line - 1)].strip()
    return text if line and text.startswith(("#", "//", "/*", "*", "--")) else ""


def _secret_of(match: re.Match[str]) -> tuple[int, int]:
    """The last group if it holds a secret, otherwise all of it without the text's own signs."""
    groups = match.re.groups
    if groups and match[groups] and len(match[groups]) >= 16:
        return match.span(groups)
    found = match[0]
    start = match.start() + len(found) - len(found.lstrip(' \t\r\n=:"'))
    return start, match.start() + len(found.rstrip(' \t\r\n"'))


def _end_of(match: re.Match[str] | None) -> int:
    assert match is not None, "the pattern matches the empty text"
    return match.end()


@cache
def _anchors() -> re.Pattern[str]:
    return re.compile(
        "|".join({row.anchor: 0 for row in (*FORMATS, *PLUGINS) if row.anchor}), re.ASCII
    )


@cache
def _literals() -> tuple[tuple[Format, re.Pattern[str]], ...]:
    return tuple((row, re.compile(row.pattern, re.ASCII)) for row in LITERALS)


@cache
def _detectors() -> tuple[_Detector, ...]:
    """The formats and detect-secrets' patterns, loaded when a text may hold one of them."""
    detectors = [
        _Detector(row.kind, re.compile(row.anchor, re.ASCII), re.compile(row.pattern, re.ASCII))
        for row in FORMATS
    ]
    for row in PLUGINS:
        plugin = getattr(import_module(f"detect_secrets.plugins.{row.module}"), row.name)
        kind = re.sub(r"\W+", "_", cast("str", plugin.secret_type).lower())
        patterns = cast("tuple[re.Pattern[str], ...]", plugin.denylist)
        anchor = re.compile(row.anchor, re.ASCII)
        detectors += [_Detector(kind, anchor, pattern, row.bounded) for pattern in patterns]
    return tuple(detectors)
