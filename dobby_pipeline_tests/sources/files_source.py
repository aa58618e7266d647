"""Texts by path as a source, and its ingest: for tests that need no git."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

from dobby_pipeline.cozo.partition import write_partition
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.schema.relations import SOURCE_RECORDS
from dobby_pipeline.sources.ingest import Ingest, Tally
from dobby_pipeline.sources.reader import content_of
from dobby_pipeline.sources.records import FileContent, ListedFile


@dataclass(frozen=True)
class FilesSource:
    """A source of these files."""

    texts: Mapping[str, str]
    portable = True

    @property
    def version(self) -> str:
        return "v" + self.content[:8]

    @property
    def content(self) -> str:
        return _hash(repr(sorted(self.texts.items())))

    def files(self) -> Iterator[ListedFile]:
        for path, text in sorted(self.texts.items()):
            yield ListedFile(path, _hash(text), len(text))

    def read(self, file: ListedFile) -> FileContent:
        return content_of(file.path, self.texts[file.path].encode())


def put(store: CozoStore, texts: Mapping[str, str], repo: str = "r") -> Tally:
    """Make the store hold these files of the repo, and no others."""
    work = Ingest(store, repo, uuid4().hex, FilesSource(texts), lambda _: None)
    batches = work.batches()
    write_partition(store, SOURCE_RECORDS, repo, work.run, batches, whole=batches.whole)
    batches.finish()
    return work.tally


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
