"""Rules on a summary's form: whole, of the right length, in English, by nobody but an author.

Not here: what it says about the code (grounding.py, claims.py, relevance.py) and what it repeats
(copying.py).
"""

import re

from dobby_pipeline.quality.english import language_reason
from dobby_pipeline.quality.reading import Reading, quoted

WORDS = {"symbol": (4, 80), "file": (6, 160), "repo": (8, 300)}
"""Words that a summary has at least and at most, by level. A sentence that says what code does
needs a verb and an object; shorter ones were fragments. The prompt asks for one or two short
sentences on a symbol: of 210 sentences that authors wrote the longest has 40 words, and 60 tokens
of a model are no more than 50."""

_ENDED = re.compile(r"[.!?][\"'`)\]*]{0,8}\s*$")
_DANGLING = re.compile(r"\b(?:a|an|and|or|the|of|their|its|every)[.!?]$", re.IGNORECASE)
_NO_VERB = re.compile(
    r"\W*(?!(?:caution|commission|condition|mention|partition|petition|position|provision|question"
    r"|reposition|section|station|transition|vision)\b)"
    r"(?:[a-z]+(?:graphy|hood|ism|ity|logy|ness|ory|ship|sion|tion)"
    r"|algorithm|argument|array|boolean|callback|class|client|constant|constructor|data|database"
    r"|dictionary|element|error|integer|iterator|library|method|module|node|object|parameter|server"
    r"|user|variable) (?:an?|no|the)\b",
    re.IGNORECASE,
)
"""A noun, by its ending or one of code's most frequent that are no verbs, and an article behind it:
no English sentence begins so. Of 31,525 first sentences of docstrings in 53 packages none does.
That any form of a verb is there would be no rule: 3 % of them have none, as `The path of the file.`
"""
_CHAT_MARKER = re.compile(
    r"<\|[a-z_]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</?think>"
    r"|^[ \t]{0,8}(?:###[ \t]{0,4})?(?:user|assistant|system|human|response)[ \t]?:",
    re.IGNORECASE | re.MULTILINE,
)
_AS_MODEL = re.compile(
    r"\bas an? (?:ai|artificial intelligence|(?:large )?language model|assistant)\b"
    r"|\bi(?:'m| am) (?:sorry|an? (?:ai|assistant|language model)|unable)\b"
    r"|\bi (?:cannot|can't|can not|could not|couldn't|do not|don't|would need)\b"
    r"|^\W{0,4}(?:sorry|unfortunately|apologies|my apologies)\b"
    r"|\b(?:please|could you|can you) (?:provide|share|give|clarify)\b"
    r"|^\W{0,4}(?:sure|certainly|of course|absolutely)\b[!,.]"
    r"|^\W{0,4}here(?:'s| is) (?:a|an|the|your) (?:\w{1,20} ){0,3}(?:summary|description|sentence|"
    r"explanation|documentation)\b"
    r"|\binstructions? to (?:you|me)\b"
    r"|\byou are an? (?:\w{1,20}[ -]){0,3}(?:ai|assistant|engineer|expert|language model)\b"
    r"|\b(?:one or two|one to three|two or three|1 or 2|1-2|in (?:one|two|three|a single)) "
    r"(?:\w{1,20} ){0,2}sentences?\b"
    r"|\b(?:let me know|feel free to ask|i hope this helps)\b",
    re.IGNORECASE,
)
_MARKED_LATER = re.compile(r"\b(?:TODO|FIXME|TBD|XXX)\b|\b[Ll]orem ipsum\b")
_TO_FILL_IN = re.compile(
    r"\[(?:insert|your|add|describe|description|name|function|placeholder|fill|todo|enter)\b"
    r"[^\]\n]{0,60}\]"
    r"|\{\{[^}\n]{1,40}\}\}"
    r"|(?<![\w`<])<(?:[a-z]{1,20}[ _-]){0,4}(?:name|function|method|class|value|description|summary"
    r"|type|parameter|argument|insert|here|placeholder|something|text|code)"
    r"(?:[ _-][a-z]{1,20}){0,4}>",
    re.IGNORECASE,
)


def too_short(reading: Reading) -> str | None:
    """Fewer words than its level needs (WORDS)."""
    least, count = _limits(reading)[0], len(reading.words)
    return f"too_short: {count} words, at least {least}" if count < least else None


def too_long(reading: Reading) -> str | None:
    """More words than its level may have (WORDS)."""
    most, count = _limits(reading)[1], len(reading.words)
    return f"too_long: {count} words or more, at most {most}" if count > most else None


def cut_off(reading: Reading) -> str | None:
    """It ends within a sentence: no terminal punctuation, an article or conjunction before it, or
    a backtick or bracket that was opened and not closed.

    C4 keeps only lines that end in a terminal punctuation mark (Raffel et al. 2020, section 2.2);
    a summary is one such line.
    """
    text = reading.text.rstrip()
    finish = f"(finish reason {quoted(reading.candidate.finish_reason)[1:-1]})"
    if not _ENDED.search(text[-40:]) or _DANGLING.search(text[-12:]):
        return f"cut_off: ends within a sentence {finish}"
    if reading.text.count("`") % 2 and not text.endswith("`"):
        return f"cut_off: a backtick is opened and not closed {finish}"
    if reading.prose.count("(") > reading.prose.count(")"):
        return f"cut_off: a bracket is opened and not closed {finish}"
    return None


def no_verb(reading: Reading) -> str | None:
    """It begins with a noun where a verb should stand: `Repository a function, no function.`"""
    found = _NO_VERB.match(reading.plain)
    return f"no_verb: begins with {quoted(found[0])}" if found else None


def chat_marker(reading: Reading) -> str | None:
    """A token of a chat template, or a turn's label, in the text."""
    found = _CHAT_MARKER.search(reading.text)
    return f"chat_marker: contains {quoted(found[0])}" if found else None


def speaks_as_model(reading: Reading) -> str | None:
    """The model speaks of itself, or to somebody, instead of about the code."""
    found = _AS_MODEL.search(reading.text)
    return f"speaks_as_model: {quoted(found[0])}" if found else None


def placeholder(reading: Reading) -> str | None:
    """Something is left to be filled in, unless the code itself says the same."""
    for pattern in (_MARKED_LATER, _TO_FILL_IN):
        for found in pattern.finditer(reading.text):
            if found[0] not in reading.shown:
                return f"placeholder: contains {quoted(found[0])}"
    return None


def secret(reading: Reading) -> str | None:
    """Something in the shape of a secret (sources/secrets.py); the reason names its kind alone."""
    kinds = ", ".join(reading.secrets)
    return f"secret: the text holds what looks like one ({kinds})" if kinds else None


def url(reading: Reading) -> str | None:
    """An address that does not stand in the code: models make them up."""
    invented = [address for address in reading.urls if address not in reading.shown]
    return f"url: {quoted(invented[0])} does not stand in the code" if invented else None


def not_english(reading: Reading) -> str | None:
    """A text in another language, another script, or none at all (english.py)."""
    reason = language_reason(reading.prose)
    return f"not_english: {reason}" if reason else None


def _limits(reading: Reading) -> tuple[int, int]:
    return WORDS.get(reading.candidate.level, WORDS["symbol"])
