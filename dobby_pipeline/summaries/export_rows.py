"""What an export shows: the fresh summaries of each file, directory and the repository.

Not here: how they are written (export_markdown.py, export_json.py, export_llms.py).
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.children import children_of_files, read_tree
from dobby_pipeline.quality.statuses import PUBLISHED
from dobby_pipeline.schema.relations import SUMMARY_BODIES
from dobby_pipeline.summaries.read import Found, Wanted, find_summaries

_BODY = ", ".join(SUMMARY_BODIES.values)
_DIRECTORIES = f"""
?[path, summary_key, content_hash, commit, {_BODY}] :=
    *directory_summaries{{repo: $repo, path, summary_key, content_hash, commit}},
    *summary_bodies{{summary_key, {_BODY}}}
"""
_TELLS_SECRET = re.compile(r"secret\b")


@dataclass(frozen=True)
class FileRows:
    """What is shown of one source file.

    Attributes:
        summary: its own, in the columns of read.FIELDS; None where it has none to show.
        symbols: its symbols', by line.
    """

    path: str
    summary: Row | None
    symbols: list[Row]

    @property
    def rows(self) -> list[Row]:
        """All of them, the file's own first."""
        return [self.summary, *self.symbols] if self.summary else self.symbols


@dataclass
class Rows:
    """A repository's fresh summaries, read once, page by page; counts what it gives and leaves out.

    Attributes:
        include_quarantined: whether those that the gate refused are among them; a text in which it
            found a secret never is.
        shown: how many were given, by level.
        stale: how many were left out because they are of what was there before.
    """

    store: CozoStore
    repo: str
    include_quarantined: bool = False
    shown: Counter[str] = field(default_factory=Counter[str], init=False)
    stale: int = field(default=0, init=False)

    def contract(self) -> Iterator[Row]:
        """The rows of the public contract: symbols by path and line, then files, then the repo.

        Raises:
            StoreError: when the database cannot be read.
        """
        return self._shown(find_summaries(self.store, self.repo, self._wanted("")))

    def files(self) -> Iterator[FileRows]:
        """Each file that has something to show, by path.

        Raises:
            StoreError: when the database cannot be read.
        """
        levels = (
            self._shown(find_summaries(self.store, self.repo, self._wanted(level)))
            for level in ("file", "symbol")
        )
        rows = merge(*levels, key=lambda row: row["path"])
        for path, group in groupby(rows, key=lambda row: row["path"]):
            found = list(group)
            summary = next((row for row in found if row["level"] == "file"), None)
            yield FileRows(path, summary, [row for row in found if row["level"] == "symbol"])

    def repository(self) -> Row | None:
        """The repository's own, if there is one to show.

        Raises:
            StoreError: when the database cannot be read.
        """
        found = find_summaries(self.store, self.repo, self._wanted("repo"))
        return next(self._shown(found), None)

    def directories(self) -> dict[str, Row]:
        """Those of directories, by path: text, status, reasons, origin and where they come from.

        Holds the files' texts in memory, as `children.read_tree` does.

        Raises:
            StoreError: when the database cannot be read.
        """
        read = self.store.run("read directory summaries", _DIRECTORIES, {"repo": self.repo})
        rows = {row["path"]: row for row in read}
        fresh = self._fresh_directories(rows) if rows else set[str]()
        found = (
            Found({"repo": self.repo, "level": "directory", **row}, path in fresh)
            for path, row in sorted(rows.items())
            if self.include_quarantined or row["status"] == PUBLISHED
        )
        return {row["path"]: row for row in self._shown(found)}

    def _wanted(self, level: str) -> Wanted:
        return Wanted(level=level, status="" if self.include_quarantined else PUBLISHED)

    def _shown(self, found: Iterator[Found]) -> Iterator[Row]:
        for one in found:
            if not one.fresh:
                self.stale += 1
                continue
            self.shown[one.row["level"]] += 1
            is_secret = any(_TELLS_SECRET.match(reason) for reason in one.row["reasons"])
            yield {**one.row, "text": ""} if is_secret else one.row

    def _fresh_directories(self, rows: dict[str, Row]) -> set[str]:
        """Of these, the ones that say what the summaries below them say today.

        One above a file or a directory without a fresh summary is not, even where that one had
        no part in it before.
        """
        tree = read_tree(self.store, self.repo)
        spoiled = set[str]()
        for path in self._unsummarised() if tree.missing else ():
            spoiled.update(_above(path))
        fresh, texts = set[str](), dict[str, str]()
        for folder in (folder for rank in tree.root.by_depth() for folder in rank if folder.path):
            row = rows.get(folder.path)
            if not folder.is_summarised:
                texts.update((folder.path, child.text) for child in folder.children(texts))
            elif (
                row is None
                or folder.path in spoiled
                or row["content_hash"] != folder.content_hash(texts)
            ):
                spoiled.update(_above(folder.path))
            else:
                fresh.add(folder.path)
                if row["status"] == PUBLISHED:
                    texts[folder.path] = row["text"]
        return fresh

    def _unsummarised(self) -> set[str]:
        """Files with records that have no fresh summary."""
        found = find_summaries(self.store, self.repo, Wanted(level="file"))
        fresh = {one.row["path"] for one in found if one.fresh}
        pages = children_of_files(self.store, self.repo)
        return {file.path for page in pages for file in page} - fresh


def _above(path: str) -> list[str]:
    """The directories that a path lies in."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
