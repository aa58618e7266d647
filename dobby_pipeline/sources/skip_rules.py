"""Which listed files give no records, and why: one row a reason; the first that applies counts.

Not here: what a folder or a committed rule file says (tree_rules.py), which paths are vendored
(vendored.py) and what is generated (generated.py); `unsupported`, `unparsable` and `no_symbols`,
which the reader finds out by trying.

The order, here and nowhere else:
  1. what is no file at all: `submodule`, `symlink`
  2. what the repository's owner left out in so many words: `ignored`
  3. what the place and name say, from the most telling on: `vendored`, `lockfile`, `minified`,
     `generated`. `.gitattributes` comes before the path: `linguist-vendored` decides on
     `vendored`, `linguist-generated` on the other three, here and among the content's rules.
  4. what cannot be read: `too_large`, by the object's header, and `unreadable`
  5. what the content says: `lfs_pointer`, `binary`, `not_utf8`, `minified`, `generated`
Rules 1 to 4 read no content; they are asked anew at each ingest. Those of 5 are asked once for a
blob, so they may look at the content and the name's suffix, and at nothing else.
"""

import codecs
from collections.abc import Callable

from pygit2.enums import FileMode

from dobby_pipeline.sources.attributes import State
from dobby_pipeline.sources.generated import (
    LOCKFILES,
    is_generated,
    is_generated_name,
    is_minified,
    is_minified_name,
)
from dobby_pipeline.sources.tree_rules import PlacedEntry
from dobby_pipeline.sources.vendored import is_vendored_name

MAX_FILE_BYTES = 1024 * 1024
"""Files written by hand stay below; above lie generated code and data. It also bounds the time
and memory that one file can take: see the slow cases in test_extraction.py."""

_BINARY_PREFIX_BYTES = 8000  # git's own, FIRST_FEW_BYTES in xdiff-interface.c
_LFS_HEADER = b"version https://git-lfs.github.com/spec/v1\n"
_LFS_MAX_BYTES = 1024  # the specification's bound on a pointer file


def is_submodule(file: PlacedEntry) -> bool:
    """A commit of another repository."""
    return file.entry.mode == FileMode.COMMIT


def is_symlink(file: PlacedEntry) -> bool:
    """A link's blob holds only the name of what it points to."""
    return file.entry.mode == FileMode.LINK


def is_ignored(file: PlacedEntry) -> bool:
    """`.dobbyignore` excludes it."""
    return file.ignored


def is_vendored(file: PlacedEntry) -> bool:
    """Somebody else's code, which is read where it comes from."""
    if file.vendored is not State.UNSPECIFIED:
        return file.vendored is State.SET
    return file.folder.vendored or is_vendored_name(file.entry.name)


def is_lockfile(file: PlacedEntry) -> bool:
    """What a package manager resolved."""
    return file.entry.name in LOCKFILES and not is_written_by_hand(file)


def is_minified_by_name(file: PlacedEntry) -> bool:
    """A copy made for machines of a script that is written elsewhere."""
    return is_minified_name(file.entry.name) and not is_written_by_hand(file)


def is_generated_by_name(file: PlacedEntry) -> bool:
    """A program's output: by attribute, or by path."""
    if file.generated is not State.UNSPECIFIED:
        return file.generated is State.SET
    return file.folder.generated or is_generated_name(file.entry.name)


def is_written_by_hand(file: PlacedEntry) -> bool:
    """The repository says that no program wrote the file, whatever it looks like."""
    return file.generated is State.UNSET


def is_too_large(file: PlacedEntry) -> bool:
    """Judged by the object's header: the content is not loaded."""
    return file.entry.size is not None and file.entry.size > MAX_FILE_BYTES


def is_missing(file: PlacedEntry) -> bool:
    """The blob is not in this repository, as in a partial clone."""
    return file.entry.size is None


def is_lfs_pointer(_suffix: str, data: bytes) -> bool:
    """The content lies on a Git LFS server."""
    return len(data) < _LFS_MAX_BYTES and data.startswith(_LFS_HEADER)


def is_binary(_suffix: str, data: bytes) -> bool:
    """A NUL byte near the start, as git decides it. UTF-16 text counts as binary here too."""
    return b"\0" in data[:_BINARY_PREFIX_BYTES]


def is_not_utf8(_suffix: str, data: bytes) -> bool:
    """Text in another encoding, which could only be guessed."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


ENTRY_RULES: tuple[tuple[str, Callable[[PlacedEntry], bool]], ...] = (
    ("submodule", is_submodule),
    ("symlink", is_symlink),
    ("ignored", is_ignored),
    ("vendored", is_vendored),
    ("lockfile", is_lockfile),
    ("minified", is_minified_by_name),
    ("generated", is_generated_by_name),
    ("too_large", is_too_large),
    ("unreadable", is_missing),
)
CONTENT_RULES: tuple[tuple[str, Callable[[str, bytes], bool]], ...] = (
    ("lfs_pointer", is_lfs_pointer),
    ("binary", is_binary),
    ("not_utf8", is_not_utf8),
    ("minified", is_minified),
    ("generated", is_generated),
)
_MADE_BY_PROGRAMS = ("minified", "generated")


def entry_reason(file: PlacedEntry) -> str | None:
    """Why the file is left out before its content is read, if it is."""
    return next((reason for reason, applies in ENTRY_RULES if applies(file)), None)


def content_reason(suffix: str, data: bytes, *, by_hand: bool = False) -> str | None:
    """Why a file with this suffix and content is left out, if it is.

    Args:
        by_hand: see is_written_by_hand.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    for reason, applies in CONTENT_RULES:
        if not (by_hand and reason in _MADE_BY_PROGRAMS) and applies(suffix, data):
            return reason
    return None
