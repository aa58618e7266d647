"""How much each word of a summary tells for or against its being about this code.

Not here: what follows from it (relevance.py). The weights lie in word_evidence.tsv, counted by
`benchmarks/gate_set/words.py` on functions with their authors' sentences. A row is a word's stem,
its five weights in the order of LEVELS, and the stems of code that often stand for it.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dobby_pipeline.quality.english import FUNCTION_WORDS
from dobby_pipeline.quality.reading import Reading, stem, subwords, word_set

LEVELS = ("name", "owner", "code", "near", "none")
"""Where a word of the summary is found, the strongest first: in the symbol's own name, in the names
of what encloses it, in the code, something like it in the code, nowhere."""

MIN_LETTERS = 3
"""Of a word that tells anything, and of a piece of a name that may abbreviate one: `attr`."""

OTHER = "(other)"
"""The table's row for words that are too rare to have one."""

TABLE = Path(__file__).with_name("word_evidence.tsv")

_MEANINGS = {
    name: word_set(words)
    for name, words in {
        "add": "sum plus", "addr": "address", "asc": "ascending", "async": "asynchronous",
        "auth": "authentication",
        "avg": "average mean", "bfs": "breadth first search", "bom": "byte order mark",
        "buf": "buffer", "cb": "callback", "cfg": "config configuration", "cls": "class",
        "cmd": "command", "cmp": "compare", "cnt": "count", "conn": "connection",
        "contains": "whether", "ctx": "context", "ctor": "constructor", "cur": "current",
        "db": "database", "del": "delete remove", "delattr": "delete remove attribute",
        "delitem": "delete remove item", "div": "divide quotient", "desc": "description descending",
        "dfs": "depth first search", "dst": "destination", "dt": "date time",
        "dump": "serialize write", "dumps": "serialize", "el": "element", "env": "environment",
        "eof": "end file", "eq": "equal compare", "err": "error", "fd": "file descriptor",
        "fileno": "file descriptor number", "fmt": "format", "fn": "function", "fp": "file",
        "getattr": "get attribute", "getitem": "get item", "getter": "get", "getvalue": "get value",
        "gt": "greater", "has": "contains whether", "hdr": "header", "id": "identifier",
        "idx": "index", "img": "image", "init": "create construct initialize",
        "is": "whether check determine", "js": "javascript", "kv": "key value", "kw": "keyword",
        "len": "length size count number", "lhs": "left", "lineno": "line number",
        "load": "deserialize read parse", "loads": "deserialize parse", "lt": "less",
        "mean": "average", "mk": "make create", "mkdir": "make create directory",
        "msg": "message", "mul": "multiply product",
        "new": "create construct", "ns": "namespace", "num": "number count", "op": "operation",
        "os": "system", "perf": "performance", "pkg": "package", "pop": "remove",
        "prev": "previous", "ptr": "pointer", "pwd": "password", "re": "regular expression",
        "repr": "representation", "resp": "response", "rev": "reverse revision", "rhs": "right",
        "rm": "remove", "sep": "separator", "setattr": "set attribute", "setitem": "set item",
        "src": "source", "str": "string", "strip": "trim remove", "stmt": "statement",
        "sub": "subtract difference",
        "sz": "size", "tbl": "table", "to": "convert", "tmp": "temporary",
        "tok": "token", "trim": "strip remove", "ts": "timestamp", "txt": "text", "tz": "timezone",
        "val": "value", "var": "variable", "xor": "exclusive", "yml": "yaml",
    }.items()
}  # fmt: skip
"""What names say in letters that no prefix of the word has."""

MAX_HEAD = 2_000
"""Characters of code in which its name is looked for where no grammar tells it."""

