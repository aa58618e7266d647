"""What a file, a directory or a repository is summarised from: the summaries below it.

Not here: asking about them (summaries/rollups.py).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from dobby_pipeline.cozo.partition import PLAN_ROWS, page_values
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore, HeldStore
from dobby_pipeline.quality.statuses import PUBLISHED
from dobby_pipeline.schema.relations import SOURCE_RECORDS

_FUNCTIONS = frozenset({"function", "method"})

_RECORD = ("path", "symbol", "kind", "language", "start_line", "end_line", "content_hash")

_FIRST = ("path", "symbol", "start_line", "language")

_ONE_FILE = f"""
?[{", ".join(_RECORD)}] := path = $path,
    *source_records{{repo: $repo, path: $path, {", ".join(_RECORD[1:])}}}
"""

_SAID = """
?[path, symbol, content_hash, text, status] :=
    *symbol_summaries{repo: $repo, path, symbol, summary_key, content_hash},
    path >= $first, path <= $last,
    *summary_bodies{summary_key, text, status}
"""
# Records and what is said of them are put together here and not by the engine: each is one scan,
# while a join looks up every row, and one that binds the hash would read the summaries of all
# repositories for each page.

_FILES = """
?[path, content_hash, text, status, run] :=
    *file_summaries{repo: $repo, path, summary_key, content_hash, run},
    *summary_bodies{summary_key, text, status}
"""

_DOCS = """
?[path, doc] := *file_docs{repo: $repo, path, doc}, path >= $first, path <= $last
"""

# First the one that counts most.
_SPEAKERS = (
    r"README(\.\w+)?",
    r"__init__\.py",
    r"mod\.rs",
    r"lib\.rs",
    r"doc\.go",
    r"package-info\.java",
)
_FOLDER_DOCS = """
?[path, doc] := *file_docs{repo: $repo, path, doc}, regex_matches(path, $speakers)
:order path
"""

_DIRECTORIES = """
?[path, content_hash, text, status] :=
    *directory_summaries{repo: $repo, path, summary_key, content_hash},
    *summary_bodies{summary_key, text, status}
