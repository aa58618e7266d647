"""Whether what a summary says first, its verb, is what the code's names say: `Deletes` of `create`.

Not here: other words and their opposites (opposites.py), and what parsing disproves (claims.py).
Verbs are looked at alone that have an opposite, and whose traces in code are few enough to name.
Shares were counted on 24,219 functions of 94 repositories by
benchmarks/gate_set/words.py.
"""

import re

from dobby_pipeline.quality.clauses import LEAD, clauses
from dobby_pipeline.quality.facts import FunctionFacts
from dobby_pipeline.quality.reading import Reading, quoted, stem, subwords, word_set
from dobby_pipeline.quality.word_evidence import MIN_LETTERS, own_name, symbol_of, with_meanings

_SAID = {
    verb + ending: verb
    for verb in (
        "add", "close", "create", "decode", "delete", "encode", "get", "open", "read", "remove",
        "return", "set", "write",
    )
    for ending in ("", "s", "d", "es")
}  # fmt: skip

_OPPOSITES: dict[str, tuple[str, ...]] = {
    "add": ("delete",), "close": ("open",), "create": ("delete",), "decode": ("encode",),
    "delete": ("create", "add"), "encode": ("decode",), "get": ("set",), "open": ("close",),
    "read": ("write",), "remove": ("add",), "return": (), "set": ("get",), "write": ("read",),
}  # fmt: skip

_DELETES = (
    "cancel clean cleanup clear close cut del delete deleted deletes delitem deregister destroy"
    " detach difference discard disconnect dispose drop dropped erase evict evicted exclude"
    " excluded expunge flush free kill lstrip omit pop popitem prune purge remove removed removes"
    " removing reset revoke rm rmdir rmtree rstrip splice strip trim trimmed uninstall unlink"
    " unregister unset unsubscribe"
)
_NAMED = {
    verb: word_set(words)
    for verb, words in {
        "add": "add append attach create enqueue include insert prepend push put register",
        "close": "close closed closes", "decode": "decode decoder decodes",
        "create": "build constructor construct create ctor factory generate init make new",
        "delete": _DELETES, "encode": "encode encoder encodes", "get": "fetch get gets getter",
        "open": "open opened opens", "read": "load read reader reads", "remove": _DELETES,
        "set": "set sets setter", "write": "dump save write writer writes",
    }.items()
}  # fmt: skip
"""What a name says of code that does this."""

_REMOVES = (
    "deque dequeue disable empty filter forget kill null poll rejects reject release remaining"
    " replace retain shift shrink skip slice subtract minus truncate undo unpack unsafe without"
)
_TRACES = {
    verb: word_set(words)
    for verb, words in {
        "add": "add added addition adds append appends apply associate attach bind concat"
        " concatenate connect create emplace enqueue entry extend fill inc include increment"
        " insertion inserts install into join link load merge mount new offer pad padding plus"
        " prepend push put register set setdefault store subscribe sum union unshift update with"
        " wrap write",
        "close": "abort cancel cleanup clean clear close closed closes closing del destroy detach"
        " disconnect dispose done drop end exit finalize finish flush free kill leave quit release"
        " shutdown stop teardown terminate",
        "decode": "decode decoded decoder decoding decompress deserialize from fromhex get loads"
        " parse read str string unescape unpack unquote utf",
        "delete": f"{_DELETES} {_REMOVES}",
        "encode": "ascii base bytes compress dumps emit encode encoded encoder encoding escape"
        " format hex pack put quote serialize stringify to urlencode utf write",
        "open": "acquire begin browse connect create enter file fopen open opened opener opens"
        " popen socket start",
        "read": "buffer consume decode deserialize extract fetch file find from get getattr input"
        " load loads next open parse peek poll pull read reader readline reads receive recv"
        " retrieve scan seek stream take unpack",
        "remove": f"{_DELETES} {_REMOVES} unwrap",
        "set": "apply assign bind change config configure disable enable fill mark override put"
        " register replace reset restore save set setattr setdefault setitem sets setter setup"
        " store switch toggle update write",
        "write": "add append copy draw dump dumps echo emit encode export flush format insert log"
        " out output pack print push put render save send serialize set store stream to write"
        " writelines writer",
    }.items()
}
"""What code that does this has among its words, most of it by other names than the verb's."""

_ADDS = _TRACES["add"] - word_set("apply bind connect entry load merge store with wrap write")
_PRINTS = "console debug display draw dump echo emit err format info log out print put puts warn"
_BEHIND = {
    verb: (word_set(f"{' '.join(_TRACES[trace])} {words}") if trace else word_set(words))
    for verb, trace, words in (
        ("close", "close", ""), ("decode", "decode", ""), ("delete", "delete", ""),
        ("encode", "encode", ""), ("load", "read", ""), ("open", "open", ""),
        ("print", "write", f"{_PRINTS} say show stderr stdout tell"), ("read", "read", ""),
        ("remove", "remove", ""), ("save", "write", "add insert store update"),
        ("send", "write", "call dispatch fetch get message notify post publish request sendall"),
        ("write", "write", ""),
    )
}  # fmt: skip
"""Traces of what is said behind the first verb, one of which code that does it has."""

_TO_FILE = re.compile(r"\bto (?:an? |the )?(?:\w+ )?(?:disk|files?)\b", re.IGNORECASE)
_FILES = word_set(
    "append buf buffer bz disk dump dumps echo export fd fh file filename fileno files fileobj"
    " fopen fout fp fs gzip handle io log open out output path paths print put save serialize"
    " store stream tee write writer writes"
)
"""Of these code that writes to a file has one: `set` and `format` are no trace of that."""

