"""Where a source can be looked at: its lines at the commit, on the forge that is known to hold it.

Nothing is asked over the network: whether the commit was pushed there is not known. Not here: how
a link is written down (export_text.py).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pygit2

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.sources.git_tree import SourceError, open_repository
from dobby_pipeline.sources.registry import Repo

_SCP_LIKE = re.compile(r"(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^\s]+)")
_PART = re.compile(r"[A-Za-z0-9_.~-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ESCAPED_BYTE = re.compile(rb"\\x(5c|[89a-f][0-9a-f])")

_TRANSPORTS = frozenset({"https", "http", "ssh", "git", "git+ssh"})

_HOSTS = {
    "github.com": "github.com",
    "www.github.com": "github.com",
    "ssh.github.com": "github.com",
    "gitlab.com": "gitlab.com",
    "altssh.gitlab.com": "gitlab.com",
    "bitbucket.org": "bitbucket.org",
    "altssh.bitbucket.org": "bitbucket.org",
    "codeberg.org": "codeberg.org",
}
"""Hosts that git reaches a forge by, and the one that shows its pages. The `ssh` ones answer on
port 443 for networks that close port 22."""

_PAGES = {
    "github.com": ("/blob/{commit}/{path}", "#L{start}-L{end}"),
    "gitlab.com": ("/-/blob/{commit}/{path}", "#L{start}-{end}"),
    "bitbucket.org": ("/src/{commit}/{path}", "#lines-{start}:{end}"),
    "codeberg.org": ("/src/commit/{commit}/{path}", "#L{start}-L{end}"),
}
"""A file at a commit, and what is added for its lines."""


@dataclass(frozen=True)
class Forge:
    """A repository's pages on the web.

    Attributes:
        host: one of those in _PAGES.
        project: owner and name, on gitlab.com the groups between them as well.
    """

    host: str
    project: str

    @property
    def url(self) -> str:
        """Of its front page; it never holds a user or a password."""
        return f"https://{self.host}/{self.project}"

    def page(self, row: Row) -> str | None:
        """Where the summary's source stands; None where its commit is no git commit.

        A symbol's is its lines, any other's the whole file, directory or repository.
        """
        if not _COMMIT.fullmatch(row["commit"]):
            return None
        page, lines = _PAGES[self.host]
        if row["level"] != "symbol":
            lines = ""
        if row["level"] in ("directory", "repo"):
            page = page.replace("/blob/", "/tree/")
        return self.url + (page + lines).format(
            commit=row["commit"],
            path=quote(_as_git_has_it(row["path"]), safe="/"),
            start=row.get("start_line"),
            end=row.get("end_line"),
        ).rstrip("/")


def forge_of(repo: Repo) -> Forge | None:
    """Where the repository's commits can be looked at.

    By the registered URL, or for a path by its remote `origin`. None for a database or a work
    tree, whose states are no commits of a forge, and where the forge is not known.
    """
    if repo.kind != "git" or repo.worktree:
        return None
    return forge_at(repo.location if repo.is_url else _origin(Path(repo.location)))


def forge_at(url: str) -> Forge | None:
    """The forge that a URL of git names, by any transport; None for others and for paths."""
    try:
        split = urlsplit(url)
        host, path = split.hostname or "", split.path
    except ValueError:
        return None
    if "://" not in url:
        like = _SCP_LIKE.fullmatch(url)
        host, path = (like["host"].lower(), like["path"]) if like else ("", "")
    elif split.scheme not in _TRANSPORTS:
        return None
    shown = _HOSTS.get(host)
    parts = unquote(path).strip("/").removesuffix(".git").split("/")
    is_project = len(parts) == 2 or (shown == "gitlab.com" and len(parts) > 2)
    if not shown or not is_project or not all(_is_name(part) for part in parts):
        return None
    return Forge(shown, "/".join(parts))


def _is_name(part: str) -> bool:
    return bool(_PART.fullmatch(part)) and part.strip(".") != ""


def _origin(location: Path) -> str:
    """The URL of the remote `origin`; empty where there is none, or nothing can be read."""
    try:
        return open_repository(location).remotes["origin"].url or ""
    except (SourceError, KeyError, ValueError, pygit2.GitError):
        return ""


def _as_git_has_it(path: str) -> bytes:
    """The bytes of a path that `git_tree.display_path` made readable."""
    return _ESCAPED_BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), path.encode())