_DEFINED = re.compile(
    r"\b(?:def|fun|func|fn|function|sub)\s[^\n(){}=]{0,120}?([\w$]{1,60})\s*[({=]"
)
_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_OWNERS = re.compile(r"^.*(?:\.|::|/)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """What the table says about a stem.

    Attributes:
        weights: by level, the natural logarithm of how much more often the word is found there
            in a function's own code than in another's.
        related: stems of code that often stand for the word.
    """

    weights: dict[str, float]
    related: frozenset[str]


@dataclass(frozen=True)
class CodeWords:
    """The words of a piece of code.

    Attributes:
        own: the words of the symbol's own name, as they stand there.
        name: the same, and what they mean.
        owner: stems of the words in the names of what encloses it, and of what they mean.
        words: of all the code, and what they mean.
        stems: the same as stems.
        text: the code in lower case.
    """

    own: frozenset[str]
    name: frozenset[str]
    owner: frozenset[str]
    words: frozenset[str]
    stems: frozenset[str]
    text: str


def code_words(shown: str, symbol: str) -> CodeWords:
    """The words of some code.

    Args:
        shown: the code, and what else the summary is about.
        symbol: the qualified name.
    """
    owners = _OWNERS.match(symbol)
    own = own_name(symbol)
    name = with_meanings(own)
    owner = with_meanings(subwords(owners[0])) if owners else set[str]()
    words = with_meanings(subwords(shown)) | name
    return CodeWords(
        frozenset(own),
        frozenset(name),
        frozenset(map(stem, owner)),
        frozenset(words),
        frozenset(map(stem, words)),
        shown.lower(),
    )


def own_name(symbol: str) -> set[str]:
    """The words of a symbol's own name, without what encloses it."""
    return subwords(_OWNERS.sub("", symbol))


def words_that_tell(text: str) -> dict[str, str]:
    """The words of a text by their stems, names taken apart, without function words."""
    found: dict[str, str] = {}
    for hump in _HUMPS.findall(text):
        word = hump.lower()
        if len(word) >= MIN_LETTERS and word not in FUNCTION_WORDS:
            found.setdefault(stem(word), word)
    return found


def level(word: str, code: CodeWords, related: frozenset[str]) -> str:
    """Where the word is found, one of LEVELS."""
    root = stem(word)
    if word in code.name or _is_like(word, code.name):
        return "name"
    if root in code.owner:
        return "owner"
    if root in code.stems:
        return "code"
    starts = (word[:length] for length in range(MIN_LETTERS, min(len(word), 40)))
    if any(start in code.words for start in starts) or related & code.stems:
        return "near"
    return "near" if len(root) > MIN_LETTERS and root in code.text else "none"


def weight(word: str, code: CodeWords) -> tuple[str, float]:
    """Where the word is found, and what that tells."""
    row = row_of(stem(word))
    found = level(word, code, row.related)
    return found, row.weights[found]


def missing_of_name(words: dict[str, str], code: CodeWords) -> int:
    """How many words of the symbol's own name are neither in the text nor meant by it."""
    meant = words.keys() | {related for root in words for related in row_of(root).related}
    own = [word for word in code.own if len(word) >= MIN_LETTERS and word not in FUNCTION_WORDS]
    return sum(not _is_said(word, words, meant) for word in own)


def row_of(root: str) -> Row:
    """The table's row of a stem, or the one for all others."""
    rows = _table()
    return rows.get(root, rows[OTHER])


def with_meanings(words: set[str]) -> set[str]:
    """The words, and what those that are abbreviations stand for."""
    return words.union(*(_MEANINGS[word] for word in words & _MEANINGS.keys()))


def symbol_of(reading: Reading) -> str:
    """The symbol's qualified name; where it was not told, the name that the code defines."""
    if reading.candidate.symbol:
        return reading.candidate.symbol
    function = reading.facts.function if reading.facts else None
    if function:
        return function.name
    found = _DEFINED.search(reading.code[:MAX_HEAD])
    return found[1] if found else ""


def _is_like(word: str, name: frozenset[str]) -> bool:
    root = stem(word)
    return any(
        stem(own) == root or word.startswith(own) or (len(root) > MIN_LETTERS and root in own)
        for own in name
        if len(own) >= MIN_LETTERS
    )


def _is_said(own: str, words: dict[str, str], meant: set[str]) -> bool:
    if any(len(root) > MIN_LETTERS and root in own for root in words):
        return True  # `path` of `normpath`
    return any(
        stem(one) in meant or any(word.startswith(stem(one)) for word in words.values())
        for one in with_meanings({own})
    )


@cache
def _table() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for line in TABLE.read_text("utf-8").splitlines():
        root, weights, *related = line.split("\t")
        numbers = map(float, weights.split())
        rows[root] = Row(dict(zip(LEVELS, numbers, strict=True)), word_set(" ".join(related)))
    return rows
