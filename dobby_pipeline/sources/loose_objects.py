"""A guard in front of libgit2, which never returns from reading a loose object that is cut off.

Not here: any other reading (git_tree.py). libgit2 up to 1.9 asks zlib for more output for ever
when the input ends early (libgit2 issue 7342), as after a full disk or a power cut. When pygit2
ships a libgit2 with that fixed this module can go.
"""

import re
import zlib
from functools import lru_cache
from pathlib import Path

import pygit2

_OBJECT_ID = re.compile(r"[0-9a-f]{40}")
_CHUNK_BYTES = 1 << 16


class TruncatedObjectError(ValueError):
    """The object's file ends before its content does."""


def refuse_truncated(repository: pygit2.Repository, object_id: str) -> None:
    """Pass for objects that are whole, packed, missing, or damaged in another way.

    Objects that a repository borrows from another through `info/alternates` are not looked at.

    Raises:
        TruncatedObjectError: when libgit2 must not be asked for the object.
    """
    if not _OBJECT_ID.fullmatch(object_id):
        return
    try:
        path = Path(_objects_folder(repository.path), object_id[:2], object_id[2:])
        pending = path.read_bytes()
    except OSError:
        return
    inflater = zlib.decompressobj()
    try:
        while pending and not inflater.eof:
            inflater.decompress(pending, _CHUNK_BYTES)
            pending = inflater.unconsumed_tail
        if not inflater.eof:
            inflater.flush()
    except zlib.error:
        return  # libgit2 notices this itself
    if not inflater.eof:
        raise TruncatedObjectError("the object's file is cut off")


@lru_cache(maxsize=16)
def _objects_folder(git_dir: str) -> Path:
    """The folder of loose objects; a linked work tree shares its main repository's."""
    folder = Path(git_dir)
    common = folder / "commondir"
    return (folder / common.read_text().strip() if common.is_file() else folder) / "objects"
