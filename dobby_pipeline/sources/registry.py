"""The registry: which repositories the user asked for, under which names.

Not here: reading them (reader.py), or the partitions that Dagster knows (partitions.py).
"""

import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.errors import UsageError
from dobby_pipeline.schema.relations import RELATIONS, REPOS
from dobby_pipeline.sources.git_tree import open_repository

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SCP_LIKE = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:.+")


@dataclass(frozen=True)
class Repo:
    """A registered repository.

    Attributes:
        repo: its name, which is its partition key.
        location: absolute path, or a git URL.
        kind: `git`.
        ref: branch, tag or commit to read; HEAD follows the default branch.
        worktree: whether to read the folder's files as they lie there, committed or not.
        added_at: ISO 8601, UTC.
    """

    repo: str
    location: str
    kind: str = "git"
    ref: str = "HEAD"
    worktree: bool = False
    added_at: str = ""

    @property
    def is_url(self) -> bool:
        """Whether the location is reached through git's transports."""
        return is_url(self.location)


def is_url(location: str) -> bool:
    """Whether git would take `location` for a URL rather than a path."""
    return "://" in location or bool(_SCP_LIKE.fullmatch(location))


def checked(repo: Repo) -> Repo:
    """The repository with its location made absolute, if it can be registered.

    Raises:
        UsageError: for a name that cannot be a partition key, or a URL that holds a password.
        SourceError: for a path that is no repository.
    """
    if not _NAME.fullmatch(repo.repo) or ".." in repo.repo:
        raise UsageError(
            f"{repo.repo!r} cannot be a repository's name: use up to 100 letters, digits, "
            "'.', '_' and '-', a letter or digit first"
        )
    return replace(
        repo,
        location=checked_location(repo.location, worktree=repo.worktree),
        added_at=repo.added_at or datetime.now(UTC).isoformat(timespec="seconds"),
    )


def checked_location(location: str, *, worktree: bool = False) -> str:
    """The absolute path of the repository around `location`, or the URL as it is.

    Raises:
        UsageError: for a URL that holds a password, or a work tree that is no folder.
        SourceError: for a path that is no repository.
    """
    if is_url(location):
        if urlsplit(location).password:
            raise UsageError(
                "the URL holds a password, which would be stored: leave it out and let a git "
                "credential helper or ssh answer"
            )
        return location
    path = Path(location).expanduser().absolute()
    if worktree:
        if not path.is_dir():
            raise UsageError(f"{path} is no folder: give the folder whose files are to be read")
        return str(path)
    repository = open_repository(path)
    return str(Path(repository.workdir or repository.path).resolve())


def name_for(location: str) -> str:
    """The name that a repository gets when nobody gives it one: its folder's, made safe."""
    last = re.split(r"[/:\\]", location.rstrip("/"))[-1].removesuffix(".git")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-._")[:100] or "repo"


def add_repo(store: CozoStore, repo: Repo) -> Repo:
    """Register a repository; one that is there already keeps its date.

    Raises:
        UsageError: when the name belongs to another location.
    """
    repo = checked(repo)
    present = find_repo(store, repo.repo)
    if present and present.location != repo.location:
        raise UsageError(
            f"the name {repo.repo!r} belongs to {present.location}: choose another with "
            f"`dobby repos add NAME {repo.location}`, or remove that one first"
        )
    if present:
        repo = replace(repo, added_at=present.added_at)
    store.run("register a repo", REPOS.put(), {"rows": REPOS.rows([asdict(repo)])}, write=True)
    return repo


def list_repos(store: CozoStore) -> list[Repo]:
    """All registered repositories, by name."""
    columns = ", ".join(REPOS.columns)
    rows = store.run("list repos", f"?[{columns}] := *repos{{{columns}}} :order repo")
    return [Repo(**row) for row in rows]


def find_repo(store: CozoStore, name: str) -> Repo | None:
    """The repository of that name, if it is registered."""
    columns = ", ".join(REPOS.values)
    rows = store.run(
        "find a repo",
        f"?[repo, {columns}] := *repos{{repo: $repo, {columns}}}, repo = $repo",
        {"repo": name},
    )
    return Repo(**rows[0]) if rows else None


def get_repo(store: CozoStore, name: str) -> Repo:
    """The repository of that name.

    Raises:
        UsageError: when it is not registered; the line says which are.
    """
    repo = find_repo(store, name)
    if repo is None:
        names = ", ".join(r.repo for r in list_repos(store)[:8]) or "none yet"
        raise UsageError(
            f"no repository named {name!r} is registered (registered: {names}): "
            f"add it with `dobby repos add {name} LOCATION`"
        )
    return repo


def remove_repo(store: CozoStore, name: str) -> Repo:
    """Forget a repository and every row of it, in one transaction.

    Summary bodies stay: they belong to their content, which another repo may share.

    Raises:
        UsageError: when it is not registered.
    """
    repo = get_repo(store, name)
    blocks: list[str] = []
    for relation in RELATIONS.values():
        if relation.keys[0] == "repo":
            keys = ", ".join(relation.keys)
            bound = ", ".join(["repo: $repo", *relation.keys[1:]])
            blocks.append(
                f"{{?[{keys}] := *{relation.name}{{{bound}}}, repo = $repo "
                f":rm {relation.name} {{{keys}}}}}"
            )
    store.run("remove a repo", "\n".join(blocks), {"repo": name}, write=True)
    return repo
