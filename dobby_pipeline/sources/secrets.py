"""Secrets taken out of a text before anything else sees it.

detect-secrets knows the formats of tokens; this module finds where they stand, adds what it has
no detector for, and puts a placeholder of identifier characters there, so that code still parses
and lines stay where they are. It errs towards taking out: a word too many costs a summary a name,
a secret too few is a leak.

Not here: what is read (reader.py, foreign.py). Nothing of the text is ever logged or raised.
"""

import hashlib
import importlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from itertools import pairwise
from math import log2

PLACEHOLDER = "REDACTED"

MIN_BASE64_ENTROPY = 4.5
"""Bits a character from which a quoted base64 string counts as random: detect-secrets' default.
32 random characters have 4.6, an identifier or a path in base64's alphabet some 3.9."""

MIN_HEX_ENTROPY = 3.0
"""The same for hexadecimal ones, of which random ones have up to 4."""

MIN_SWITCHES = 0.3
"""Share of neighbours of different classes (lower, upper, digit) from which a bare word counts as
random: random ones have 0.6, camelCase with digits 0.2 to 0.35."""

MIN_BARE_SWITCHES = 0.42
"""The same for a word without quotes, which is a name much more often than not."""

MIN_REPEATED = 8
"""A secret of this length is replaced wherever else it stands; a shorter one may be a word."""

