"""`.dobbyignore`: which files the owner of a repository wants left out, in gitignore's syntax.

Not here: the patterns themselves (path_patterns.py); what a file in a subfolder adds, and that
nothing inside an excluded folder comes back (tree_rules.py).
"""

import codecs
from collections.abc import Iterator

from dobby_pipeline.sources.path_patterns import MAX_LINE_BYTES, Patterns

IGNORE_FILE = ".dobbyignore"


def ignore_patterns(data: bytes) -> Patterns[bool]:
    """The file's patterns: True leaves a path out, False (a leading `!`) brings it back."""
    return Patterns(_lines(data.removeprefix(codecs.BOM_UTF8)))


def _lines(data: bytes) -> Iterator[tuple[bytes, bool]]:
    for line in data.split(b"\n"):
        pattern = _without_trailing_spaces(line.removesuffix(b"\r"))
        if not pattern or line.startswith(b"#") or len(line) > MAX_LINE_BYTES:
            continue
        yield pattern.removeprefix(b"!"), not pattern.startswith(b"!")


def _without_trailing_spaces(line: bytes) -> bytes:
    r"""Trailing spaces go, unless a backslash stands before the first of them."""
    stripped = line.rstrip(b" ")
    backslashes = len(stripped) - len(stripped.rstrip(b"\\"))
    return line[: len(stripped) + 1] if backslashes % 2 else stripped
