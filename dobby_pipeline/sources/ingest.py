"""A source's present state into the store: only files whose content changed are read.

Not here: what makes a record (reader.py), what one transaction does (change.py), or where Dagster
comes in (assets.py).
"""

import gc
from collections import Counter
from collections.abc import Container, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from dobby_pipeline.cozo.partition import Batches, Transaction
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore, HeldStore
from dobby_pipeline.progress import Progress, Report
from dobby_pipeline.schema.relations import (
    FILE_OWNED,
    PATH_OWNED,
    SNAPSHOTS,
    SOURCE_FILES,
    SOURCE_RECORDS,
)
from dobby_pipeline.sources.change import Change
from dobby_pipeline.sources.extractor_version import EXTRACTOR_VERSION
from dobby_pipeline.sources.file_rows import Values
from dobby_pipeline.sources.languages import suffix_of
from dobby_pipeline.sources.meanings import SeenNames
from dobby_pipeline.sources.read_ahead import ReadAhead
from dobby_pipeline.sources.read_process import GARBAGE
from dobby_pipeline.sources.records import (
    ListedFile,
    Source,
)
from dobby_pipeline.sources.resolve import Changed, Resolution, resolution, resolve

_USUAL = gc.get_threshold()

FILES_A_LOOK = 2000
"""Listed files whose stored rows are looked up together: 2 MB, and one turn at the database."""

RECORDS_A_CHANGE = 2000
"""In one transaction, which takes some 150 ms."""

_STORED = """
paths[path] <- $paths
?[path, blob, bytes, reason, extractor, language, records] := paths[path],
    *source_files{repo: $repo, path, blob, bytes, reason, extractor, language, records}
"""

_ELSEWHERE = """
blobs[blob] <- $blobs
?[blob, repo, path, language, reason, records] := blobs[blob], *file_blobs{blob, repo, path},
    *source_files{repo, path, blob, extractor: $extractor, language, reason, records}
"""

_STALE = """
?[path] := *source_files{repo: $repo, path, run}, run != $run
:limit $limit
"""

_STATE = "?[content, extractor, files] := *snapshots{repo: $repo, content, extractor, files}"

_NAMES = """
paths[path] <- $paths
?[path, symbol, name, kind] := paths[path], *source_records{repo: $repo, path, symbol, name, kind}
"""

_BETWEEN_STATES = """
{
    ?[repo, content] := *snapshots{repo}, repo = $repo, content = ''
    :update snapshots {repo => content}
}
"""

_FILES = """
?[language, reason, count(path), sum(records)] :=
    *source_files{repo: $repo, path, language, reason, records}
"""

_REDACTED = "?[kind, sum(count)] := *redactions{repo: $repo, path, kind, count}"


@dataclass
class Tally:
    """What an ingest did, as opposed to what the partition holds after it."""

    read: int = 0
    copied: int = 0
    unchanged: int = 0
    removed: int = 0

    @property
    def changed(self) -> int:
        """Files whose rows are others than before."""
        return self.read + self.copied + self.removed


