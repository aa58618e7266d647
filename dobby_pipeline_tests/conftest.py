"""Fixtures that several rooms' tests use: a temporary store and real git repositories."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.schema.migrations import migrate

GIT_ENV = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.invalid",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.invalid",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


LONGEST = (
    "test_soak_command.py",
    "test_soak_processes.py",
    "test_run_worker.py",
    "test_ui.py",
    "test_warm_worker.py",
    "test_daemon.py",
    "test_distributed.py",
)
"""Files of tests that start many processes, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: what begins last keeps one worker busy and the others idle."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def unmeasured() -> dict[str, str]:
    """This process's environment, for processes whose coverage is not counted.

    Dagster's own take 1.4 times as long where it is, and what is killed tells nothing of it.
    """
    return {key: value for key, value in os.environ.items() if key != "COVERAGE_PROCESS_CONFIG"}


def git(folder: Path, *args: str) -> str:
    """Run git in `folder` and return its output, stripped."""
    done = subprocess.run(
        ["git", *args],
        cwd=folder,
        env={**os.environ, **GIT_ENV},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit_files(folder: Path, files: Mapping[str, str | None], message: str = "change") -> str:
    """Write files (None removes one), commit everything, and return the commit."""
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", "-b", "main")
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def git_repo(tmp_path: Path) -> Callable[..., Path]:
    """Makes a git repository with one commit of the files given."""

    def make(files: Mapping[str, str], name: str = "example") -> Path:
        folder = tmp_path / name
        commit_files(folder, files)
        return folder

    return make


@pytest.fixture
def empty_store(tmp_path: Path) -> CozoStore:
    """A store on a temporary RocksDB without relations."""
    return CozoStore(tmp_path / "cozo")


@pytest.fixture
def store(empty_store: CozoStore) -> CozoStore:
    """A store on a temporary RocksDB at today's schema."""
    migrate(empty_store)
    return empty_store
