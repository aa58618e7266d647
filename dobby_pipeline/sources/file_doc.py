"""What authors say about a file as a whole: at the head of code, and first of all in a README.

Not here: the words of one comment or docstring (doc_text.py) and docs of symbols (extraction.py).
"""

import re
from collections.abc import Container, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from dobby_pipeline.sources.captures import Captures
from dobby_pipeline.sources.doc_text import comments_text, docstring_text

if TYPE_CHECKING:
    from markdown_it.token import Token

MAX_DOC = 600
"""Characters that are kept, some 150 tokens of a prompt: the beginning says what it is for."""

MAX_READ = 16_384
"""Bytes of a text file that are looked at."""

MIN_WORDS = 3
"""Words that say something: `Utilities.` does not."""

MARKDOWN = frozenset({".md", ".markdown"})
PLAIN = frozenset({".rst", ".txt", "README"})

_NOT_CODE = re.compile(rb"(?:#![^\n]*\n|<\?php\b|\s+)*")
# A paragraph like this, and what follows it, is not about the file.
_LEGAL = re.compile(
    r"copyright|licen[cs]e|spdx|all rights reserved|permission is hereby|\(c\) \d{4}"
    r"|^@?authors?\b|^by [A-Z]|the author of this",
    re.IGNORECASE,
)
# A line for a tool.
_TOOL = re.compile(
    r"-\*-|\bvim?:|^\s*(?:eslint|prettier|jshint|global |@flow|@ts-|@format|coding[:=]|noqa"
    r"|pylint|mypy:|ruff:|clang-format|go:|\+build|shellcheck|rubocop|istanbul|frozen_string_literal|typed:)"
)
_PROSE = re.compile(r"[\w`'\"(*](?!.* \| )", re.DOTALL)
_TAG = re.compile(r"</?\w[^<>]*>")
_INLINE_TAG = re.compile(r"\{@\w+\s+([^{}]*)\}")
_RULE = re.compile(r"^\W*$")
_DIRECTIVE = re.compile(r"^(?:\.\. |:\w|\s|\|)")
_ROLE = re.compile(r":[\w:+-]+:(?=`)")
_TARGET = re.compile(r"`([^`<]+?)\s*<[^>`]*>`__?")
_SENTENCE_END = re.compile(r"[.!?](?=\s)")


def head_doc(data: bytes, captures: Captures, taken: Container[str]) -> str:
    """The docstring that a file begins with, or the first comment at its head that tells about it.

    Licences and lines for tools do not.

    Args:
        data: the file.
        captures: of it.
        taken: docs that belong to symbols.
    """
    blocks, end = _head(data, captures)
    if end in captures.docstrings:
        text = docstring_text(data[end : captures.docstrings[end]].decode())
        if about := _about(_plain_paragraphs(text)):
            return about
    for block in blocks:
        text = comments_text([line for line in block if not _is_tool(line)])
        about = "" if text in taken else _about(_plain_paragraphs(_without_tags(text)))
        if about:
            return about
    return ""


def text_doc(suffix: str, data: bytes) -> str:
    """The first prose of a Markdown, reStructuredText or plain text file; else nothing.

    Args:
        suffix: as languages.suffix_of tells it.
        data: valid UTF-8 without secrets, of which the beginning is enough.
    """
    if suffix in MARKDOWN:
        return _about(_markdown_paragraphs(data.decode()))
    return _about(_plain_paragraphs(data.decode())) if suffix in PLAIN else ""


def _head(data: bytes, captures: Captures) -> tuple[list[list[str]], int]:
    """The comments before all code, by blocks without blank lines, and where they end."""
    ends = {start: end for end, start, role in captures.leading if role == "comment"}
    blocks: list[list[str]] = []
    last = position = _skipped(data, 0)
    while (end := ends.get(position)) is not None:
        comment = data[position:end].rstrip()
        apart = data[last:position].count(b"\n") > 1 or comment.startswith(b"/*")
        if apart or not blocks:
            blocks.append([])
        blocks[-1].append(comment.decode())
        last = position + len(comment)
        position = _skipped(data, last)
    return blocks, position


def _skipped(data: bytes, position: int) -> int:
    found = _NOT_CODE.match(data, position)
    return found.end() if found else position


def _is_tool(comment: str) -> bool:
    return "\n" not in comment and bool(
        _TOOL.search(comment.lstrip("/#*! \t-")) or "-*-" in comment
    )


def _about(paragraphs: Iterator[str]) -> str:
    """The first paragraphs that are about the file, whole sentences where they are too long."""
    kept: list[str] = []
    for paragraph in paragraphs:
        if _LEGAL.search(paragraph):
            break
        if _PROSE.match(paragraph) and not paragraph.endswith(":"):
            kept.append(" ".join(paragraph.split()))
        if sum(map(len, kept)) > MAX_DOC:
            break
    text = "\n\n".join(kept)
    if len(text.split()) < MIN_WORDS:
        return ""
    if len(text) <= MAX_DOC:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text, 0, MAX_DOC)]
    return text[: ends[-1]] if ends else text[:MAX_DOC].rpartition(" ")[0] + " …"


def _markdown_paragraphs(text: str) -> Iterator[str]:
    """Paragraphs up to the heading behind the first of them; images and badges have no words."""
    from markdown_it import MarkdownIt  # only an ingest needs it

    found = False
    tokens = MarkdownIt().parse(_without_front_matter(text))
    for before, token in pairwise(tokens):
        if before.type == "heading_open" and found:
            return
        if before.type == "paragraph_open" and before.level == 0:
            words = "".join(map(_words, token.children or ()))
            if len(words.split()) >= MIN_WORDS:
                found = True
                yield words


def _without_tags(text: str) -> str:
    """Without Javadoc's."""
    return _TAG.sub("", _INLINE_TAG.sub(r"\1", text))


def _without_front_matter(text: str) -> str:
    return re.sub(r"\A---\n.*?\n---\n", "", text, count=1, flags=re.DOTALL)


def _words(token: "Token") -> str:
    if token.type == "code_inline":
        return f"`{token.content}`"
    return {"text": token.content, "softbreak": " ", "hardbreak": " "}.get(token.type, "")


def _plain_paragraphs(text: str) -> Iterator[str]:
    """As for Markdown, of reStructuredText or a text file."""
    found = False
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = paragraph.strip("\n").split("\n")
        is_title = any(_RULE.match(line) for line in lines)
        if is_title and found:
            return
        if is_title or _DIRECTIVE.match(lines[0]):
            continue
        words = _TARGET.sub(r"\1", _ROLE.sub("", " ".join(lines))).replace("``", "`")
        if len(words.split()) >= MIN_WORDS:
            found = True
            yield words
