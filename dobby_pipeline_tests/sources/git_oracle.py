"""Git itself asked about the same rule files, as the measure for ours.

One repository serves many examples: the files lie there all the time, only the rule files change.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dobby_pipeline.sources.git_tree import open_repository
from dobby_pipeline.sources.tree_rules import PlacedEntry, placed_entries
from dobby_pipeline_tests.conftest import GIT_ENV, git

NAMES = ("a", "b", "ab", "a.py", "!a", "#b", " a", "a ", "é", "a\nb", "[a]", "a\\b", "-", "*")
FOLDERS = ("", "d/", "d/e/", "d/e/f/", "e/", "e/d/", "d.py/", "é d/")
PATHS = tuple(folder + name for folder in FOLDERS for name in NAMES)

PATTERN_PIECES = (
    *("a", "b", "d", "e", "é", "a.py", ".py", "/", "/", "*", "?", "**", "**/", "/**", "!", "#"),
    *(" ", "\\", "[ab]", "[!a]", "[^b]", "[a-e]", "[[:alpha:]]", "[", "]", "-", "\t", "\\ "),
    *("\n!", "\r"),
)

_LOOSE_STARS = re.compile(rb"[^/\n!]\*\*|\*\*+[^/*\n]")


def has_loose_stars(rules: Mapping[str, bytes]) -> bool:
    """Whether `**` stands beside something else than `/`.

    Git's manual calls these regular asterisks; its code takes some of them for more.
    """
    return any(_LOOSE_STARS.search(text.replace(b" ", b"\n")) for text in rules.values())


class Oracle:
    """A work tree of PATHS in which git answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        git(folder, "init", "-q")
        for path in PATHS:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
        self.repository = open_repository(folder)
        self.blob = self.repository.create_blob(b"")

    def ours(self, name: str, rules: Mapping[str, bytes]) -> dict[str, PlacedEntry]:
        """Each file of a tree that holds the rule files, of this name, by folder."""
        leaves = dict.fromkeys(PATHS, self.blob)
        for folder, data in rules.items():
            leaves[folder + name] = self.repository.create_blob(data)
        tree = str(self._tree("", leaves))
        placed = placed_entries(self.repository, tree)
        return {item.entry.path: item for item in placed if item.entry.name in NAMES}

    def ask(self, name: str, rules: Mapping[str, bytes], *command: str) -> list[str]:
        """What git's command says, split at NUL, with the rule files in the work tree."""
        written = [self.folder / folder / name for folder in rules]
        for path, data in zip(written, rules.values(), strict=True):
            path.write_bytes(data)
        done = subprocess.run(
            ["git", *command, "-z", "--stdin"],
            cwd=self.folder,
            env={**os.environ, **GIT_ENV},
            input="\0".join(PATHS).encode() + b"\0",
            capture_output=True,
        )
        for path in written:
            path.unlink()
        assert done.returncode in (0, 1), done.stderr
        return done.stdout.decode().split("\0")[:-1]

    def _tree(self, folder: str, leaves: Mapping[str, object]):
        builder = self.repository.TreeBuilder()
        inside = {
            path.removeprefix(folder): blob
            for path, blob in leaves.items()
            if path.startswith(folder)
        }
        for name in {path.partition("/")[0] for path in inside}:
            if name in inside:
                builder.insert(name, inside[name], 0o100644)
            else:
                builder.insert(name, self._tree(f"{folder}{name}/", leaves), 0o40000)
        return builder.write()
