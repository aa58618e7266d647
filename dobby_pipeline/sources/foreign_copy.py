"""A copy of a foreign database's files, so that the original is neither opened nor changed.

Not here: opening the copy (foreign_database.py).
"""

import errno
import fcntl
import hashlib
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from dobby_pipeline.cozo.kept_open import KEPT_OPEN, wanting
from dobby_pipeline.sources.git_tree import SourceError

SPARE_BYTES = 64_000_000
"""Left free beside two times the database: its copy, and the rows that are taken out of it."""

PATIENCE_S = 2.0
"""How long another process is waited for: a Dobby needs a quarter of a second to let go."""

_PAUSE_S = 0.05

_SQLITE_HEADER = b"SQLite format 3\0"
_MANIFEST_KEY = b"storage_version"
_ADVICE = "give the folder or file of a Cozo database, or the http address of its server"

Listing = Mapping[str, tuple[int, int]]
"""The database's files by relative path, each with its size and its mtime in nanoseconds."""


def looks_like_cozo(path: Path) -> bool:
    """Whether a path is meant as a Cozo database, though it may be a damaged one.

    It opens nothing: a folder with Cozo's manifest or RocksDB's CURRENT in their places, or any
    SQLite file.
    """
    try:
        if path.is_file():
            return _starts_with(path, _SQLITE_HEADER)
        data = path / "data"
        return (data / "CURRENT").is_file() or (data.is_dir() and _is_manifest(path / "manifest"))
    except OSError:
        return False  # who opens it will say why


def files_version(path: Path) -> str:
    """A hash over the names, sizes and mtimes of the database's files.

    Equal as long as nobody has written to them; one who only opens a RocksDB changes it too.

    Raises:
        SourceError: when no database lies there.
    """
    with _told(path):
        listing = sorted(_listing(path).items())
    return "files-" + hashlib.sha256(repr(listing).encode()).hexdigest()


def copied(path: Path, folder: Path) -> tuple[str, Path]:
    """Copy a database into `folder`.

    Returns:
        The engine that reads it, `rocksdb` or `sqlite`, and the path of the copy.

    Raises:
        SourceError: when no whole database lies there, another process has it open or writes to
            it, or there is no room.
    """
    with _told(path):
        engine = _engine(path)
        _refuse_open(path)
        before = _listing(path)
        _require_room(path, folder, sum(size for size, _ in before.values()))
        target = folder / "database"
        for name in before:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(
                path.parent / name if engine == "sqlite" else path / name, target / name
            )
        _refuse_open(path)
        if _listing(path) != before:
            raise SourceError(
                f"{path} was written to while it was copied: stop the process that uses it, or "
                "give its http address"
            )
    if engine == "sqlite":
        target /= path.name
        _check_sqlite(path, target)
    return engine, target


