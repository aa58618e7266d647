"""Whether the names in a summary exist: the rule against invented functions, types and variables.

Not here: what is said about names that do exist (claims.py).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dobby_pipeline.quality.english import FUNCTION_WORDS
from dobby_pipeline.quality.language_names import is_builtin
from dobby_pipeline.quality.reading import Reading, quoted, subwords, word_set

MIN_GROUNDED_SHARE = 0.9
"""Of the names in a summary, those that exist. Hallucinated names are what makes a summary of code
dangerous, so hardly any may be unknown; one in ten leaves room for a term in the form of a name."""

# Each begins where a word does, and no part of them can match the same letters in two ways: a text
# of 100,000 characters of any kind takes no longer than another.
_PART = r"[^\W\d][\w$]*"
_CHAIN = re.compile(rf"[@#&$*]{{0,2}}({_PART}(?:(?:\.|::|#|->|\?\.|/)#?{_PART}){{0,8}})")
_CALLED = re.compile(rf"(?<![\w$])((?:{_PART}(?:\.|::|#|->)){{0,8}}{_PART})\(([^()\n]{{0,200}})\)")
_DOTTED = re.compile(rf"(?<![\w./@-])({_PART}(?:(?:\.|::){_PART}){{1,8}})(?![\w/@-])")
_SNAKE = re.compile(r"(?<![\w.$/-])(_{0,2}[^\W_]+(?:_+[^\W_]+)+_{0,2}|__?[^\W_]+_{0,2})(?![\w/-])")
_CAMEL = re.compile(
    r"(?<![\w.$/-])([a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)+|(?:[A-Z][a-z0-9]+){2,}[A-Z]?)(?![\w/-])"
)
_TUPLE = re.compile(r"(?<![\w)\]])\(\w{1,60}(?:, ?\w{1,60}){1,8}\)")
"""`(start, end, word)` with nothing before it: labels of a result's parts."""

_PLURAL = frozenset({"s", "es", "ies", "ed", "or", "and"})
_ABBREVIATIONS = frozenset({"e.g", "i.e", "a.k.a", "et.al", "vs", "etc"})
_FILE = re.compile(
    r"\.(?:py|pyi|js|ts|tsx|jsx|cjs|mjs|rs|go|java|kt|c|h|cc|cpp|hpp|cs|rb|php|swift|scala|sh|json|"
    r"toml|ya?ml|xml|html?|css|txt|md|cfg|ini|env|csv|lock|com|org|net|io)$"
)
_PROPER = word_set(
    "javascript typescript github gitlab networkx numpy scipy matplotlib graphql mysql postgresql"
    " sqlite mongodb openssl openapi youtube linkedin ios macos ipados pytorch tensorflow restful"
    " jquery nodejs unicode websocket websockets oauth javadoc jsdoc latex bigint ipv4 ipv6"
    " datetime filename filesystem whitespace pagerank webassembly powershell wordpress"
)
"""Products and terms that look like names of code."""


@dataclass(frozen=True)
class Mention:
    """A name in a summary.

    Attributes:
        text: as it stands there.
        parts: `a` and `b` of `a.b`.
        is_strict: it is said to exist, in backticks or with `()`, and does not only look like it.
    """

    text: str
    parts: tuple[str, ...]
    is_strict: bool


def grounding(reading: Reading) -> str | None:
    """A backticked or called name that exists nowhere, or a share under MIN_GROUNDED_SHARE.

    A name exists when it stands in the code, in a summary that was shown, in the repository's
    names, or in the language (language_names.py), in whatever case. Without code the rule stands
    aside, and so it does without names.
    """
    if not reading.has_source:
        return None
    found = mentions(reading)
    unknown = [mention for mention in found if not exists(mention, reading)]
    strict = next((mention for mention in unknown if mention.is_strict), None)
    if strict is not None:
        return f"grounding: {quoted(strict.text)} does not exist in the code"
    share = 1 - len(unknown) / len(found) if found else 1.0
    if share < MIN_GROUNDED_SHARE:
        first = quoted(unknown[0].text)
        return f"grounding: {share:.0%} of {len(found)} names exist in the code, not {first}"
    return None


def grounded_share(reading: Reading) -> float | None:
    """The share of names that exist, 0 to 1; None where there is no name or no code to look in."""
    found = mentions(reading)
    if not found or not reading.has_source:
        return None
    return sum(exists(mention, reading) for mention in found) / len(found)


def mentions(reading: Reading) -> list[Mention]:
    """The names in the text, each once."""
    found = {m.text: m for m in _plain(_TUPLE.sub(" ", reading.prose))} | {
        m.text: m for span in reading.spans for m in _backticked(_TUPLE.sub(" ", span))
    }
    return list(found.values())


def exists(mention: Mention, reading: Reading) -> bool:
    """Whether the name stands in what was shown, or is known otherwise.

    What owns it must be known too, but for what may be a module: `package.module.Name`.
    """
    *owners, last = mention.parts
    if _is_known(last, reading) and all(
        owner[0].islower() or owner[0] == "_" or _is_known(owner, reading) for owner in owners
    ):
        return True
    if mention.is_strict:
        return False
    # A term and no name: `PoolKey` of `pool_key_attributes`, `ForceAtlas2` of `forceatlas2_layout`.
    pieces = subwords(mention.text)
    return bool(pieces) and (
        pieces <= reading.subwords or mention.text.lower() in reading.candidate.known_names.pieces
    )


def _is_known(name: str, reading: Reading) -> bool:
    lower = name.lower()
    if lower in reading.names or lower in _PROPER or lower in FUNCTION_WORDS:
        return True
    stripped = lower.strip("_$")
    if not stripped or stripped in reading.names or stripped in reading.pieces:
        return True
    known = reading.candidate.known_names
    return name in known or is_builtin(reading.candidate.language, name)


def _backticked(span: str) -> Iterator[Mention]:
    """One name in backticks is meant to exist; other code may hold some."""
    if span[:1] in "'\"":
        return  # the text of a string
    called = _CALLED.fullmatch(span)
    chain = _CHAIN.fullmatch(span)
    if called:
        yield _mention(called[1], is_strict=True)
    elif chain:
        yield _mention(chain[1], is_strict="/" not in span)
    else:
        for found in (*_SNAKE.finditer(span), *_CAMEL.finditer(span)):
            yield _mention(found[1], is_strict=False)


def _plain(prose: str) -> Iterator[Mention]:
    for found in _CALLED.finditer(prose):
        if found[2].strip() not in _PLURAL and not _is_term(found[1]):
            yield _mention(found[1], is_strict=True)
    for pattern in (_DOTTED, _SNAKE, _CAMEL):
        for found in pattern.finditer(prose):
            if not _is_term(found[1]):
                yield _mention(found[1], is_strict=False)


def _is_term(text: str) -> bool:
    """An abbreviation, a file's name, or a sentence's end without a space behind it."""
    lower = text.lower()
    if lower in _ABBREVIATIONS or _FILE.search(lower):
        return True
    head, _, tail = text.rpartition(".")
    return bool(head) and head[-1].islower() and tail.istitle() and "_" not in text


def _mention(text: str, *, is_strict: bool) -> Mention:
    parts = tuple(part for part in re.findall(_PART, text) if part)
    return Mention(text, parts, is_strict)