_OBJECT = re.compile(
    r"\s(?:(?:an?|the|its|it|them|their|this|that|these|all|any|each|every|new|to|from|into)\b|`)",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(r"(?:(?:\.|->)\s{0,4}\w{1,60}|\])\s{0,4}(?:[-+*/|&]|\|\||\?\?)?=(?![=>])")
_RETURNED = re.compile(r"\breturn\s+([^;\n]{1,200})")
_ITSELF = word_set("self this $this *this")
_SELF_TYPE = re.compile(r"->\s{0,4}(?:&mut\s{1,4})?Self\b")
_FALSE_IF = re.compile(
    r"\breturns? `{0,2}false`{0,2},? (?:if and only if|if|when|iff|whether)\b([^.;]{0,200})",
    re.IGNORECASE,
)
_TURNED = re.compile(
    r"\b(?:absent|already|any|but|can't|cannot|different|dis\w+|empty|error\w*|except\w*|fail\w*"
    r"|false|in(?:active|complete|correct|valid)\w*|lack\w*|missing|never|no|non|none|not|null"
    r"|only|or|otherwise|true|un\w+|\w+n't|without)\b",
    re.IGNORECASE,
)


def deed(reading: Reading) -> str | None:
    """The summary's verb, where the code's own name says its opposite, or its words show no trace.

    It refuses 0.4 % of those authors' sentences, and 66 % of the ones in which a word was turned
    into its opposite: in most of them that is the verb.
    """
    if reading.candidate.level != "symbol" or not reading.code:
        return None
    return _first_deed(reading) or _later_deed(reading)


def _first_deed(reading: Reading) -> str | None:
    found = LEAD.match(reading.prose)
    verb = _SAID.get(found[1].lower()) if found else None
    if found is None or verb is None:
        return None
    own = own_name(symbol_of(reading))
    name = with_meanings(own) | own
    opposite = next((o for o in _OPPOSITES[verb] if _NAMED[o] & name), None)
    if opposite and not name & (_NAMED[verb] | _TRACES.get(verb, frozenset())):
        return f"deed: says {quoted(found[1])}, but its name says {quoted(opposite)}"
    if _has_trace(verb, name, reading):
        return None
    return f"deed: says {quoted(found[1])}, and nothing in the code does"


def _later_deed(reading: Reading) -> str | None:
    """A verb behind the first, of which the code has no word at all.

    What comes second is often the opposite of the first (`Opens the file and closes it.`), so the
    name says nothing about it.
    """
    said = [clause for sentence in reading.sentences for clause in clauses(sentence)][1:]
    words = subwords(reading.code) | with_meanings(own_name(symbol_of(reading)))
    for clause in said:
        verb = clause.verb.removesuffix("s")
        traces = _BEHIND.get(verb)
        if traces is None or not _OBJECT.match(clause.rest):
            continue
        if verb in ("save", "write") and _TO_FILE.search(clause.rest):
            traces = _FILES
        if not words & traces and verb not in reading.code.lower():
            return f"deed: says {quoted(clause.verb)}, and nothing in the code does"
    return None


def inverted(reading: Reading) -> str | None:
    """It returns false where what its name says is so: `Returns false if it exists` of `exists`.

    A summary that begins so counts whatever the name: authors say when a function is true. It does
    not count where the clause or the name denies anything. None of those sentences says so.
    """
    found = _FALSE_IF.search(reading.text)
    if found is None or _TURNED.search(found[1]) or "true" in reading.words:
        return None
    own = own_name(symbol_of(reading))
    if own & word_set("no not non false"):
        return None
    said = {stem(word) for word in subwords(found[1])}
    named = sorted(word for word in own if len(word) >= MIN_LETTERS and stem(word) in said)
    if named:
        return f"inverted: false where its name says {quoted(named[0])}"
    begins = not reading.text[: found.start()].strip()
    return f"inverted: begins with {quoted(found[0])}" if begins else None


def _has_trace(verb: str, name: set[str], reading: Reading) -> bool:
    """Whether the code has any word or form of what the verb says, or where that is not sure."""
    words = subwords(reading.code) | name
    facts = reading.facts
    function = facts.function if facts else None
    returns = bool(function and function.returns_value)
    if verb in ("get", "return"):
        # A declared `void` may fill what it is handed, and says so with the same verb.
        return function is None or _gives_something(function)
    if verb == "create" or (verb != "delete" and words & _TRACES[verb]):
        return True
    if verb == "delete":
        if not name & _NAMED["delete"] and (name & _NAMED["create"] or _is_constructor(reading)):
            return False
        return bool(words & (_NAMED["delete"] if returns else _TRACES["delete"]))
    if verb == "set":
        bare = facts.bare_code if facts else reading.code
        return not returns or bool(_ASSIGNED.search(bare)) or _is_fluent(bare)
    if verb == "remove":
        return not words & _ADDS
    return not words & _TRACES.get(_OPPOSITES[verb][0], frozenset())


def _gives_something(function: FunctionFacts) -> bool:
    return (
        function.returns_value
        or function.returns_nothing
        or function.yields
        or function.raises
        or function.is_stub
    )


def _is_constructor(reading: Reading) -> bool:
    """Whether it is named as types are where functions are not."""
    own = symbol_of(reading).rpartition(".")[2]
    language = reading.candidate.language
    return own[:1].isupper() and language in (
        "java",
        "javascript",
        "kotlin",
        "python",
        "typescript",
    )


def _is_fluent(code: str) -> bool:
    """Whether all it returns is what it was called on."""
    returned = [found.strip() for found in _RETURNED.findall(code)]
    return bool(returned and _ITSELF.issuperset(returned)) or bool(_SELF_TYPE.search(code))