# Detectors of detect-secrets by module, with a text that must stand there for one to be asked.
# Left to our own table below: those whose match goes on to the end of the line or starts before
# the secret (npm, artifactory, azure), ends too early (jwt), or is a single line of many (keys).
_DETECTORS = {
    "aws": ("AWSKeyDetector", ("AKIA", "ASIA", "ABIA", "ACCA", "A3T", "aws", "AWS", "Aws")),
    "basic_auth": ("BasicAuthDetector", ("://",)),
    "cloudant": ("CloudantDetector", ("cloudant", "CLOUDANT", "Cloudant", "clou_", "cl_")),
    "discord": ("DiscordBotTokenDetector", (".",)),
    "github_token": ("GitHubTokenDetector", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    "gitlab_token": (
        "GitLabTokenDetector",
        (
            "glpat-",
            "gldt-",
            "glft-",
            "glsoat-",
            "glrt-",
            "GR1348941",
            "glcbt-",
            "glimt-",
            "glptt-",
            "glagent-",
            "gloas-",
        ),
    ),
    "ibm_cloud_iam": ("IbmCloudIamDetector", ("ibm", "IBM", "iam", "IAM")),
    "ibm_cos_hmac": ("IbmCosHmacDetector", ("secret", "SECRET", "Secret")),
    "mailchimp": ("MailchimpDetector", ("-us",)),
    "openai": ("OpenAIDetector", ("T3BlbkFJ",)),
    "pypi_token": ("PypiTokenDetector", ("pypi-Ag",)),
    "sendgrid": ("SendGridDetector", ("SG.",)),
    "slack": ("SlackDetector", ("xox", "XOX", "hooks.slack.com")),
    "softlayer": ("SoftlayerDetector", ("softlayer", "SOFTLAYER", "sl_", "SL_")),
    "square_oauth": ("SquareOAuthDetector", ("sq0csp-",)),
    "stripe": ("StripeDetector", ("k_live_",)),
    "twilio": ("TwilioKeyDetector", ("AC", "SK")),
}

# Formats from the issuers' documentation: kind, a text that must stand there, and the pattern,
# whose first group, if it has one, is the secret.
_FORMATS = (
    ("anthropic", "sk-ant-", r"sk-ant-[\w-]{20,}"),
    ("artifactory", "AKC", r"\bAKC[a-zA-Z0-9]{60,}"),
    ("azure", "AccountKey=", r"AccountKey=([A-Za-z0-9+/=]{40,})"),
    ("azure", "sig=", r"[?&]sig=([A-Za-z0-9%+/=]{40,})"),
    ("databricks", "dapi", r"\bdapi[0-9a-f]{32}"),
    ("digitalocean", "do", r"\bdo[opr]_v1_[0-9a-f]{64}"),
    ("dropbox", "sl.", r"\bsl\.[\w-]{100,}"),
    ("facebook", "EAAC", r"\bEAAC[0-9A-Za-z]{30,}"),
    ("github", "github_pat_", r"github_pat_\w{60,}"),
    ("google", "AIza", r"AIza[\w-]{35}"),
    ("google", "GOCSPX-", r"GOCSPX-[\w-]{20,}"),
    ("google", "ya29.", r"\bya29\.[\w-]{20,}"),
    ("hugging_face", "hf_", r"\bhf_[A-Za-z0-9]{30,}"),
    ("jwt", "eyJ", r"\beyJ[\w-]{8,}={0,2}\.[\w-]{8,}={0,2}(?:\.[\w-]+)?"),
    ("mailgun", "key-", r"\bkey-[0-9a-f]{32}"),
    ("npm", "npm_", r"\bnpm_[A-Za-z0-9]{36}"),
    ("npm", "_authToken", r"_authToken\s*=\s*([A-Fa-f0-9-]{36})"),
    ("openai", "sk-", r"\bsk-(?:proj-|svcacct-|admin-)?(?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{32,200}"),
    ("shopify", "shp", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("slack", "xapp-", r"\bxapp-\d-[\w-]{20,}"),
    ("square", "EAAA", r"\bEAAA[\w-]{60}"),
    ("stripe", "_test_", r"\b[rs]k_test_[0-9a-zA-Z]{24,}"),
    ("stripe", "whsec_", r"\bwhsec_[A-Za-z0-9+/=]{32,}"),
    ("telegram", ":AA", r"\b\d{8,10}:AA[\w-]{32,35}"),
    ("url_password", "://", r"://[^\s:/?#\[\]@\"'`<>{}$]{0,100}:([^\s:/@\"'`<>{}$]{3,200})@[\w.\[-]"),
)  # fmt: skip

_KEY_BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|PuTTY-User-Key-File-\d"
)
_KEY_END = re.compile(r"-----END|Private-MAC:")
_KEY_BLOCK_MAX = 20_000
"""Characters behind a key's beginning that are taken for the key where it has no end."""
_KEY_TEXT = re.compile(r"(?:\\[nrt])+|(?P<key>[A-Za-z0-9+/=]{8,})")

# A name must end with the word: `password_field` and `token_type` hold no secret. A key is one
# of these only.
_NAME_ENDS = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "credentials",
    "bearer", "key", "_pass",
)  # fmt: skip
_KEYS = re.compile(
    r"(?:api|access|private|account|secret|auth|signing|encryption|client|master|shared)[_-]?key$"
)
_LONGEST_KEY = len("encryption_key")