@contextmanager
def work_folder(home: Path) -> Generator[Path]:
    """A folder of this process under DOBBY_HOME, for its user alone, removed at the end.

    Those that a dead process left are removed first. A living one holds a lock on its folder,
    which tells more than a process id where several machines or containers share a home.

    Raises:
        SourceError: when DOBBY_HOME cannot be written.
    """
    root = home / "foreign"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root, wait=True):
            _remove_leftovers(root)
            folder = Path(mkdtemp(dir=root))
            held = _lock(folder, wait=False)
    except OSError as error:
        raise SourceError(
            f"{root} cannot be written ({os.strerror(error.errno or 0)}): make it writable, free "
            "some space, or set DOBBY_HOME to another folder"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _remove_leftovers(root: Path) -> None:
    for folder in root.iterdir():
        try:
            with _locked(folder, wait=False):
                shutil.rmtree(folder, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):
            continue  # a living process reads its copy, or has just removed it


@contextmanager
def _locked(folder: Path, *, wait: bool) -> Generator[None]:
    held = _lock(folder, wait=wait)
    try:
        yield
    finally:
        os.close(held)


def _lock(folder: Path, *, wait: bool) -> int:
    """The open folder, locked until it is closed."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(held)
        raise
    return held


def _engine(path: Path) -> str:
    """`rocksdb` or `sqlite`, by what lies there."""
    if not path.exists():
        raise SourceError(f"{path} does not exist: check the path")
    if not path.is_dir():
        if path.is_file() and _starts_with(path, _SQLITE_HEADER):
            return "sqlite"
        raise SourceError(f"{path} is no Cozo database: {_ADVICE}")
    data = path / "data"
    if not data.is_dir():
        inside = path.name == "data" and (path.parent / "manifest").is_file()
        hint = f": give {path.parent}" if inside else f": {_ADVICE}"
        raise SourceError(f"{path} holds no Cozo database{hint}")
    if not _is_manifest(path / "manifest"):
        raise SourceError(_incomplete(path, "manifest"))
    if not (data / "CURRENT").is_file():
        raise SourceError(_incomplete(path, "data/CURRENT"))
    return "rocksdb"


def _incomplete(path: Path, name: str) -> str:
    return (
        f"{path} is no whole Cozo database ({name} is missing or damaged): copy it anew, or give "
        "another one"
    )


def _listing(path: Path) -> Listing:
    """The files that make up the database; only regular ones, for a pipe would be read for ever."""
    if path.is_dir():
        names = ["manifest", *(f"data/{entry.name}" for entry in (path / "data").iterdir())]
        names = [name for name in names if not name.startswith(("data/LOCK", "data/LOG"))]
        folder = path
    else:
        names, folder = [path.name, f"{path.name}-wal", f"{path.name}-journal"], path.parent
    found: dict[str, tuple[int, int]] = {}
    for name in names:
        try:
            status = (folder / name).stat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            found[name] = (status.st_size, status.st_mtime_ns)
    if not found:
        raise SourceError(f"{path} holds no Cozo database: {_ADVICE}")
    return found


def _refuse_open(path: Path) -> None:
    """See that no other process has the RocksDB open: it would change while it is copied.

    Another Dobby lets go of its database when it is told that somebody waits. Of SQLite files the
    listing tells.
    """
    lock = path / "data" / "LOCK"
    if not lock.is_file():
        return
    KEPT_OPEN.close_all()  # or looking would drop this process's own lock
    end = time.monotonic() + PATIENCE_S
    with wanting(path):
        while _is_locked(lock):
            if time.monotonic() >= end:
                raise SourceError(
                    f"{path} is open in another process: stop it, or give its http address"
                )
            time.sleep(_PAUSE_S)


def _is_locked(lock: Path) -> bool:
    """Whether RocksDB keeps its write lock: a read lock, asked for and let go at once, tells."""
    with lock.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.lockf(file, fcntl.LOCK_UN)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            return True
    return False


def _require_room(path: Path, folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    needed = 2 * size + SPARE_BYTES
    if free < needed:
        raise SourceError(
            f"{path} is read from a copy, which needs {needed // 1_000_000} MB, and "
            f"{folder.parent} has {free // 1_000_000} MB free: free some space, or set DOBBY_HOME "
            "to a folder on another disk"
        )


def _check_sqlite(path: Path, copy: Path) -> None:
    """See that SQLite finds the copy whole, its index included, and Cozo's table in it.

    The engine itself panics on a damaged file, and makes a database of any other one.
    """
    try:
        connection = sqlite3.connect(copy)
        try:
            found = connection.execute(
                "select count(*) from sqlite_master where type = 'table' and name = 'cozo'"
            ).fetchone()
            whole = connection.execute("pragma integrity_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise SourceError(_incomplete(path, "its content")) from error
    if whole != ("ok",):
        raise SourceError(_incomplete(path, "its content"))
    if found != (1,):
        raise SourceError(f"{path} is an SQLite file without Cozo's table: {_ADVICE}")


@contextmanager
def _told(path: Path) -> Generator[None]:
    """What the disk refuses, as a line for the user."""
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"{path} cannot be copied to be read ({os.strerror(error.errno or 0)}): check its "
            "permissions and the space in DOBBY_HOME"
        ) from error


def _is_manifest(path: Path) -> bool:
    """Whether Cozo wrote it: MessagePack with one key, `storage_version`."""
    return path.is_file() and _MANIFEST_KEY in _first_bytes(path)


def _starts_with(path: Path, header: bytes) -> bool:
    return _first_bytes(path).startswith(header)


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)
