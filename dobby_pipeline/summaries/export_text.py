r"""Text of a repository or a model, written so that it stays text in Markdown, and names of files.

Whatever it holds, it gives no markup, link, HTML or hidden character, in CommonMark and in GitHub's
flavour of it. Not here: the pages (export_markdown.py).
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that cannot be seen, or that change how their neighbours are."""

_PIECES = re.compile(r"`(?P<code>[^`]+)`|(?P<address>\S*(?:://|@|\bwww\.)[^\s`]*)", re.IGNORECASE)
_SPECIAL = re.compile(r"[\\`*_\[\]~$#!{}]")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_STARTS_BLOCK = re.compile(r"([-+=|:]|\d+(?=[.)]))")

_LONGEST_NAME = 120
"""Characters, of up to 4 bytes, that are kept of a longer name; a file system allows 255 bytes
with the suffix, so a name is cut by bytes as well."""

_LONGEST_BYTES = 200
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|%]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def visible(text: str) -> str:
    r"""The text with what cannot be seen as `\u202e`, so that it cannot turn the text around."""
    return "".join(_escape(char) if _is_hidden(char) else char for char in text)


def code(text: str) -> str:
    """A code span: what is in it stands there as it is."""
    text = visible(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if not text or text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def prose(text: str) -> str:
    """One line of text; what stands in backquotes stays code, and addresses become code."""
    text = visible(" ".join(text.split()))
    written, end = "", 0
    for found in _PIECES.finditer(text):
        written += _plain(text[end : found.start()]) + code(found["code"] or found["address"])
        end = found.end()
    written += _plain(text[end:])
    return (
        _STARTS_BLOCK.sub(_as_start, written, count=1) if _STARTS_BLOCK.match(written) else written
    )


def link(label: str, *target: str) -> str:
    """A link to a place in the export, given by its names; the label is Markdown already."""
    return f"[{label}]({address(target)})"


def address(target: Iterable[str]) -> str:
    """A relative address of the names on the way."""
    return "/".join(quote(part, safe="") for part in target)


def safe_name(name: str) -> str:
    """A name that every file system takes and that leads nowhere else.

    The same as the part of the path where that is harmless; otherwise with a mark of its own.
    """
    kept = "".join("_" if _UNSAFE.match(char) or _is_hidden(char) else char for char in name)
    kept = kept[:_LONGEST_NAME].encode()[:_LONGEST_BYTES].decode(errors="ignore")
    if not kept.strip(". ") or kept[-1] in ". " or kept[0] == " " or _RESERVED.fullmatch(kept):
        kept = f"_{kept.strip('. ')}_"
    return kept if kept == name else marked(kept, name)


def marked(kept: str, name: str) -> str:
    """A safe name made different from others by what it stands for."""
    return f"{kept}~{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"


class Names:
    """The names in one folder of the export: no two are the same, on any file system."""

    def __init__(self, *taken: str) -> None:
        self._taken = {_folded(name) for name in taken}

    def take(self, name: str, suffix: str = "") -> str:
        """A name for what is called so in the repository, the first to come has it plain."""
        kept = safe_name(name)
        if _folded(kept + suffix) in self._taken:
            kept = marked(kept, f"{name}{suffix} of several")
        self._taken.add(_folded(kept + suffix))
        return kept + suffix


def _plain(text: str) -> str:
    text = "".join(_HTML.get(char, char) for char in text)
    # The ampersands of the entities are ours; `#` cannot follow one.
    return _SPECIAL.sub(lambda found: "\\" + found[0], text)


def _as_start(found: re.Match[str]) -> str:
    return found[0] + "\\" if found[0].isdigit() else "\\" + found[0]


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
