"""Reading a git repository's committed trees: opening, resolving a ref, listing, blobs.

Not here: what is made of the files (reader.py), clones and work trees (checkout.py).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import pygit2
from pygit2.enums import BranchType, FileMode

from dobby_pipeline.errors import DobbyError
from dobby_pipeline.sources.loose_objects import TruncatedObjectError, refuse_truncated

FolderState = TypeVar("FolderState")

SHOWN_BRANCHES = 8

# libgit2 refuses repositories of another user, because their configuration can name programs
# to run. We only read objects, which runs none of them, and a repository mounted into a container
# or shared in a team usually belongs to somebody else.
pygit2.settings.owner_validation = False
# Each object is read once. libgit2 would keep up to 256 MB of the trees already listed.
pygit2.settings.enable_caching(False)

_READ_ERRORS = (KeyError, ValueError, OSError, pygit2.GitError)
_LOOKS_ESCAPED = re.compile(rb"\\(?=x(?:5c|[89a-f][0-9a-f]))")


class SourceError(DobbyError):
    """A repository, a ref or a tree cannot be read."""


class UnreadableBlobError(SourceError):
    """One file's content is missing or damaged; the others can still be read."""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One line of `git ls-tree -r`.

    Attributes:
        raw_path: as git stores it.
        path: see display_path.
        mode: git's file mode, such as 0o100644.
        blob_id: hex id of the blob; of the commit for a submodule.
        size: in bytes; 0 for a submodule, None when the blob is not in the repository.
    """

    raw_path: bytes
    path: str
    mode: int
    blob_id: str
    size: int | None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


def open_repository(location: Path) -> pygit2.Repository:
    """The repository that `location` is or lies in: bare, shallow, or any folder of a work tree.

    Raises:
        SourceError: when there is none, or libgit2 cannot read its format.
    """
    where = _one_line(str(location))
    if not location.exists():
        raise SourceError(f"{where} does not exist: check the path")
    if not location.is_dir():
        raise SourceError(f"{where} is a file: give the repository's folder")
    try:
        git_dir = pygit2.discover_repository(str(location))
        if git_dir is not None:
            return pygit2.Repository(git_dir)
    except _READ_ERRORS as error:
        raise SourceError(
            f"{where} cannot be opened by libgit2 ({_reason(error)}): check it with `git fsck`, or "
            "pass --worktree to read the folder as it is"
        ) from error
    raise SourceError(
        f"{where} is not a git repository: run `git init` there and commit, or pass --worktree "
        "to read the folder as it is"
    )


def resolve_commit(repository: pygit2.Repository, ref: str) -> str:
    """The hex id of the commit that a branch, tag, remote branch, HEAD or id names.

    Raises:
        SourceError: when it names none; the message lists branches that exist.
    """
    try:
        refuse_truncated(repository, _target(repository, ref))
        return str(repository.revparse_single(ref).peel(pygit2.Commit).id)
    except TruncatedObjectError as error:
        raise SourceError(
            f"{_place(repository)}: the commit of {ref!r} cannot be read ({error}): run `git fsck`"
        ) from error
    except _READ_ERRORS as error:
        raise SourceError(_no_commit(repository, ref)) from error


def list_tree(repository: pygit2.Repository, commit: str) -> Iterator[TreeEntry]:
    """What `git ls-tree -r` lists, in its order: blobs, symlinks and submodules.

    Raises:
        SourceError: while iterating, when a tree object is missing or damaged.
    """
    for entry, _ in walk_tree(repository, commit, lambda _parent, _path, _tree: None):
        yield entry


def walk_tree(
    repository: pygit2.Repository,
    commit: str,
    enter: Callable[[FolderState | None, bytes, pygit2.Tree], FolderState],
) -> Iterator[tuple[TreeEntry, FolderState]]:
    """As list_tree, each entry with what `enter` returned for its folder.

    Args:
        enter: called as each folder is entered, with what it returned for the folder around it
            (None for the root), the folder's raw path with `/` at its end, and its tree.

    Raises:
        SourceError: while iterating, when a tree object is missing or damaged.
    """
    root = _subtree(repository, commit, b"")
    # The stack is ours, not Python's: folders may be nested thousands deep.
    pending = [(b"", iter(root), enter(None, b"", root))]
    while pending:
        folder, entries, state = pending[-1]
        entry = next(entries, None)
        if entry is None:
            pending.pop()
            continue
        path = folder + (entry.raw_name or b"")
        if entry.filemode == FileMode.TREE:
            tree = _subtree(repository, str(entry.id), path)
            pending.append((path + b"/", iter(tree), enter(state, path + b"/", tree)))
        else:
            yield _tree_entry(repository, entry, path), state


def entry_in(
    repository: pygit2.Repository, tree: pygit2.Tree, folder: bytes, name: str
) -> TreeEntry | None:
    """What a folder's tree holds under a name; None when there is nothing, or a folder.

    Args:
        tree: of the folder.
        folder: its raw path, with `/` at its end unless it is the root.
        name: of one file, without `/`.
    """
    if name not in tree:
        return None
    entry = tree[name]
    if entry.filemode == FileMode.TREE:
        return None
    return _tree_entry(repository, entry, folder + name.encode())


def tree_id(repository: pygit2.Repository, commit: str) -> str:
    """The hex id of a commit's tree.

    Raises:
        SourceError: when the commit is missing or damaged.
    """
    try:
        return str(repository[commit].peel(pygit2.Commit).tree_id)
    except _READ_ERRORS as error:
        raise SourceError(
            f"{_place(repository)}: the commit {commit} cannot be read ({_reason(error)}): run "
            "`git fsck` there, or fetch again"
        ) from error


def read_blob(repository: pygit2.Repository, path: str, blob_id: str) -> bytes:
    """A listed file's content.

    Raises:
        UnreadableBlobError: when the object is missing (a partial clone) or damaged.
    """
    try:
        refuse_truncated(repository, blob_id)
        return repository.odb.read(blob_id)[1]
    except _READ_ERRORS as error:
        raise UnreadableBlobError(
            f"{_one_line(path)}: blob {blob_id} cannot be read ({_reason(error)}): run "
            "`git fsck`, and `git fetch --refetch` if this is a partial clone"
        ) from error


def display_path(raw: bytes) -> str:
    r"""A path as text that the store can hold, a different one for each path.

    Bytes that are not UTF-8 become `\xff` escapes. A backslash that is really in the name and
    would read as such an escape is escaped itself, as `\x5c`.
    """
    return _LOOKS_ESCAPED.sub(rb"\\x5c", raw).decode("utf-8", "backslashreplace")


def _subtree(repository: pygit2.Repository, object_id: str, path: bytes) -> pygit2.Tree:
    try:
        refuse_truncated(repository, object_id)
        # The stubs know only objects here, and Commit as something else.
        found = cast("pygit2.Object | pygit2.Commit", repository[object_id])
        if isinstance(found, pygit2.Commit):
            refuse_truncated(repository, str(found.tree_id))
        return found.peel(pygit2.Tree)
    except _READ_ERRORS as error:
        folder = _one_line(display_path(path)) or "its root"
        raise SourceError(
            f"{_place(repository)}: the tree of {folder} at {object_id} cannot be read "
            f"({_reason(error)}): run `git fsck` there, or fetch again"
        ) from error


def _target(repository: pygit2.Repository, ref: str) -> str:
    """The id that a reference holds; what is no reference may be an id itself."""
    try:
        return str(repository.lookup_reference_dwim(ref).resolve().target)
    except _READ_ERRORS:
        return ref


def _tree_entry(repository: pygit2.Repository, entry: pygit2.Object, path: bytes) -> TreeEntry:
    size: int | None = 0
    if entry.filemode != FileMode.COMMIT:
        try:
            size = repository.odb.read_header(entry.id)[1]
        except _READ_ERRORS:
            size = None
    return TreeEntry(path, display_path(path), int(entry.filemode), str(entry.id), size)


def _no_commit(repository: pygit2.Repository, ref: str) -> str:
    where = _place(repository)
    branches = [display_path(name) for name in repository.raw_listall_branches(BranchType.ALL)]
    if not branches and repository.head_is_unborn:
        return f"{where} has no commits yet: commit something first"
    shown = ", ".join(_one_line(name) for name in branches[:SHOWN_BRANCHES])
    more = f" and {len(branches) - SHOWN_BRANCHES} more" if len(branches) > SHOWN_BRANCHES else ""
    known = f"its branches are {shown}{more}" if branches else "it has no branches"
    return f"{where} has no branch, tag or commit {ref!r}: {known}"


def _place(repository: pygit2.Repository) -> str:
    return _one_line((repository.workdir or repository.path).rstrip("/"))


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)
