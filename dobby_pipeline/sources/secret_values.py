"""Whether a text is likely a secret, by its name, its shape and its randomness.

Not here: credentials that a format gives away (secret_formats.py), the search (secrets.py).
"""

import base64
import binascii
import math
import re
from collections import Counter
from itertools import pairwise

NAME = re.compile(
    r"pass(?:word|wd|wrd|phrase|code)|(?<![a-z])pass(?![a-z])|passwort|contrase[nñ]a|pwd"
    r"|secret(?!ar|ion)|credential|(?<![a-z])creds?(?![a-z])"
    r"|(?:api|access|private|priv|auth|service|account|db|database|client|encryption|encrypt"
    r"|signing|sign|master|shared|storage|session|license|app|application|consumer|deploy|hmac"
    r"|jwt|ssh|webhook|subscription|function|host|server|user|admin|root|aes|rsa|crypto)"
    r"[ _-]?key(?![a-z]*(?:word|board))"
    r"|(?:db|database|key)_?pass|token(?!i[sz])|bearer|authorization"
    r"|(?<![a-z])auth(?=[ ]?=[ ]?\()",
    re.ASCII,
)
"""Names of secrets, in lower case: detect-secrets' own list (plugins/keyword.py) and more keys,
tokens and headers."""

NAME_HINTS = tuple(b"pass pwd contrase secret cred key token bearer auth".split())
"""One of these stands in every text that NAME matches in."""

_PASSWORD_NAME = re.compile(r"pass|pwd|contrase|secret|cred|auth\Z", re.ASCII)
_TOKEN_NAME = re.compile(
    r"token|bearer|authorization"
    r"|(?<![a-z])auth(?=[ ]?=[ ]?\()",
    re.ASCII,
)

WEAK_NAME = re.compile(
    r"(?:key|auth|sign|signature|session|hmac|cookie|webhook|license|cert)(?![a-z])",
    re.ASCII,
)
"""Names that make a random text suspect and nothing else."""

HASH_NAME = re.compile(
    r"sha-?\d|md5|blake|crc|digest|checksum|hash|commit|revision|(?<![a-z])rev(?![a-z])|integrity"
    r"|etag|fingerprint|blob|(?<![a-z])oid(?![a-z])|expected|public|pub_?key|uuid|guid",
    re.ASCII,
)
"""Names of random texts that are no secret."""

_NEUTRAL_ENDING = re.compile(
    r"(?:field|name|header|url|uri|endpoint|path|file|filename|dir|label|type|pattern|regexp?|re"
    r"|prompt|error|exception|message|msg|policy|help|length|len|size|min|max|hint|column|param"
    r"|parameter|arg|argument|option|flag|env|envvar|var|variable|prefix|suffix|format|fmt"
    r"|validator|validators|algorithm|alg|input|placeholder|title|text|description|desc|doc|page"
    r"|view|template|form|class|cls|method|kind|provider|manager|store|version|expiry|expires|ttl"
    r"|timeout|hasher|hashers|count|index|list|map|id|ids|attr|attribute|property|schema|scope"
    r"|selector|element|button|action|mode|status|state|callback|handler|separator|sep|delimiter"
    r"|chars|charset|alphabet|str|map|ref|reference|location|source|backend|usage|date|at)s?\d*$",
    re.ASCII,
)
"""Endings of names that speak about a secret: password_field, tokenUrl, secret_name."""

_ORDINARY = re.compile(
    r"pass|secret|token|key|auth|user|login|credential|hash|bearer|basic|digest|plain|string|text"
    r"|value|required|optional|hidden|input|invalid|valid|missing|none|null|nil|true|false|undef"
    r"|default|example|sample|dummy|fake|placeholder|change.?me|replace|insert|your|todo|fixme"
    r"|redacted|masked|removed|filtered|test|foo|bar|baz|qux|abc|enter|must|should|please|name"
    r"|error|fail|empty|unknown|number|int|bool|bytes|object|array|any|never|function|lambda|self"
    r"|this|return|type|field|column|config|setting|env|file|path|http|client|server|public|private"
    r"|session|cookie|header|request|response|admin|root|guest|encrypt|crypt|access|refresh|code"
    r"|sign|verify|check|reset|update|create|delete|forgot|confirm|new|old|current|random|rotate"
    r"|different|same|wrong|correct|first|second|short|long|weak|strong|match|import|continue"
    r"|nonlocal|finally|except|struct|extends|implement|package|interface|abstract|synchron|static"
    r"|transient|volatile|throw|switch|export|module|literal|word|char|symbol|comment|operator|name|number|punctuation|special|whitespace",
    re.ASCII,
)
"""Parts of words that stand beside such names in ordinary code and are nobody's password."""

