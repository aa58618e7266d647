"""Digests of files, and the error for one that is not what it should be.

Not here: where the expected digests come from (manifests, the registry, the hub, the record).
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from dobby_pipeline.inference.models.manifests import ModelError

_CHUNK = 1 << 20


class WrongHash(ModelError):
    """A file is not the one that was named."""


def sha256(file: Path, advance: Callable[[int], None] = lambda _: None) -> str:
    """The SHA-256 of a file in hex; `advance` hears how many bytes have been read so far."""
    digest = hashlib.sha256()
    done = 0
    for chunk in _chunks(file):
        digest.update(chunk)
        done += len(chunk)
        advance(done)
    return digest.hexdigest()


def git_blob_id(file: Path) -> str:
    """The id git gives a file's content, which is all the hub tells about a small file."""
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    for chunk in _chunks(file):
        digest.update(chunk)
    return digest.hexdigest()


def require(file: Path, name: str, expected: str, got: str) -> None:
    """Remove the file and raise WrongHash unless the digests are equal."""
    if expected != got:
        file.unlink()
        raise WrongHash(
            f"{name}: wrong hash, expected {expected}, got {got}: nothing of it was kept; pull it "
            "again, and if it stays so the source has changed and is not to be trusted"
        )


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk
