"""Which listed files give no records, and why: one small rule a reason, in order.

Not here: `unsupported`, `unparsable` and `no_symbols`, which the reader finds out by trying.
"""

from collections.abc import Callable

from pygit2.enums import FileMode

from dobby_pipeline.sources.git_tree import TreeEntry

MAX_FILE_BYTES = 1024 * 1024
"""Files written by hand stay below; above lie generated code and data. It also bounds the time
and memory that one file can take: see the slow cases in test_extraction.py."""

_BINARY_PREFIX_BYTES = 8000  # git's own, FIRST_FEW_BYTES in xdiff-interface.c
_LFS_HEADER = b"version https://git-lfs.github.com/spec/v1\n"
_LFS_MAX_BYTES = 1024  # the specification's bound on a pointer file


def is_submodule(entry: TreeEntry) -> bool:
    """A commit of another repository."""
    return entry.mode == FileMode.COMMIT


def is_symlink(entry: TreeEntry) -> bool:
    """A link's blob holds only the name of what it points to."""
    return entry.mode == FileMode.LINK


def is_missing(entry: TreeEntry) -> bool:
    """The blob is not in this repository, as in a partial clone."""
    return entry.size is None


def is_too_large(entry: TreeEntry) -> bool:
    """Judged by the object's header: the content is not loaded."""
    return entry.size is not None and entry.size > MAX_FILE_BYTES


def is_lfs_pointer(data: bytes) -> bool:
    """The content lies on a Git LFS server."""
    return len(data) < _LFS_MAX_BYTES and data.startswith(_LFS_HEADER)


def is_binary(data: bytes) -> bool:
    """A NUL byte near the start, as git decides it. UTF-16 text counts as binary here too."""
    return b"\0" in data[:_BINARY_PREFIX_BYTES]


def is_not_utf8(data: bytes) -> bool:
    """Text in another encoding, which could only be guessed."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


ENTRY_RULES: tuple[tuple[str, Callable[[TreeEntry], bool]], ...] = (
    ("submodule", is_submodule),
    ("symlink", is_symlink),
    ("unreadable", is_missing),
    ("too_large", is_too_large),
)
CONTENT_RULES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("lfs_pointer", is_lfs_pointer),
    ("binary", is_binary),
    ("not_utf8", is_not_utf8),
)


def entry_reason(entry: TreeEntry) -> str | None:
    """Why the file is left out before its content is read, if it is."""
    return next((reason for reason, applies in ENTRY_RULES if applies(entry)), None)


def content_reason(data: bytes) -> str | None:
    """Why a file with this content is left out, if it is."""
    return next((reason for reason, applies in CONTENT_RULES if applies(data)), None)