_DUMMY = re.compile(
    r"(?:x{3,}|\*+|\.{2,}|-+|_+|0+|#+|\?+|<.*>|\[.*\]|%\(?\w*\)?[sdr]|\$\w+|\$?\{.*\}|\{\{.*\}\}|%\w+%"
    r"|(?:my|your|the|a|an|some|new|old|bad|wrong|test|user|db)?[ _-]?"
    r"(?:user)?(?:pass(?:word|wd|phrase)?|pwd|pw|secret|token|key|api[_-]?key|user(?:name)?|value"
    r"|credentials?)(?:[ _-]?here)?|test|testing|example|sample|dummy|foo|bar|baz|change[_-]?me"
    r"|todo|none|null|nil|true|false|undefined|string|str|redacted|hidden|\$\(.*\))",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_INTERPOLATION = re.compile(
    r"\$?\{[^{}]{0,200}\}|%\(?\w{0,40}\)?[sdr]|\$\([^()]{0,200}\)|\$\w{1,60}"
)
_IDENTIFIER = re.compile(r"[A-Za-z_$]\w*(?:(?:\.|::|->|-)[A-Za-z_$]\w*)*", re.ASCII)
_EXPRESSION = re.compile(r"\[\^?\w-\w|\\[dwsDWS][+*{\]\\)]|\(\?[:<=!i]", re.ASCII)
_LEET = re.compile(r"[a-z]\d+[a-z]", re.ASCII)
_SIZED_TYPE = re.compile(
    r"(?:u?int|float|uint|str|char|bytes?|i|u|f|base|utf|sha|md|vec|array|string|bits?)[_-]?\d+\w{0,2}",
    re.ASCII | re.IGNORECASE,
)
_HOST = re.compile(
    r"(?:[\w.+-]+(?::\w+)?@)?(?:localhost|(?:[a-z][\w-]*\.){1,6}[a-z]{2,})(?::\d+)?(?:/\S*)?",
    re.ASCII,
)
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_WORDS = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}|\d+", re.ASCII)


def _is_ordinary(word: str) -> bool:
    """Whether most of a word is made of such parts: `username`, but not `swordfish`."""
    return len("".join(_ORDINARY.findall(word.lower()))) * 5 >= len(word) * 3


def is_dummy(value: str) -> bool:
    """Whether a value stands for another one: a template, a mask, the word `password`."""
    return len(set(value)) < 3 or bool(_DUMMY.fullmatch(value)) or not _bare(value)


def _bare(value: str) -> str:
    """The value without what is filled in at run time."""
    return _INTERPOLATION.sub("", value)