"""


class Child(NamedTuple):
    """One summary that another is made from.

    A tuple, since a plan makes one of each summary of a repository.

    Attributes:
        name: of the symbol in its file, or of the file or directory in its directory.
        text: its published summary.
    """

    name: str
    text: str

    @property
    def line(self) -> str:
        """As a prompt shows it."""
        return f"- {self.name}: {self.text}"


def child_hash(children: Iterable[Child], about: str = "") -> str:
    """SHA-256, in hex, over the names and texts of the children, in order, and what is said above.

    A summary is stale when this is no longer what it was made from; where a child is made anew
    and says the same, it is not.

    Args:
        about: what the authors say about the whole.
    """
    told = list(children)
    return hashlib.sha256(json.dumps([about, told] if about else told).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class FileChildren:
    """What a file's summary is made from.

    Attributes:
        missing: symbols without a summary; a file that has any is not summarised.
        children: in the order of their lines: published summaries, but for what is nested in a
            function.
        outermost: names of the symbols that stand in no other, by kind.
        language: of its records.
        end_line: of the last symbol.
        about: what the authors say about the file.
    """

    path: str
    missing: int
    children: Sequence[Child] = ()
    outermost: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    language: str = ""
    end_line: int = 0
    about: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def content_hash(self) -> str:
        """Of all that the summary is made from."""
        return child_hash(self.children, self.about)


def children_of_files(store: CozoStore, repo: str, only: str = "") -> Iterator[list[FileChildren]]:
    """Each file that has records, by path, page by page.

    Args:
        only: the path of one file, or empty for all.

    Raises:
        StoreError: when the database cannot be read.
    """
    after: str | None = ""
    while after is not None:
        with store.held("read summaries by file") as held:
            records, after = _records(held, repo, after, only)
            if not records:
                continue
            params = {"repo": repo, "first": records[0][0], "last": records[-1][0]}
            rows = held.values("read summaries by file", _SAID, params)
            docs = dict(held.values("read file_docs", _DOCS, params))
        said = {(row[0], row[1]): row for row in rows}
        yield [
            _children(path, list(of_path), said, docs.get(path, ""))
            for path, of_path in groupby(records, key=itemgetter(0))
        ]


def _records(
    held: HeldStore, repo: str, after: str, only: str
) -> tuple[list[list[Any]], str | None]:
    """A page of the columns of _RECORD, and its last path, or None where no page follows."""
    if only:
        params = {"repo": repo, "path": only}
        return held.values("read one file's records", _ONE_FILE, params), None
    return page_values(held, SOURCE_RECORDS, repo, after, _RECORD, PLAN_ROWS)


def _children(
    path: str,
    records: list[list[Any]],
    said: Mapping[tuple[str, str], Sequence[Any]],
    about: str,
) -> FileChildren:
    """Of one file; what is said of code that a record does not hold any more is not its summary.

    Args:
        records: the columns of _RECORD.
        said: path, symbol, hash of the code, text and status, by the first two.
    """
    rows: list[tuple[int, str, str, str, int, str, str]] = []
    for _, symbol, kind, language, start_line, end_line, content_hash in records:
        row = said.get((path, symbol))
        if row is not None and row[2] == content_hash:
            rows.append((start_line, symbol, kind, language, end_line, row[3], row[4]))
    rows.sort()  # by line, then by symbol, which no other row has
    kinds = {symbol: kind for _, symbol, kind, *_ in rows}
    children: list[Child] = []
    outermost = dict[str, list[str]]()
    for _, symbol, kind, _, _, text, status in rows:
        around = kinds.get(symbol.rpartition(".")[0])
        if around is None:
            outermost.setdefault(kind, []).append(symbol)
        if status == PUBLISHED and around not in _FUNCTIONS:
            children.append(Child(f"`{symbol}`", text))
    return FileChildren(
        path,
        len(records) - len(rows),
        children,
        outermost,
        rows[0][3] if rows else "",
        max((row[4] for row in rows), default=0),
        about,
    )


@dataclass
class Folder:
    """A directory with records below it, or the repository, whose path is empty.

    Attributes:
        files: names and published summaries.
        folders: those below, by name; where there was only one in another, the names are joined.
        about: what the authors say about it.
    """

    path: str
    files: list[Child] = field(default_factory=list[Child])
    folders: dict[str, "Folder"] = field(default_factory=dict[str, "Folder"])
    about: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_summarised(self) -> bool:
        """Whether it has a summary of its own: with a single child, that one's says it all."""
        return not self.path or len(self.files) + len(self.folders) > 1

    def children(self, texts: Mapping[str, str]) -> list[Child]:
        """Folders that have a text, then files, each by name.

        Args:
            texts: what the folders below do, by path.
        """
        below = [
            Child(f"`{name}/`", texts[inner.path])
            for name, inner in sorted(self.folders.items())
            if inner.path in texts
        ]
        return [*below, *sorted(self.files, key=lambda child: child.name)]

    def content_hash(self, texts: Mapping[str, str]) -> str:
        """Of all that its summary is made from.

        Args:
            texts: as in `children`.
        """
        return child_hash(self.children(texts), self.about)

    def by_depth(self) -> list[list["Folder"]]:
        """All folders, those without folders in them first, and the repository itself last."""
        levels: list[list[Folder]] = []
        _rank(self, levels)
        return levels


def _rank(folder: Folder, levels: list[list[Folder]]) -> int:
    rank = max((_rank(below, levels) + 1 for below in folder.folders.values()), default=0)
    levels.extend([] for _ in range(rank + 1 - len(levels)))
    levels[rank].append(folder)
    return rank


@dataclass(frozen=True)
class Tree:
    """A repository's files as they are summarised.

    Attributes:
        missing: files with records that have no summary of what they hold today.
        languages: files by language.
    """

    root: Folder
    missing: int
    languages: dict[str, int]


