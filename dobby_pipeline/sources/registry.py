"""The registry: which repositories the user asked for, under which names.

Not here: reading them (reader.py, foreign.py), or the partitions that Dagster knows
(partitions.py).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from dobby_pipeline.cozo.relation import checked_name
from dobby_pipeline.cozo.store import CozoStore, HeldStore, StoreError
from dobby_pipeline.errors import UsageError
from dobby_pipeline.schema.audit import Event, audited, person
from dobby_pipeline.schema.relations import RELATIONS, REPOS
from dobby_pipeline.sources.git_tree import SourceError, open_repository
from dobby_pipeline.sources.secrets import redact

DATABASE_KINDS = ("cozo", "parseltongue")
"""Kinds whose location is a Cozo database: a folder, a file, or the http address of a server."""

REQUIRED_COLUMNS = ("relation", "key", "code")
OPTIONAL_COLUMNS = ("path", "language")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SCP_LIKE = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:.+")


@dataclass(frozen=True)
class Repo:
    """A registered repository.

    Attributes:
        repo: its name, which is its partition key.
        location: absolute path, or a URL.
        kind: `git`, or one of DATABASE_KINDS.
        ref: branch, tag or commit to read; HEAD follows the default branch.
        worktree: whether to read the folder's files as they lie there, committed or not.
        columns: for kind cozo the names of the relation and of its columns, by
            REQUIRED_COLUMNS and those of OPTIONAL_COLUMNS that are given; otherwise empty.
        added_at: ISO 8601, UTC.
    """

    repo: str
    location: str
    kind: str = "git"
    ref: str = "HEAD"
    worktree: bool = False
    columns: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
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

    Whether a database opens and has the columns is open_source.check_source's to find out.

    Raises:
        UsageError: for a name that cannot be a partition key, a URL that holds a password, or
            options that do not belong to the kind.
        SourceError: for a path that is no repository, or where no database lies.
    """
    if not _NAME.fullmatch(repo.repo) or ".." in repo.repo:
        raise UsageError(
            f"{repo.repo!r} cannot be a repository's name: use up to 100 letters, digits, "
            "'.', '_' and '-', a letter or digit first"
        )
    if repo.kind in DATABASE_KINDS:
        _check_database_options(repo)
        location = database_location(repo.location)
    else:
        _check_git_options(repo)
        location = checked_location(repo.location, worktree=repo.worktree)
    return replace(
        repo,
        location=location,
        added_at=repo.added_at or datetime.now(UTC).isoformat(timespec="seconds"),
    )


def checked_location(location: str, *, worktree: bool = False) -> str:
    """The absolute path of the repository around `location`, or the URL as it is.

    Raises:
        UsageError: for a URL that holds a password or a token, or a work tree that is no folder.
        SourceError: for a path that is no repository.
    """
    if is_url(location):
        if urlsplit(location).password:
            raise UsageError(
                "the URL holds a password, which would be stored: leave it out and let a git "
                "credential helper or ssh answer"
            )
        if found := redact(location.encode()).found:
            raise UsageError(
                f"the URL holds what looks like a secret ({', '.join(found)}), which would be "
                "stored: leave it out and let a git credential helper or ssh answer"
            )
        return location
    path = Path(location).expanduser().absolute()
    if worktree:
        if not path.is_dir():
            raise UsageError(f"{path} is no folder: give the folder whose files are to be read")
        return str(path)
    repository = open_repository(path)
    folder = Path(repository.workdir or repository.path)
    if not (folder / ".git").exists():
        folder = Path(repository.path)  # its work tree, if there is one, does not lead back to it
    return str(folder.resolve())


def database_location(location: str) -> str:
    """The absolute path of a database, or the http address of a Cozo server as it is.

    Raises:
        UsageError: for an address that holds a secret, or is not http.
        SourceError: for a path where nothing is.
    """
    if not is_url(location):
        path = Path(location).expanduser().absolute()
        if not path.exists():
            raise SourceError(f"{path} does not exist: check the path")
        return str(path)
    try:
        url = urlsplit(location)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        raise UsageError("the address of the Cozo server cannot be read: check it") from None
    if "@" in url.netloc or url.query or url.fragment:
        raise UsageError(
            "the address of the Cozo server holds a user, a password or a query, which would be "
            "stored: give http://HOST:PORT, and the token in DOBBY_SOURCE_COZO_AUTH"
        )
    if not usable:
        raise UsageError(f"{location} is no http address: give http://HOST:PORT, or a path")
    return location.rstrip("/")


def _check_git_options(repo: Repo) -> None:
    if repo.kind != "git":
        kinds = ", ".join(("git", *DATABASE_KINDS))
        raise UsageError(f"there is no kind {repo.kind!r}: give one of {kinds}")
    if repo.columns:
        raise UsageError(
            f"{_options(repo.columns)} say where code stands in a database: add --kind cozo, or "
            "leave them out"
        )


