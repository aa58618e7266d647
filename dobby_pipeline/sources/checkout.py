"""From a registered repository to a git repository on this disk and the commit to read.

Not here: reading the commit's tree (git_tree.py). Nothing is ever written to the user's own
repository; clones and shadows live under DOBBY_HOME.
"""

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pygit2

from dobby_pipeline.sources.git_tree import SourceError, open_repository, resolve_commit
from dobby_pipeline.sources.registry import Repo

FETCH_TIMEOUT_S = 900
LS_REMOTE_TIMEOUT_S = 10

_COMMIT_ID = re.compile(r"[0-9a-f]{40}")
_SHORT_ID = re.compile(r"[0-9a-f]{4,39}")
_SYMREF = re.compile(r"^ref: (refs/\S+)\tHEAD$", re.MULTILINE)
_HEAD = re.compile(r"^([0-9a-f]{40})\tHEAD$", re.MULTILINE)
_SHADOW_AUTHOR = ("-c", "user.name=dobby", "-c", "user.email=dobby@localhost")


@dataclass(frozen=True)
class Checkout:
    """A readable git repository and the commit that the ref names there."""

    repository: pygit2.Repository
    commit: str


def checkout(repo: Repo, home: Path) -> Checkout:
    """Fetch or snapshot what must be, and resolve the ref.

    Raises:
        SourceError: when the location cannot be reached or read, or the ref is not there.
    """
    if repo.is_url:
        folder = _mirror(repo.location, home / "clones" / f"{repo.repo}.git")
        repository = open_repository(folder)
    elif repo.worktree:
        folder = _shadow(Path(repo.location), home / "shadows" / f"{repo.repo}.git")
        return Checkout(shadow := open_repository(folder), resolve_commit(shadow, "HEAD"))
    else:
        repository = open_repository(Path(repo.location))
    return Checkout(repository, resolve_commit(repository, repo.ref))


def latest_commit(repo: Repo) -> str | None:
    """The commit that the ref names at the location now, without fetching anything.

    Returns:
        None for a work tree, whose state has no name until it is read.

    Raises:
        SourceError: when the location cannot be reached or the ref is not there.
    """
    if repo.worktree:
        return None
    if not repo.is_url:
        return resolve_commit(open_repository(Path(repo.location)), repo.ref)
    output = _git(["ls-remote", "--", repo.location], repo.location, LS_REMOTE_TIMEOUT_S)
    refs = {name: commit for commit, name in (line.split("\t", 1) for line in output.splitlines())}
    for name in (repo.ref, f"refs/heads/{repo.ref}", f"refs/tags/{repo.ref}"):
        commit = refs.get(f"{name}^{{}}") or refs.get(name)
        if commit:
            return commit
    if _COMMIT_ID.fullmatch(repo.ref):
        return repo.ref  # what no ref names is not listed; checkout finds out whether it is there
    if not refs:
        raise SourceError(f"{repo.location} has no commits yet: commit something first")
    if _SHORT_ID.fullmatch(repo.ref):
        raise SourceError(
            f"{repo.location} has no ref {repo.ref!r}: of a commit at a URL give all 40 digits"
        )
    raise SourceError(
        f"{repo.location} has no ref {repo.ref!r}: choose one with `dobby repos add --ref`"
    )


def _mirror(url: str, folder: Path) -> Path:
    """A bare clone of all the URL's refs, brought up to date."""
    if not (folder / "HEAD").exists():
        partial = folder.with_suffix(f".{os.getpid()}.part")
        partial.parent.mkdir(parents=True, exist_ok=True)
        _git(["clone", "--quiet", "--mirror", "--", url, str(partial)], url, FETCH_TIMEOUT_S)
        partial.rename(folder)
    else:
        _git(["-C", str(folder), "remote", "update", "--prune"], url, FETCH_TIMEOUT_S)
        _follow_head(url, folder)
    return folder


def _follow_head(url: str, folder: Path) -> None:
    """Point the mirror's HEAD where the URL's points now: fetching leaves it as it was cloned."""
    told = _git(["ls-remote", "--symref", "--", url, "HEAD"], url, LS_REMOTE_TIMEOUT_S)
    branch, commit = _SYMREF.search(told), _HEAD.search(told)
    if branch:
        command = ["symbolic-ref", "HEAD", branch[1]]
    elif commit:
        command = ["update-ref", "--no-deref", "HEAD", commit[1]]
    else:
        return
    _git(["-C", str(folder), *command], url, LS_REMOTE_TIMEOUT_S)


def _shadow(folder: Path, git_dir: Path) -> Path:
    """A repository of ours whose HEAD holds the folder's files as they lie there now.

    So a folder is read like any commit: git's own ignore rules, one listing, one content hash.
    """
    where = [f"--git-dir={git_dir}", f"--work-tree={folder}", *_SHADOW_AUTHOR]

    def run(*args: str) -> str:
        return _git([*where, *args], str(folder), FETCH_TIMEOUT_S)

    if not (git_dir / "HEAD").exists():
        git_dir.parent.mkdir(parents=True, exist_ok=True)
        run("init", "--quiet")
        (git_dir / "info").mkdir(exist_ok=True)
        (git_dir / "info" / "exclude").write_text(".dobby/\n")
        run("commit", "--quiet", "--allow-empty", "--no-verify", "-m", "Before the first look")
    run("add", "--all")
    if run("status", "--porcelain", "--untracked-files=no"):
        run("commit", "--quiet", "--no-verify", "-m", "The folder as it lay there")
    return git_dir


def _git(args: list[str], location: str, timeout_s: float) -> str:
    """Run git without prompts; its last line of complaint becomes the error."""
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": _batch_ssh()}
    try:
        process = subprocess.Popen(
            ["git", *args],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise SourceError("git is not installed, or not on the PATH: install git") from error
    try:
        output, complaints = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise SourceError(
            f"{location}: git did not answer within {timeout_s:g} s: check the location and the "
            "network"
        ) from error
    finally:
        if process.poll() is None:
            # git's transports are processes of their own, which keep the pipes open.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        lines = (line for line in complaints.splitlines() if line.startswith(("fatal:", "error:")))
        reason = next(lines, "no reason given")
        raise SourceError(f"{location} cannot be read by git ({reason}): check the location")
    return output


def _batch_ssh() -> str:
    return os.environ.get("GIT_SSH_COMMAND", "ssh") + " -o BatchMode=yes"