_VALUE = re.compile(
    r"(?:[\"'`\])]{1,3}|\s?:\s?[\w.\[\]| ]{1,40}?(?==))?"
    r"\s{0,8}(?:=>|:=|={1,3}|:|\s(?=[\"']))\s{0,8}"
    r"(?:[bBrRuUfF@$]{0,2}(?P<quote>[\"'`])(?P<quoted>(?:(?!(?P=quote))[^\s\\]){6,300})(?P=quote)"
    r"|(?P<bare>[^\s\"'`,;(){}\[\]<>]{8,200}))"
)
_SECRET_WORD = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|bearer|nonce|auth|(?:api|access|private)[_-]?key",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"'`]([A-Za-z0-9+/_=-]{28,512})[\"'`]")
_HEX = re.compile(r"[0-9a-fA-F]+")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F_]+|[\d._]+(?:[eE][+-]?\d+)?")
_TEMPLATE = re.compile(r"[{}<>]|\$\w|%[sd(]|\*{3}|x{4}|\.{3}|://", re.IGNORECASE)
_WORDS = re.compile(r"(?:(?:[A-Z]?[a-z]{1,15}|[A-Z]{1,15})(?:[ ._/:-]|(?=[A-Z])|$))+")

Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its secrets.

    Attributes:
        found: how many were taken out, by kind.
    """

    text: str
    found: Mapping[str, int]


def rules_fingerprint() -> str:
    """Changes whenever another text might be taken out."""
    patterns = (
        f"{_DETECTORS}{_FORMATS}{_NAME_ENDS}{_VALUE.pattern}{_QUOTED.pattern}{_KEY_TEXT.pattern}"
    )
    return hashlib.sha256(f"{version('detect-secrets')}{patterns}".encode()).hexdigest()[:8]


def redact(text: str) -> Redacted:
    """Replace each secret by a placeholder; every line keeps its place.

    Applied twice it changes nothing more.
    """
    spans = _merged([*_keys(text), *_formats(text), *_assignments(text), *_random(text)])
    if not spans:
        return Redacted(text, {})
    found = Counter(kind for _, _, kind in spans)
    return Redacted(_replaced(text, _everywhere(text, spans)), dict(sorted(found.items())))


def _keys(text: str) -> Iterator[Span]:
    """The lines of each private key, as one span a line."""
    for begin in _KEY_BLOCK.finditer(text):
        limit = begin.end() + _KEY_BLOCK_MAX
        end = _KEY_END.search(text, begin.end(), limit)
        for line in _KEY_TEXT.finditer(text, begin.end(), end.start() if end else limit):
            if line["key"] and PLACEHOLDER not in line["key"]:
                yield line.start("key"), line.end("key"), "private_key"


def _formats(text: str) -> Iterator[Span]:
    for kind, pattern in _formats_of(frozenset(a for a in _anchors() if a in text)):
        for match in pattern.finditer(text):
            # A group is the secret without its context, unless it is just its prefix.
            group = 1 if match.lastindex and kind not in _PREFIX_GROUPS else 0
            start, end = match.span(group)
            secret = text[start:end]
            is_template = kind in _IN_URLS and _is_template(secret)
            if PLACEHOLDER not in secret and not is_template:
                yield start, end, kind


@cache
def _anchors() -> frozenset[str]:
    """All texts of which one must stand where a format does."""
    return frozenset(anchor for _, anchors, _ in _patterns() for anchor in anchors)


@lru_cache(1024)
def _formats_of(present: frozenset[str]) -> list[tuple[str, re.Pattern[str]]]:
    """The formats that can stand in a text with these anchors."""
    return [(kind, pattern) for kind, anchors, pattern in _patterns() if present & {*anchors}]


_PREFIX_GROUPS = frozenset({"github_token", "gitlab_token"})
_IN_URLS = frozenset({"basic_auth", "url_password"})


@cache
def _patterns() -> list[tuple[str, tuple[str, ...], re.Pattern[str]]]:
    """All formats. detect-secrets is imported here, when the first text is looked at."""
    found: list[tuple[str, tuple[str, ...], re.Pattern[str]]] = []
    for module, (name, anchors) in _DETECTORS.items():
        detector = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)
        found += [(module, anchors, pattern) for pattern in detector.denylist]
    found += [(kind, (anchor,), re.compile(pattern)) for kind, anchor, pattern in _FORMATS]
    return found


def _assignments(text: str) -> Iterator[Span]:
    """Values that a name calls a secret."""
    lower = text.lower()
    if len(lower) != len(text):  # some letters have two lower-case ones
        lower = "".join(c.lower() if c.isascii() else c for c in text)
    for word in _NAME_ENDS:
        start = lower.find(word)
        while start >= 0:
            end = start + len(word)
            if word != "key" or _KEYS.search(lower[max(0, end - _LONGEST_KEY) : end]):
                match = _VALUE.match(text, end)
                group = "quoted" if match and match["quoted"] else "bare"
                if match and _SECRET[group](match[group]):
                    yield *match.span(group), "keyword"
            start = lower.find(word, end)


def _random(text: str) -> Iterator[Span]:
    """Quoted strings that look random, hexadecimal ones only where a word near them says so."""
    for match in _QUOTED.finditer(text):
        value = match[1]
        if PLACEHOLDER in value or entropy(value) < MIN_HEX_ENTROPY:
            continue
        if _HEX.fullmatch(value):
            line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()][-80:]
            if len(value) >= 32 and _SECRET_WORD.search(line):
                yield *match.span(1), "high_entropy"
        elif (
            _has_all_classes(value)
            and switches(value) > MIN_SWITCHES
            and entropy(value) >= MIN_BASE64_ENTROPY
            and not _is_sequence(value)
        ):
            yield *match.span(1), "high_entropy"


def _is_secret_value(value: str) -> bool:
    """Whether a quoted value is one, rather than a word, a name, or a template."""
    if PLACEHOLDER in value or _is_template(value) or len(set(value)) < 4:
        return False
    if any(c.isdigit() for c in value):
        return True
    if value.isalpha():
        return len(value) >= 16 and switches(value) > MIN_SWITCHES
    return len(value) >= 10 and not value.islower() and any(c in _STRONG_SIGNS for c in value)


def _is_bare_secret(value: str) -> bool:
    """Whether a value without quotes is one, rather than an expression."""
    value = value.rstrip(".:")
    if PLACEHOLDER in value or _is_template(value) or not any(c.isdigit() for c in value):
        return False
    if _NUMBER.fullmatch(value) or any(c in ".|*" for c in value):
        return False
    if any(c in _STRONG_SIGNS for c in value):
        return any(c.isalpha() for c in value)
    return len(value) >= 12 and switches(value) > MIN_BARE_SWITCHES


_STRONG_SIGNS = "!@#$%^&~"
_SECRET = {"quoted": _is_secret_value, "bare": _is_bare_secret}


def _is_template(value: str) -> bool:
    return bool(_TEMPLATE.search(value))


def _words(value: str) -> bool:
    """Whether the value is made of words alone, which stand elsewhere for themselves."""
    return bool(_WORDS.fullmatch(value))


def _has_all_classes(value: str) -> bool:
    digits = sum(c.isdigit() for c in value)
    return digits >= 2 and any(c.islower() for c in value) and any(c.isupper() for c in value)


def _is_sequence(value: str) -> bool:
    """Whether most characters follow the one before, as in an alphabet."""
    steps = sum(ord(b) - ord(a) == 1 for a, b in pairwise(value))
    return steps > len(value) / 2


def entropy(value: str) -> float:
    """Shannon's entropy of the characters, in bits each."""
    total = len(value)
    return -sum(n / total * log2(n / total) for n in Counter(value).values())


def switches(value: str) -> float:
    """The share of neighbours that are of different classes: lower, upper, digit, other."""
    classes = [0 if c.islower() else 1 if c.isupper() else 2 if c.isdigit() else 3 for c in value]
    changes = sum(a != b for a, b in pairwise(classes))
    return changes / max(1, len(value) - 1)


def _everywhere(text: str, spans: list[Span]) -> list[Span]:
    """The spans, and where else the same secrets stand."""
    kinds = {text[start:end]: kind for start, end, kind in spans}
    more = [
        (match.start(), match.end(), kind)
        for value, kind in kinds.items()
        if len(value) >= MIN_REPEATED and not _words(value)
        for match in re.finditer(re.escape(value), text)
    ]
    return _merged([*spans, *more])


def _merged(spans: list[Span]) -> list[Span]:
    """The spans in order, overlapping ones joined under the kind of the first."""
    merged: list[Span] = []
    for start, end, kind in sorted(spans):
        if merged and start < merged[-1][1]:
            first, last, known = merged[-1]
            merged[-1] = (first, max(last, end), known)
        else:
            merged.append((start, end, kind))
    return merged


def _replaced(text: str, spans: list[Span]) -> str:
    parts: list[str] = []
    position = 0
    for start, end, kind in spans:
        parts += [text[position:start], f"{PLACEHOLDER}_{kind.upper()}"]
        position = end
    return "".join([*parts, text[position:]])
