"""The words of a docstring or doc comment without its markers.

Not here: which comment belongs to which symbol (extraction.py).
"""

import inspect
import re

_STRING = re.compile(r"^[rRuU]?(\"\"\"|'''|\"|')(.*)\1$", re.DOTALL)
_LINE_MARKER = re.compile(r"^(?://[/!]*|#+)[ \t]?")
_RUBY_BLOCK = re.compile(r"^=begin\b.*|^=end\b.*", re.MULTILINE)
_BLOCK_START = re.compile(r"^/\*[*!]*")
_RULE = re.compile(r"^\s*([-=*#/_~+])\1{3,}\s*$")  # a line drawn across the comment
_BLOCK_LINE = re.compile(r"^[ \t]*\*(?!/)[ \t]?", re.MULTILINE)


def docstring_text(literal: str) -> str:
    """A Python string literal's text, dedented; empty for bytes and f-strings."""
    match = _STRING.match(literal.replace("\r\n", "\n"))
    return inspect.cleandoc(match[2]).strip() if match else ""


def comments_text(comments: list[str]) -> str:
    """The text of comments in source order, line by line."""
    lines = "\n".join(_comment_text(comment) for comment in comments).splitlines()
    return "\n".join(line for line in lines if not _RULE.match(line)).strip()


def _comment_text(comment: str) -> str:
    comment = comment.replace("\r\n", "\n").strip()
    if comment.startswith("=begin"):
        return inspect.cleandoc(_RUBY_BLOCK.sub("", comment)).strip()
    if not comment.startswith("/*"):
        return _LINE_MARKER.sub("", comment)
    inner = _BLOCK_START.sub("", comment.removesuffix("*/"))
    return inspect.cleandoc(_BLOCK_LINE.sub("", inner)).strip().rstrip("*").rstrip()
