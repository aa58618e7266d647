"""Whether what a summary says contradicts plain facts of the code that can be parsed.

Not here: the facts (facts.py). A claim counts only where it is said without a condition and the
fact is certain: `returns nothing if the file is missing` contradicts nothing.
"""

import re

from dobby_pipeline.quality.clauses import Clause, clauses
from dobby_pipeline.quality.facts import FunctionFacts
from dobby_pipeline.quality.reading import Reading, quoted, stem, subwords, word_set
from dobby_pipeline.quality.word_evidence import own_name, symbol_of, with_meanings

_NOT = r"(?:does not|doesn't|do not|don't|never|will not|won't|cannot|can't)"
_CONDITION = re.compile(
    r"\b(?:if|when|unless|where|otherwise|until|in case|except|but|or|whenever|once|after)\b",
    re.IGNORECASE,
)
_RETURNS_NOTHING = re.compile(
    rf"\b(?:returns? (?:nothing|no value|void\b)|without returning (?:anything|a value|any value)"
    rf"|{_NOT} return (?:anything|any value|a value|any|the|an?)\b|no return value"
    rf"|has no (?:result|return)|{_NOT} return\b)",
    re.IGNORECASE,
)
_A_VALUE = re.compile(
    r"\s(?!the (?:control|flow)\b)(?:(?:an?|the|its|their|all|any|each|every|both|it|them|this|that"
    r"|what|whether|how|true|false|new|data|number|results?|values?)\b"
    r"|`(?!(?:none|nil|null|undefined|void)\b))",
    re.IGNORECASE,
)
"""What `returns` is followed by where it names a value."""

_GIVEN_BACK = re.compile(
    r"^[^.,;]{0,80}?\b(?:in)?to (?:an? |its |the )?(?!caller|client|user)\w", re.IGNORECASE
)
"""`returns the connection to the pool`"""

_RAISES = re.compile(
    r"\s(?:an? |the )?(?:(?:\w+ )?(?:error|exception)\b(?! (?:code|count|message|flag|rate)\b)"
    r"|`?~?(?:[a-z_]\w*\.)*(?P<type>[A-Z]\w*(?:Error|Exception))\b)"
)
_BY_ITSELF = word_set(
    "assertionerror attributeerror error exception filenotfounderror importerror indexerror ioerror"
    " keyerror lookuperror memoryerror modulenotfounderror nullpointerexception oserror"
    " overflowerror permissionerror recursionerror runtimeerror runtimeexception unicodedecodeerror"
    " unicodeencodeerror zerodivisionerror"
)
"""Errors that a line of code raises without a statement for it, and those of which others are."""

_CALLED = re.compile(r"(\w+)\s{0,4}!?\(")
_MAY_RAISE = re.compile(
    r"abort|assert|check|convert|decode|ensure|exit|expect|fail|fatal|index|load|next|open|panic"
    r"|parse|raise|reject|require|strict|throw|valid|verif|^(?:int|float|super)$"
)
"""What is called by such a name is there to raise, or known to."""

_NEVER_RAISES = re.compile(
    rf"\b(?:{_NOT} (?:ever )?(?:raise|throw)s?\b|(?:raises?|throws?) (?:no|nothing)\b"
    r"|without (?:ever )?(?:raising|throwing)|never (?:raises|throws|fails)\b)",
    re.IGNORECASE,
)
_NUMBERS = {
    "no": 0, "zero": 0, "one": 1, "a single": 1, "two": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9,
}  # fmt: skip
_COUNT = re.compile(
    r"\b(?:takes?|accepts?|expects?|requires?|has|have|receives?|with) (?:exactly |only |in )?"
    r"(no|zero|one|a single|two|three|four|five|six|seven|eight|nine|\d{1,2})"
    r" (?:(?:input|formal) )?(?:parameter|argument)s?\b",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"`([^\W\d]\w{0,60})` (?:parameter|argument)\b"
    r"|\b(?:parameter|argument)s? (?:named |called )?`([^\W\d]\w{0,60})`"
    r"|\b(?:parameter|argument) (?:named|called) ['\"]?([^\W\d]\w{0,60})"
    r"|\bthe ([^\W\d]\w{0,40}_\w{1,40}) (?:parameter|argument)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    rf"^(?:(?:this|the) (?:\w+ ){{0,3}}(?:function|method|class|code|constructor) |it )?{_NOT} \w+",
    re.IGNORECASE,
)
_NO_FUNCTION = re.compile(
    r"^(?:this|the) (?:function|method) (?:.{0,300}?[.!?] it )?is (?:an?|a type of) "
    r"(?:[\w-]+ ){0,2}(?:class|crate|data (?:structure|type)|file|interface|library|module|object"
    r"|package|program|struct|type|variable)\b",
    re.IGNORECASE | re.DOTALL,
)
_CONVERTS = re.compile(
    r"\bconverts?\b(.{1,60}?) (?:in)?to (.{1,60}?)(?:[.,;]|$)", re.IGNORECASE | re.DOTALL
)
_INTO = re.compile(r"(?:^|_)[tT]o_(\w+)$|(?:^|[a-z])[tT]o([A-Z]\w*)$|^_*(?:as|ensure|make)_(\w+)$")