def read_tree(store: CozoStore, repo: str, run: str = "") -> Tree:
    """The directories of the files that have records, with the files' published summaries.

    Holds these texts in memory: some 300 bytes a file.

    Args:
        run: the Dagster run that asks. Where all rows of `file_summaries` are its own, it has just
            held each file against its symbols' texts, and they are not read again.

    Raises:
        StoreError: when the database cannot be read.
    """
    rows = {row["path"]: row for row in store.run("read file summaries", _FILES, {"repo": repo})}
    root, missing, languages = Folder(""), 0, dict[str, int]()
    own = bool(run) and all(row["run"] == run for row in rows.values())
    for path, language, is_fresh in (_written if own else _checked)(store, repo, rows):
        languages[language] = languages.get(language, 0) + 1
        if not is_fresh:
            missing += 1
        elif rows[path]["status"] == PUBLISHED:
            *folders, name = path.split("/")
            _folder(root, folders).files.append(Child(f"`{name}`", rows[path]["text"]))
    _join(root)
    told = docs_of_folders(store, repo)
    for folder in (folder for rank in root.by_depth() for folder in rank):
        folder.about = told.get(folder.path, "")
    return Tree(root, missing, languages)


def _checked(
    store: CozoStore, repo: str, rows: Mapping[str, Row]
) -> Iterator[tuple[str, str, bool]]:
    """Each file with records: path, language, and whether its row is of what it holds today."""
    for page in children_of_files(store, repo):
        for file in page:
            row = rows.get(file.path)
            content_hash = row["content_hash"] if row and not file.missing else None
            yield file.path, file.language, content_hash == file.content_hash


def _written(
    store: CozoStore, repo: str, rows: Mapping[str, Row]
) -> Iterator[tuple[str, str, bool]]:
    """As `_checked`, where every row was written for what its file holds today."""
    after: str | None = ""
    while after is not None:
        with store.held("read languages of files") as held:
            records, after = page_values(held, SOURCE_RECORDS, repo, after, _FIRST, PLAN_ROWS)
        for path, of_path in groupby(records, key=itemgetter(0)):
            _, _, _, language = min(of_path, key=itemgetter(2, 1))
            yield path, language, path in rows


def repo_hash(store: CozoStore, repo: str, tree: Tree) -> str | None:
    """What the repository's summary should be made from today, as `child_hash` tells it.

    None where a file or a directory between them has no summary of what it holds today.

    Raises:
        StoreError: when the database cannot be read.
    """
    if tree.missing:
        return None
    found = store.run("read directory summaries", _DIRECTORIES, {"repo": repo})
    rows = {row["path"]: row for row in found}
    texts = dict[str, str]()
    for folder in (folder for rank in tree.root.by_depth() for folder in rank if folder.path):
        row = rows.get(folder.path)
        if not folder.is_summarised:
            texts.update((folder.path, child.text) for child in folder.children(texts))
        elif row is None or row["content_hash"] != folder.content_hash(texts):
            return None
        elif row["status"] == PUBLISHED:
            texts[folder.path] = row["text"]
    return tree.root.content_hash(texts)


def docs_of_folders(store: CozoStore, repo: str) -> dict[str, str]:
    """What the authors say about directories, by path: in a README, or where a language has it.

    Raises:
        StoreError: when the database cannot be read.
    """
    speakers = rf"(?i)(^|/)({'|'.join(_SPEAKERS)})$"
    params = {"repo": repo, "speakers": speakers}
    rows = store.run("read docs of directories", _FOLDER_DOCS, params)
    rows.sort(key=lambda row: _rank_of_speaker(row["path"]), reverse=True)
    return {row["path"].rpartition("/")[0]: row["doc"] for row in rows}


def _rank_of_speaker(path: str) -> int:
    name = path.rpartition("/")[2]
    return next(
        number
        for number, speaker in enumerate(_SPEAKERS)
        if re.fullmatch(speaker, name, re.IGNORECASE)
    )


def _folder(root: Folder, parts: list[str]) -> Folder:
    folder = root
    for number, part in enumerate(parts, start=1):
        folder = folder.folders.setdefault(part, Folder("/".join(parts[:number])))
    return folder


def _join(folder: Folder) -> None:
    """Leave out directories that hold nothing but one other directory."""
    joined = dict[str, Folder]()
    for name, below in folder.folders.items():
        _join(below)
        inner = list(below.folders.items())
        if not below.files and len(inner) == 1:
            joined[f"{name}/{inner[0][0]}"] = inner[0][1]
        else:
            joined[name] = below
    folder.folders = joined