def entropy(value: str) -> float:
    """Shannon's, in bits a character, as detect-secrets measures it."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values())


def is_hex(value: str) -> bool:
    """32 hex digits or more, and no sequence or repetition of few."""
    return len(value) >= 32 and bool(_HEX.fullmatch(value)) and entropy(value) > 3.0


def is_uuid(value: str) -> bool:
    """Whether the value is a UUID that was not made up of one digit."""
    return bool(_UUID.fullmatch(value)) and entropy(value) > 2.5


def is_random(value: str, limit: float, turns: float) -> bool:
    """Whether letters of both cases, digits and signs follow each other without pattern.

    Args:
        value: without blanks.
        limit: of entropy, in bits a character.
        turns: share of neighbours of different classes (upper, lower, digit, other). Random
            base64 has 0.64 on average, random lower case and digits 0.40, words in camel case or
            paths below 0.3.
    """
    classes = [_class_of(character) for character in value if character not in "_-./"]
    changes = sum(a != b for a, b in pairwise(classes))
    return (
        "d" in classes
        and bool({"l", "u"} & set(classes))
        and changes >= turns * (len(classes) - 1)
        and entropy(value) > limit
        and not _is_alphabet(value)
    )


def _class_of(character: str) -> str:
    if character.isdigit():
        return "d"
    if character.isalpha():
        return "u" if character.isupper() else "l"
    return "o"


def _is_alphabet(value: str) -> bool:
    """Whether a third of the neighbours are neighbours in the character set, too."""
    steps = sum(ord(b) - ord(a) == 1 for a, b in pairwise(value))
    return steps * 3 >= len(value)


def is_neutral(ending: str) -> bool:
    """Whether a name that goes on like this, in lower case, speaks about a secret."""
    return bool(_NEUTRAL_ENDING.search(ending))


def is_assigned_secret(name: str, ending: str, value: str) -> bool:
    """Whether a quoted value is a secret, given the name that it stands at.

    Args:
        name: the part of the name that NAME matched.
        ending: what follows it in the name, in lower case.
        value: between the quotes.
    """
    if _EXPRESSION.search(value):
        return False
    value = _bare(value)
    if len(value) < 4 or is_dummy(value):
        return False
    if is_hex(value) or is_uuid(value):
        return not HASH_NAME.search(ending) or bool(_PASSWORD_NAME.search(name))
    if is_neutral(ending):
        return len(value) >= 16 and " " not in value and is_random(value, 3.0, 0.3)
    if any(character.isspace() for character in value):
        return bool(_PASSWORD_NAME.search(name)) and _is_passphrase(value)
    if value.isdigit():
        return bool(_PASSWORD_NAME.search(name)) and len(value) >= 6
    if _is_mixed(value):
        shortest = 6 if _PASSWORD_NAME.search(name) else 12
        return len(value) >= shortest and not _is_wording(value)
    return (bool(_PASSWORD_NAME.search(name)) or len(value) >= 20) and _is_odd_word(value)


def _is_mixed(value: str) -> bool:
    """Letters and something else, but `-`, `_`, `.`, `/` and `:` between words do not count."""
    rest = re.sub(r"(?<=[A-Za-z])[-_./:]+(?=[A-Za-z])", "", value)
    return not rest.isalpha() and any(character.isalpha() for character in rest)


def _is_wording(value: str) -> bool:
    """Whether the value is a path, an address, an expression or a name for something."""
    if "://" in value or re.match(r"[./~]|\w+\(|[\\^|]", value):
        return not is_random(value, 3.5, 0.45)
    if _HOST.fullmatch(value):
        return True
    words = _WORDS.findall(value)
    letters = sum(map(len, words))
    if not any(character.isdigit() for character in value):
        # `--password`, `<secret>`, `password:`, `$token`: punctuation around one ordinary word
        stripped = value.strip(" -_.,:;!?*#<>[](){}$%&=/\\@+|^\"'`~")
        if stripped.replace("_", "").replace("-", "").isalpha():
            return not _is_odd_word(stripped) or value.endswith((":", "=", "?", "...", ","))
        return False
    parts = [word for word in words if not word.isdigit()]
    joined = letters + sum(not character.isalnum() for character in value) == len(value)
    plain = all(_is_ordinary(word) or len(word) <= 2 for word in parts)
    # `test_token_2`, `key-1`, `oauth2`, `sha256`: ordinary words with a number
    return joined and plain and bool(_IDENTIFIER.fullmatch(value)) and value[-3:-1].islower()


def _is_odd_word(value: str) -> bool:
    """A single word in one case that has no place in ordinary code; `swordfish`."""
    return (
        6 <= len(value) <= 40
        and value.isalpha()
        and (value.islower() or value[1:].islower())
        and not _is_ordinary(value)
    ) or (
        # letters of both cases without the shape of words
        len(value) >= 12 and value.isalpha() and is_jumbled(value)
    )


def is_jumbled(value: str) -> bool:
    """Letters only, upper and lower case in no order."""
    changes = sum(a.isupper() != b.isupper() for a, b in pairwise(value))
    return changes >= 0.35 * len(value)


def _is_passphrase(value: str) -> bool:
    """Two words or more in lower case, none of them about passwords; no sentence."""
    words = value.split()
    return (
        len(words) >= 2
        and all(w.isascii() and w.isalpha() and w.islower() and len(w) > 2 for w in words)
        and sum(map(_is_ordinary, words)) * 4 <= len(words)
        and not any(map(_GRAMMAR.fullmatch, words))
    )


_GRAMMAR = re.compile(
    r"the|and|for|with|from|that|this|are|was|not|you|can|has|have|will|uses?|used|only|when|does"
    r"|but|all|its|into|see|may"
)


def is_bare_secret(name: str, ending: str, value: str, *, shell: bool) -> bool:
    """As is_assigned_secret, for a value without quotes.

    Args:
        shell: `NAME=value` as in a shell or a connection string, rather than code.
    """
    if is_dummy(value) or len(value) < 6 or _SIZED_TYPE.fullmatch(value) or is_neutral(ending):
        return False
    if is_hex(value) or is_uuid(value):
        return is_assigned_secret(name, ending, value)
    if not any(c.isdigit() for c in value) or not any(c.isalpha() for c in value):
        return (
            shell and bool(_PASSWORD_NAME.search(name)) and value.isalpha() and _is_odd_word(value)
        )
    plain = value.isalnum() and (value.islower() or _LEET.search(value))
    if shell or (_PASSWORD_NAME.search(name) and plain):
        return is_assigned_secret(name, ending, value)
    if _IDENTIFIER.fullmatch(value):
        return len(value) >= 12 and is_random(value, 3.0, 0.35)
    return is_assigned_secret(name, ending, value) and bool(re.match(r"[\w!@#$%^&*+~-]", value))


def is_no_word(value: str) -> bool:
    """Whether a value has digits and is no identifier, or only a random one."""
    digits = any(character.isdigit() for character in value)
    return digits and (not value.isidentifier() or is_random(value, 2.5, 0.25))


def is_example(kind: str, value: str) -> bool:
    """Whether what a literal led to is no secret."""
    if kind == "authorization_header":
        # `Basic authentication`, `bearer of a token`: words
        return not is_random(value, 2.5, 0.2) and not (len(value) >= 8 and is_jumbled(value))
    return is_dummy(value) or len(value) < 3


def random_kind(value: str, context: str, comment: str, *, quoted: bool) -> str:
    """What a run of token characters is, if it is likely a secret; otherwise nothing.

    Hex of 32 digits and more and UUIDs are mostly hashes and ids: they are secrets only where a
    name says so. A text that uses all of base64 is one also where nothing is said, from
    detect-secrets' own limit of 4.5 bits a character on, if it is quoted.

    Args:
        value: the run.
        context: what is in front of it on its line, in lower case.
        comment: the comment on the line above, in lower case.
        quoted: whether it is all that stands between two quotes.
    """
    if _INTEGRITY.match(value) or context.endswith("base64,"):
        return ""
    names = [*NAME.finditer(context)]
    strong = bool(names) and not is_neutral(context[names[-1].end() :].rstrip(" \t\"':=([{"))
    strong = strong or bool(NAME.search(comment))
    weak = strong or bool(WEAK_NAME.search(context))
    hashed = bool(HASH_NAME.search(context[names[-1].end() :] if strong and names else context))
    if is_hex(value):
        password = strong and bool(_PASSWORD_NAME.search(context))
        return "hex_high_entropy_string" if password or (weak and not hashed) else ""
    if is_uuid(value):
        return "secret_uuid" if (strong or "heroku" in context) and not hashed else ""
    if not quoted:
        assigned = strong and context.rstrip(" ").endswith((":", "=", "token", "key", "password"))
        random = assigned and is_random(value, 3.5, 0.38) and sum(c.isdigit() for c in value) > 2
    elif weak and not hashed:
        random = is_random(value, 3.5, 0.3)
    elif hashed or _is_encoded_text(value):
        random = False
    else:
        cases = any(c.isupper() for c in value) and any(c.islower() for c in value)
        random = cases and is_random(value, 4.5, 0.38)
    return "base64_high_entropy_string" if random else ""


_INTEGRITY = re.compile(r"sha\d{3}-|h1:|xn--")


def _is_encoded_text(value: str) -> bool:
    """Whether the value is base64 of readable ASCII: the encoding of words, not of a key."""
    padded = value.rstrip("=")
    padded += "=" * (-len(padded) % 4)
    try:
        decoded = base64.b64decode(padded, validate=True)
    except binascii.Error:
        return False
    return decoded.isascii() and decoded.decode("ascii").isprintable()
