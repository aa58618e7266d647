"""What a commit's tree says of each of its files by where it lies: folder by folder.

Not here: the order of the reasons (skip_rules.py). A folder's `.dobbyignore` and `.gitattributes`
are looked up when the folder is entered, since git lists files such as `!x` in front of them, and
forgotten when it is left: what is held grows with the depth of the tree, not with its files.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import pygit2
from pygit2.enums import FileMode

from dobby_pipeline.sources.attributes import (
    ATTRIBUTES_FILE,
    GENERATED,
    VENDORED,
    Attributes,
    Macros,
    State,
)
from dobby_pipeline.sources.dobbyignore import IGNORE_FILE, ignore_patterns
from dobby_pipeline.sources.generated import is_generated_folder
from dobby_pipeline.sources.git_tree import (
    TreeEntry,
    UnreadableBlobError,
    display_path,
    entry_in,
    read_blob,
    walk_tree,
)
from dobby_pipeline.sources.path_patterns import Patterns
from dobby_pipeline.sources.vendored import is_vendored_folder

Value = TypeVar("Value")

MAX_RULE_FILE_BYTES = 1024 * 1024

_FILE_MODES = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Scope(Generic[Value]):
    """The patterns of a folder's file, and in front of which others they count."""

    folder: bytes
    patterns: Patterns[Value]
    outer: "_Scope[Value] | None"


@dataclass(frozen=True, slots=True)
class Folder:
    """What holds for the files of one folder.

    Attributes:
        ignored: `.dobbyignore` excludes the folder or one around it, so nothing in it comes back.
        vendored: by its path or that of one around it.
        generated: likewise.
        ignore_scopes: files of `.dobbyignore` that count here, the nearest first.
        vendored_scopes: lines about `linguist-vendored`, likewise.
        generated_scopes: lines about `linguist-generated`, likewise.
        macros: what the topmost `.gitattributes` defines.
    """

    ignored: bool = False
    vendored: bool = False
    generated: bool = False
    ignore_scopes: _Scope[bool] | None = None
    vendored_scopes: _Scope[State] | None = None
    generated_scopes: _Scope[State] | None = None
    macros: Macros | None = None


@dataclass(frozen=True, slots=True)
class PlacedEntry:
    """A listed file with what its place in the tree says of it.

    Attributes:
        entry: as git lists it.
        folder: what its folder says.
        ignored: by `.dobbyignore`.
        vendored: the state of `linguist-vendored`.
        generated: the state of `linguist-generated`.
    """

    entry: TreeEntry
    folder: Folder
    ignored: bool
    vendored: State
    generated: State


def placed_entries(repository: pygit2.Repository, commit: str) -> Iterator[PlacedEntry]:
    """Each file that `git ls-tree -r` lists, in its order.

    Raises:
        SourceError: while iterating, when a tree cannot be read.
    """

    def enter(parent: Folder | None, path: bytes, tree: pygit2.Tree) -> Folder:
        return _entered(repository, parent, path, tree)

    for entry, folder in walk_tree(repository, commit, enter):
        yield PlacedEntry(
            entry,
            folder,
            folder.ignored or _said(folder.ignore_scopes, entry.raw_path) is True,
            _said(folder.vendored_scopes, entry.raw_path) or State.UNSPECIFIED,
            _said(folder.generated_scopes, entry.raw_path) or State.UNSPECIFIED,
        )


def _entered(
    repository: pygit2.Repository, parent: Folder | None, path: bytes, tree: pygit2.Tree
) -> Folder:
    outer = parent or Folder()
    shown = display_path(path)
    ignored = outer.ignored or _said(outer.ignore_scopes, path[:-1], is_folder=True) is True
    ignore_scopes = outer.ignore_scopes
    ignore_data = None if ignored else _rule_file(repository, tree, path, IGNORE_FILE)
    if ignore_data:
        ignore_scopes = _inside(path, ignore_patterns(ignore_data), ignore_scopes)
    vendored_scopes, generated_scopes = outer.vendored_scopes, outer.generated_scopes
    macros = outer.macros
    attributes_data = None if ignored else _rule_file(repository, tree, path, ATTRIBUTES_FILE)
    if attributes_data:
        attributes = Attributes(attributes_data, macros=macros)
        macros = attributes.macros
        vendored_scopes = _inside(path, attributes.patterns[VENDORED], vendored_scopes)
        generated_scopes = _inside(path, attributes.patterns[GENERATED], generated_scopes)
    return Folder(
        ignored=ignored,
        vendored=outer.vendored or is_vendored_folder(shown),
        generated=outer.generated or is_generated_folder(shown),
        ignore_scopes=ignore_scopes,
        vendored_scopes=vendored_scopes,
        generated_scopes=generated_scopes,
        macros=macros if macros is not None else {},
    )


def _inside(
    folder: bytes, patterns: Patterns[Value], outer: _Scope[Value] | None
) -> _Scope[Value] | None:
    return _Scope(folder, patterns, outer) if patterns else outer


def _said(scope: _Scope[Value] | None, path: bytes, *, is_folder: bool = False) -> Value | None:
    """What the nearest file that has a pattern for the path says of it."""
    while scope is not None:
        value = scope.patterns.last_match(path[len(scope.folder) :], is_folder=is_folder)
        if value is not None:
            return value
        scope = scope.outer
    return None


def _rule_file(
    repository: pygit2.Repository, tree: pygit2.Tree, folder: bytes, name: str
) -> bytes | None:
    """The content of a folder's rule file; one that cannot be used is left out with a warning."""
    entry = entry_in(repository, tree, folder, name)
    if entry is None or entry.mode not in _FILE_MODES:
        return None
    try:
        if entry.size is not None and entry.size > MAX_RULE_FILE_BYTES:
            problem = f"it is larger than {MAX_RULE_FILE_BYTES} bytes"
        else:
            data = read_blob(repository, entry.path, entry.blob_id)
            data.decode()
            return data
    except UnicodeDecodeError:
        problem = "it is not UTF-8"
    except UnreadableBlobError as error:
        problem = str(error)
    _log.warning("%r is ignored, its rules do not count: %s", entry.path, problem)
    return None
