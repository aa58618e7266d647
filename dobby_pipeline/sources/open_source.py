"""From a registered repository, of whatever kind, to the source that its records are read from.

Not here: the registry (registry.py), git (checkout.py, reader.py) and databases (foreign.py).
"""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from dobby_pipeline.settings import Settings
from dobby_pipeline.sources.checkout import checkout, latest_commit
from dobby_pipeline.sources.foreign import foreign_source
from dobby_pipeline.sources.foreign_copy import files_version, looks_like_cozo, work_folder
from dobby_pipeline.sources.foreign_database import foreign_database
from dobby_pipeline.sources.foreign_rows import check_columns
from dobby_pipeline.sources.reader import GitSource
from dobby_pipeline.sources.records import Source
from dobby_pipeline.sources.registry import Repo, is_url


@contextmanager
def open_source(repo: Repo, home: Path) -> Generator[Source]:
    """The repository as it is now, readable until the context ends.

    Args:
        repo: as it is registered.
        home: DOBBY_HOME, where clones and copies are kept; a database's copy goes with the
            context, whether or not it ends well.

    Raises:
        SourceError: when it cannot be reached or read, or lacks what is to be read.
    """
    if repo.kind == "git":
        found = checkout(repo, home)
        yield GitSource(found.repository, found.commit)
        return
    auth = Settings.from_env().source_cozo_auth
    with (
        work_folder(home) as folder,
        closing(sqlite3.connect(folder / "rows.sqlite", check_same_thread=False)) as spool,
    ):
        with foreign_database(repo.location, folder, auth) as database:
            source = foreign_source(database, repo.kind, repo.columns, spool)
        yield source


def check_source(repo: Repo, home: Path) -> None:
    """See that a repository can be reached and has what is to be read, before it is registered.

    Raises:
        SourceError: when not; as `open_source`.
    """
    if repo.kind == "git":
        latest_commit(repo)
        return
    auth = Settings.from_env().source_cozo_auth
    with (
        work_folder(home) as folder,
        foreign_database(repo.location, folder, auth) as database,
    ):
        check_columns(database, repo.kind, repo.columns)


def latest_version(repo: Repo) -> str | None:
    """What tells whether the repository has changed, found without reading it.

    For git the commit that the ref names, which is what `Source.version` will be. For a database
    on this disk a hash over its files' names, sizes and mtimes: not `Source.version`, and one who
    opens a RocksDB changes it without changing a row, so it can only say that a look is due.

    Returns:
        None where the state has no cheap name: a work tree, and a Cozo server, which would have
        to read every row to tell.

    Raises:
        SourceError: when the location cannot be reached, or the ref is not there.
    """
    if repo.kind == "git":
        return latest_commit(repo)
    return None if is_url(repo.location) else files_version(Path(repo.location))


def detect_kind(location: str) -> str:
    """The kind that a bare target is registered as: `parseltongue` for a Cozo database, else `git`.

    A relation of another database has no columns that could be guessed: check_source says so.
    """
    path = Path(location).expanduser()
    return "parseltongue" if not is_url(location) and looks_like_cozo(path) else "git"