def contradiction(reading: Reading) -> str | None:
    """A claim about parameters, a returned value or an error that the parsed code contradicts."""
    function = reading.facts.function if reading.facts else None
    if function is None or reading.candidate.level != "symbol":
        return None
    for sentence in reading.sentences:
        for claim in (_about_return, _about_errors, _about_count, _about_parameter):
            problem = claim(sentence, function)
            if problem:
                return f"contradiction: {problem}"
        for clause in clauses(sentence):
            problem = _about_value(clause, function) or _about_raised(clause, function, reading)
            if problem:
                return f"contradiction: {problem}"
    return None


def negation(reading: Reading) -> str | None:
    """The first sentence tells what the code does not do: that is no summary, and in most cases
    the opposite of one. No author's sentence of the calibration set begins so.
    """
    first = reading.sentences[0] if reading.sentences else ""
    found = _NEGATED.match(first.strip())
    return f"negation: begins with {quoted(found[0])}" if found else None


def no_function(reading: Reading) -> str | None:
    """It says that a function is a data type, a class, a library: a small model's way to begin.

    None of the 24,219 authors' sentences that benchmarks/gate_set/words.py reads says so, and 8 of
    48 that a model got wrong on the calibration set do.
    """
    found = _NO_FUNCTION.match(reading.text.strip())
    if found is None or reading.candidate.level != "symbol":
        return None
    return f"no_function: says that a function {quoted(found[0][found[0].rindex('is a') :])}"


def reversed_conversion(reading: Reading) -> str | None:
    """It converts from what the name says it converts to: `Converts a string to bytes` of `to_str`.

    7 of those authors' sentences read so, and 3 of the 48.
    """
    symbol = symbol_of(reading)
    name = re.sub(r"^.*(?:\.|::|/)|#\d+$", "", symbol)
    into, said = _INTO.search(name), _CONVERTS.search(reading.text)
    if into is None or said is None or reading.candidate.level != "symbol":
        return None
    target = {
        stem(w) for w in with_meanings(own_name(next(part for part in into.groups() if part)))
    }
    source, result = ({stem(word) for word in subwords(part)} for part in said.groups())
    if not target & source or target & result:
        return None
    return f"reversed_conversion: {quoted(said[0])}, but its name says {quoted(into[0])}"


def _about_return(sentence: str, function: FunctionFacts) -> str | None:
    if "return" in function.name:
        return None  # its author's word for something else: `return_buffer_contents` writes them
    nothing = _RETURNS_NOTHING.search(sentence)
    if nothing and function.returns_value and not _is_conditional(sentence, nothing):
        return f"{quoted(nothing[0])}, but the code returns a value"
    return None


def _about_value(clause: Clause, function: FunctionFacts) -> str | None:
    """Of 13,934 sentences of authors 352 say in a later clause that something is returned; one of
    these functions returns nothing.
    """
    if clause.verb not in ("return", "returns") or not function.gives_nothing:
        return None
    if "return" in function.name or (clause.is_first and function.raises):
        return None  # what is to be overridden may raise
    found = _A_VALUE.match(clause.rest)
    if found is None or _GIVEN_BACK.search(clause.rest):
        return None
    return f"{quoted(clause.verb + found[0])}, but the code returns nothing"


def _about_raised(clause: Clause, function: FunctionFacts, reading: Reading) -> str | None:
    """It raises nothing, or names all types that it raises and not this one, and nothing that it
    calls looks as if it did.
    """
    if clause.verb not in ("raise", "raises", "throw", "throws") or not function.can_raise:
        return None
    found = _RAISES.match(clause.rest)
    if found is None or function.is_stub or function.raises_unnamed:
        return None
    name = (found["type"] or "").lower()
    if name in _BY_ITSELF or name in reading.names or (function.raises and not name):
        return None
    bare = reading.facts.bare_code if reading.facts else reading.code
    called = set(_CALLED.findall(bare)) - {function.name}
    if any(_MAY_RAISE.search(name.lower()) for name in called):
        return None
    said = quoted(clause.verb + found[0])
    return f"{said}, but the code raises {' or '.join(function.raised) or 'nothing'}"


def _about_errors(sentence: str, function: FunctionFacts) -> str | None:
    found = _NEVER_RAISES.search(sentence)
    if found and function.raises and not _is_conditional(sentence, found):
        return f"{quoted(found[0])}, but the code raises an error"
    return None


def _about_count(sentence: str, function: FunctionFacts) -> str | None:
    found = _COUNT.search(sentence)
    if found is None or function.is_open:
        return None
    said = found[1].lower()
    count = _NUMBERS[said] if said in _NUMBERS else int(said)
    if count != function.parameters:
        return f"{quoted(found[0])}, but the code has {function.parameters}"
    return None


def _about_parameter(sentence: str, function: FunctionFacts) -> str | None:
    if function.is_open:
        return None
    for found in _NAMED.finditer(sentence):
        name = next(group for group in found.groups() if group)
        if name.lower() not in function.parameter_names:
            return f"{quoted(name)} is no parameter of the code"
    return None


def _is_conditional(sentence: str, claim: re.Match[str]) -> bool:
    return bool(_CONDITION.search(sentence, claim.end()))