def _check_database_options(repo: Repo) -> None:
    if repo.ref != "HEAD" or repo.worktree:
        given = "--worktree" if repo.worktree else "--ref"
        raise UsageError(f"{given} belongs to git repositories: leave it out with {repo.kind}")
    if repo.kind == "parseltongue" and repo.columns:
        raise UsageError(
            f"{_options(repo.columns)}: the columns of a Parseltongue database are known: leave "
            "them out, or give --kind cozo"
        )
    missing = [name for name in REQUIRED_COLUMNS if not repo.columns.get(name)]
    if repo.kind == "cozo" and missing:
        raise UsageError(f"--kind cozo needs {_options(missing)}: name what is to be read")
    for option, name in repo.columns.items():
        if option not in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS):
            raise UsageError(f"there is no option --{option}")
        try:
            checked_name(name)
        except ValueError as error:
            raise UsageError(
                f"--{option} {name!r} cannot be read: a relation or column that Dobby reads has "
                "a name of ASCII letters, digits and '_', a letter first"
            ) from error


def _options(names: Iterable[str]) -> str:
    return ", ".join(f"--{name}" for name in names)


def name_for(location: str) -> str:
    """The name that a repository gets when nobody gives it one: its folder's, made safe."""
    last = re.split(r"[/:\\]", location.rstrip("/"))[-1].removesuffix(".git")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-._")[:100] or "repo"


def add_repo(store: CozoStore, repo: Repo, actor: str = "") -> Repo:
    """Register a repository; one that is there already keeps its date.

    What changes the registry stands in the audit log, in the same transaction.

    Args:
        actor: who registers it; whoever runs this process where it is empty.

    Raises:
        UsageError: when the name belongs to another location.
    """
    repo = checked(repo)
    with store.held("register a repo") as held:
        present = find_repo(held, repo.repo)
        if present and present.location != repo.location:
            raise UsageError(
                f"the name {repo.repo!r} belongs to {present.location}: choose another with "
                f"`dobby repos add NAME {repo.location}`, or remove that one first"
            )
        if present:
            repo = replace(repo, added_at=present.added_at)
        if repo == present:
            return repo
        block, params = audited([Event("registered", repo.repo, _told(repo), actor or person())])
        rows = {"rows": REPOS.rows([asdict(repo)]), **params}
        # Of two processes that register one name at once on a server, one is refused.
        put = REPOS.put() if present else REPOS.put().replace(":put ", ":insert ", 1)
        try:
            held.run("register a repo", f"{put} {block}", rows, write=True)
        except StoreError:
            first = None if present else find_repo(held, repo.repo)
            if first is None:
                raise
            raise UsageError(
                f"the name {repo.repo!r} was just given to {first.location}: choose another"
            ) from None
    return repo


def _told(repo: Repo) -> dict[str, str]:
    """What the audit log keeps of a registration."""
    return {"location": repo.location, "kind": repo.kind, "ref": repo.ref}


def list_repos(store: CozoStore | HeldStore) -> list[Repo]:
    """All registered repositories, by name."""
    columns = ", ".join(REPOS.columns)
    rows = store.run("list repos", f"?[{columns}] := *repos{{{columns}}} :order repo")
    return [Repo(**row) for row in rows]


def last_read(store: CozoStore | HeldStore) -> dict[str, tuple[str, str]]:
    """By repository that was ever read, the commit and the time of the last whole reading.

    The commit is empty where a later reading was cut off: what is stored is then of neither.
    """
    rows = store.run(
        "read snapshots",
        "?[repo, commit, content, updated_at] := *snapshots{repo, commit, content, updated_at}",
    )
    return {
        row["repo"]: (row["commit"] if row["content"] else "", row["updated_at"]) for row in rows
    }


def find_repo(store: CozoStore | HeldStore, name: str) -> Repo | None:
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
    """Forget a repository and every row of it, in one transaction with the audit log's row.

    Summary bodies stay: they belong to their content, which another repo may share.

    Raises:
        UsageError: when it is not registered.
    """
    repo = get_repo(store, name)
    blobs = "?[blob, repo, path] := *source_files{repo: $repo, path, blob}, repo = $repo"
    blocks = [f"{{{blobs} :rm file_blobs {{blob, repo, path}}}}"]
    for relation in RELATIONS.values():
        if relation.keys[0] == "repo":
            keys = ", ".join(relation.keys)
            bound = ", ".join(["repo: $repo", *relation.keys[1:]])
            blocks.append(
                f"{{?[{keys}] := *{relation.name}{{{bound}}}, repo = $repo "
                f":rm {relation.name} {{{keys}}}}}"
            )
    block, params = audited([Event("removed", name, _told(repo))])
    script = "\n".join([*blocks, block])
    store.run("remove a repo", script, {"repo": name, **params}, write=True)
    return repo
