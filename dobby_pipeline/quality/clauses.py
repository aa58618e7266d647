"""What a sentence says that the code does, verb by verb: `Closes the pool and returns its size.`

Not here: whether the code does (claims.py, deeds.py). This is no grammar of English: a verb is what
stands at a sentence's beginning, or behind `and`, `then` or a comma in the form of the first.
"""

import re
from dataclasses import dataclass

LEAD = re.compile(
    r"\W*(?:(?:finally|then),? )?"
    r"(?:(?:this|the) (?:\w+ ){0,2}(?:function|method|class|constructor|code) |it )?"
    r"(?:also )?(?:is (?:used|designed|intended) to )?(\w+)",
    re.IGNORECASE,
)
_LATER = re.compile(
    r"(?:(?P<joined>(?:[,;]\s+)?\b(?:and|then))|[,;])\s+(?:(?:then|also|finally|it)\s+){0,3}"
    r"(?P<verb>[a-z]{3,20})(?=\s)",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(
    r"\b(?:callable|callback|closure|decorator|factory|function|handler|hook|lambda|method)s? "
    r"(?:that|to|which|who)\b|\bwho(?:se)?\b",
    re.IGNORECASE,
)
"""What follows is done by somebody else: `Registers a callback that takes it and returns a line.`
"""


@dataclass(frozen=True)
class Clause:
    """One thing that a sentence says the code does.

    Attributes:
        verb: in lower case, as it stands there.
        rest: the sentence behind it.
        is_first: the sentence begins with it.
    """

    verb: str
    rest: str
    is_first: bool


def clauses(sentence: str) -> list[Clause]:
    """The first word that may be a verb, and those that are joined to it.

    `Returns` joins `reads` and `Return` joins `read`: a word in the other form is of something
    else, or a noun. A verb without -s counts only behind `and` or `then`, as behind a comma it may
    be a participle (`read in one go`).
    """
    lead = LEAD.match(sentence)
    if lead is None:
        return []
    first = lead[1].lower()
    found = [Clause(first, sentence[lead.end() :], is_first=True)]
    others = _OF_OTHERS.search(sentence, lead.end())
    end = others.start() if others else len(sentence)
    for later in _LATER.finditer(sentence, lead.end(), end):
        verb = later["verb"].lower()
        if _is_third(verb) == _is_third(first) and (_is_third(verb) or later["joined"]):
            found.append(Clause(verb, sentence[later.end() :], is_first=False))
    return found


def _is_third(verb: str) -> bool:
    """Whether it has the form of `reads`."""
    return verb.endswith("s") and not verb.endswith("ss")