@dataclass
class Ingest:
    """One repository's source on its way into the store."""

    store: CozoStore
    repo: str
    run: str
    source: Source
    report: Report
    tally: Tally = field(default_factory=Tally, init=False)
    files: int = field(default=0, init=False)
    _known: bool = field(default=True, init=False)
    _changed: Changed | None = field(default=None, init=False)
    _seen: SeenNames = field(default_factory=SeenNames, init=False)
    _named: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]], init=False)

    def __post_init__(self) -> None:
        # Asked while the source is open: the snapshot is written after it is closed.
        self.version = self.source.version
        self.content = self.source.content

    def batches(self) -> Batches:
        """The changes to commit, one transaction each; the snapshot is written after the last.

        Raises:
            SourceError: while draining, when the source cannot be read to its end; what was
                committed until then is kept, and the next ingest goes on from there.
            StoreError: while draining.
        """
        return Batches(self._transactions(), self._finish, whole=False)

    def _transactions(self) -> Iterator[Transaction]:
        before = self.store.run("read snapshots", _STATE, {"repo": self.repo})
        if any((b["content"], b["extractor"]) == (self.content, EXTRACTOR_VERSION) for b in before):
            return
        self._known = False
        if any(b["content"] for b in before):
            self._changed = Changed()
        changes = self._all_changes(before[0]["files"] if before else None)
        for first in islice(changes, 1):
            yield _between_states(first)
        yield from changes

    def _all_changes(self, expected: int | None) -> Iterator[Transaction]:
        listed = self.source.files()
        with ReadAhead(self.repo, self.source) as reader, _seldom_collecting():
            while look := list(islice(listed, FILES_A_LOOK)):
                if expected is None:
                    expected = self._count(look)
                for change in self._changes(look, reader):
                    if change.rows:
                        self._note(change)
                        yield change.transaction()
                    self._tell(expected)
        self._tell(self.files)

    def _count(self, first: list[ListedFile]) -> int:
        """How many files there are, of which the first ones are known."""
        many = len(first) == FILES_A_LOOK
        return sum(1 for _ in self.source.files()) if many else len(first)

    def _note(self, change: Change) -> None:
        """Remember what was written, and which names mean something else after this change."""
        written = {*change.replaced, *change.added}
        if len(written) < len(change.rows.get(SOURCE_FILES.name, ())):
            self._seen.forget()  # some files stay as they are stored
        self._seen.add(change.rows)
        if self._changed is None or not written:
            return
        before = {named for named in self._named if named[0] in written}
        differ = before ^ _named_values(change.rows.get(SOURCE_RECORDS.name, []))
        self._changed.paths.update(written)
        self._changed.names.update(name for _, _, name, _ in differ)
        if self._changed.is_much:
            self._changed = None

    def _changes(self, look: list[ListedFile], reader: ReadAhead) -> Iterator[Change]:
        with self.store.held("look up files") as held:
            stored = self._stored(held, look)
            same = [file for file in look if _is_same(file, stored.get(file.path))]
            known = {file.path for file in same}
            new = [file for file in look if file.path not in known]
            found = self._elsewhere(held, [file for file in new if not file.reason])
            self._look_up_names(held, [file.path for file in new])
        change = Change(self.repo, self.run)
        for file in same:
            change.list(file, stored[file.path])
        self.tally.unchanged += len(same)
        self.files += len(same)
        yield from self._replacements(new, stored.keys(), found, change, reader)

    def _replacements(
        self,
        new: list[ListedFile],
        stored: Container[str],
        found: dict[tuple[str, str], Row],
        change: Change,
        reader: ReadAhead,
    ) -> Iterator[Change]:
        """Changes that give each file its new rows, each of some RECORDS_A_CHANGE records.

        Args:
            stored: those of their paths that have rows.
            found: stored files of the same content, by _content_key.
            change: the first one, begun.
        """
        copies = [(file, found[key]) for file in new if (key := _content_key(file)) in found]
        for part in _of_records(copies):
            owned = self._owned(part)
            for file, row in part:
                change.replace(file.path, owned[file.path], is_known=file.path in stored)
                change.list(file, row)
            self.tally.copied += len(part)
            self.files += len(part)
            yield change
            change = Change(self.repo, self.run)
        unknown = [file for file in new if _content_key(file) not in found]
        for file, read in reader.contents(unknown):
            change.replace(file.path, read.owned, is_known=file.path in stored)
            change.list(file, read.row)
            self.tally.read += 1
            self.files += 1
            if change.records >= RECORDS_A_CHANGE:
                yield change
                change = Change(self.repo, self.run)
        yield change

    def _stored(self, held: HeldStore, look: list[ListedFile]) -> dict[str, Row]:
        params = {"repo": self.repo, "paths": [[file.path] for file in look]}
        rows = held.run("read source_files", _STORED, params)
        return {row["path"]: row for row in rows}

    def _look_up_names(self, held: HeldStore, paths: list[str]) -> None:
        """Remember what these files' records are, for `_note` once they have been replaced."""
        if self._changed is not None:
            params = {"repo": self.repo, "paths": [[path] for path in paths]}
            self._named = _named(held.run("read names of source_records", _NAMES, params))

    def _elsewhere(self, held: HeldStore, files: list[ListedFile]) -> dict[tuple[str, str], Row]:
        """Files of the same content, in any repo, that these rules have read."""
        params = {"blobs": [[file.blob] for file in files], "extractor": EXTRACTOR_VERSION}
        rows = held.run("look up file_blobs", _ELSEWHERE, params) if files else []
        return {(row["blob"], suffix_of(row["path"])): row for row in rows}

    def _owned(self, copies: list[tuple[ListedFile, Row]]) -> dict[str, dict[str, list[Values]]]:
        """By path, the rows of the equal file that was found for it, as in FileRows.owned."""
        pairs = [[row["repo"], row["path"], file.path] for file, row in copies]
        owned: dict[str, dict[str, list[Values]]] = {file.path: {} for file, _ in copies}
        with self.store.held("copy the rows of equal files") as held:
            for relation in FILE_OWNED:
                columns = ", ".join(relation.columns[2:])
                rows = held.run(
                    f"copy {relation.name}",
                    f"pairs[from_repo, from_path, path] <- $pairs ?[path, {columns}] := "
                    f"pairs[from_repo, from_path, path], "
                    f"*{relation.name}{{repo: from_repo, path: from_path, {columns}}}",
                    {"pairs": pairs},
                )
                for row in rows:
                    values = [self.repo, *row.values()]
                    owned[row["path"]].setdefault(relation.name, []).append(values)
        return owned

    def _remove_stale(self) -> None:
        """Files that the source lists no more go, with all that they had."""
        params = {"repo": self.repo, "run": self.run, "limit": FILES_A_LOOK}
        while found := self.store.run("find stale files", _STALE, params):
            stale = [row["path"] for row in found]
            with self.store.held("read names of source_records") as held:
                self._look_up_names(held, stale)
            change = Change(self.repo, self.run, replaced=stale)
            self._note(change)
            batch = _between_states(change.transaction(PATH_OWNED))
            self.store.run("remove stale files", batch.script, batch.params, write=True)
            self.tally.removed += len(stale)

    def _tell(self, expected: int) -> None:
        total = max(expected, self.files)
        self.report(Progress("source_records", self.repo, self.files, total, "files"))

    def _finish(self) -> dict[str, Any]:
        """Remove what is stale, resolve what changed, write the snapshot, and tell what is held."""
        if not self._known:
            self._remove_stale()
            with _seldom_collecting():
                resolve(self.store, self.repo, self._changed, self._seen)
        with self.store.held("finish the ingest") as held:
            resolved = resolution(held, self.repo)
            files = held.run("count source_files", _FILES, {"repo": self.repo})
            redacted = held.run("count redactions", _REDACTED, {"repo": self.repo})
            snapshot: Row = {
                "repo": self.repo,
                "commit": self.version,
                "content": self.content,
                "files": sum(row["count(path)"] for row in files),
                "records": int(sum(row["sum(records)"] for row in files)),
                "extractor": EXTRACTOR_VERSION,
                "updated_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            params = {"rows": SNAPSHOTS.rows([snapshot])}
            held.run("write snapshots", SNAPSHOTS.put(), params, write=True)
        metadata = _held_metadata(snapshot, files, redacted)
        return {**metadata, **asdict(self.tally), **_resolution_metadata(resolved)}


@contextmanager
def _seldom_collecting() -> Generator[None]:
    """Look for garbage as seldom as the readers do.

    Rows come by the ten thousand, in no cycle: to look for one among them takes a twentieth of an
    ingest.
    """
    gc.set_threshold(GARBAGE, *_USUAL[1:])
    try:
        yield
    finally:
        gc.set_threshold(*_USUAL)  # not what it was: ingests side by side need not end in order


def _between_states(first: Transaction) -> Transaction:
    """From a change on, to the end, the partition is between two states."""
    return replace(first, script=f"{_BETWEEN_STATES}\n{first.script}")


def _named(records: list[Row]) -> set[tuple[str, ...]]:
    return {(row["path"], row["symbol"], row["name"], row["kind"]) for row in records}


def _named_values(records: list[Values]) -> set[tuple[str, ...]]:
    return {(path, symbol, name, kind) for _, path, symbol, name, kind, *_ in records}


def _is_same(file: ListedFile, stored: Row | None) -> bool:
    """Whether the stored rows are what the file would give now."""
    if stored is None or stored["extractor"] != EXTRACTOR_VERSION:
        return False
    if file.reason:
        return not stored["blob"] and stored["reason"] == file.reason
    return bool(stored["blob"]) and stored["blob"] == file.blob


def _content_key(file: ListedFile) -> tuple[str, str]:
    """What two files must share to give the same records; never that of a file left out."""
    return ("" if file.reason else file.blob, suffix_of(file.path))


def _of_records(copies: list[tuple[ListedFile, Row]]) -> Iterator[list[tuple[ListedFile, Row]]]:
    """The copies cut into lists of RECORDS_A_CHANGE records or a file more."""
    part: list[tuple[ListedFile, Row]] = []
    records = 0
    for copy in copies:
        part.append(copy)
        records += copy[1]["records"]
        if records >= RECORDS_A_CHANGE:
            yield part
            part, records = [], 0
    if part:
        yield part


def _held_metadata(snapshot: Row, held: list[Row], redacted: list[Row]) -> dict[str, Any]:
    records: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for row in held:
        if row["reason"]:
            skipped[row["reason"]] += row["count(path)"]
        else:
            records[row["language"]] += int(row["sum(records)"])
    return {
        "commit": snapshot["commit"],
        "files": snapshot["files"],
        "records": snapshot["records"],
        "dagster/row_count": snapshot["records"],
        "skipped files": skipped.total(),
        "records by language": dict(records.most_common()),
        "skipped by reason": dict(skipped.most_common()),
        "secrets redacted": {row["kind"]: int(row["sum(count)"]) for row in redacted},
    }


def _resolution_metadata(resolution: Resolution) -> dict[str, Any]:
    return {
        "references": resolution.references,
        "references resolved": resolution.resolved,
        "share of references resolved": round(resolution.share, 3),
    }
