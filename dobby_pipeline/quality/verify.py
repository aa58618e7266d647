"""Everything stored of a repository recomputed: hashes, counts, and what refers to what.

Not here: the checks that a run makes on its own partition (checks.py). Each look is one
transaction over whole files, so that a run beside it, which replaces whole files, is not taken
for damage.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from dobby_pipeline.cozo.partition import read_partition
from dobby_pipeline.cozo.relation import Relation, Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.statuses import PUBLISHED, QUARANTINED
from dobby_pipeline.schema.relations import FILE_OWNED, SOURCE_RECORDS

_COLUMNS = ("path", "symbol", "start_line", "end_line", "content_hash", "code", "inner", "parts")

_FILES = """
stored[path, count(symbol)] := *source_records{repo: $repo, path, symbol}
counted[path, n] := stored[path, n]
counted[path, n] := *source_files{repo: $repo, path}, not stored[path, _], n = 0
?[path, records, reason, n] :=
    *source_files{repo: $repo, path, records, reason}, counted[path, n],
    (records != n || (reason == '') != (n > 0))
"""

_BLOBS = """
?[path, blob] := *source_files{repo: $repo, path, blob}, blob != '',
    not *file_blobs{blob, repo: $repo, path}
"""

_STRAY_BLOBS = """
?[path, blob] := *file_blobs{blob, repo, path}, repo = $repo,
    not *source_files{repo: $repo, path, blob}
"""

_EDGES = """
?[path, symbol, to_path, to_symbol] :=
    *dependencies{repo: $repo, path, symbol, to_path, to_symbol},
    not *source_records{repo: $repo, path: to_path, symbol: to_symbol}
"""

_REFERENCES = """
?[path, symbol, summary_key] := *symbol_summaries{repo: $repo, path, symbol, summary_key},
    not *summary_bodies{summary_key}
"""

_BODIES = """
keys[summary_key] := *symbol_summaries{repo: $repo, path, symbol, summary_key}
keys[summary_key] := *file_summaries{repo: $repo, path, summary_key}
keys[summary_key] := *directory_summaries{repo: $repo, path, summary_key}
keys[summary_key] := *repo_summaries{repo: $repo, summary_key}
?[summary_key, status, reasons, origin, text] := keys[summary_key],
    *summary_bodies{summary_key, status, reasons, origin, text}
"""

_SNAPSHOT = """
counted[count(path), sum(records)] := *source_files{repo: $repo, path, records}
?[content, files, records, listed, stored] :=
    *snapshots{repo: $repo, content, files, records}, counted[listed, stored]
"""


@dataclass(frozen=True)
class Problem:
    """A row that does not hold.

    Attributes:
        key: what the row's key columns say after the repo, joined by `::`.
        problem: what is wrong with it.
    """

    repo: str
    relation: str
    key: str
    problem: str


def verify(store: CozoStore, repo: str) -> Iterator[Problem]:
    """Every row of the repository that does not hold.

    Raises:
        StoreError: when the database cannot be read.
    """
    for page in read_partition(store, SOURCE_RECORDS, [repo], _COLUMNS):
        for row in page:
            for problem in _of_record(row):
                yield Problem(repo, SOURCE_RECORDS.name, _key(row), problem)
    yield from _of_files(store, repo)
    yield from _of_summaries(store, repo)
    yield from _of_snapshot(store, repo)


def _of_record(row: Row) -> Iterator[str]:
    if hashlib.sha256(row["code"].encode()).hexdigest() != row["content_hash"]:
        yield "content_hash is not the code's"
    if not row["code"]:
        yield "no code"
    if not 1 <= row["start_line"] <= row["end_line"]:
        yield "lines out of order"
    for name in ("inner", "parts"):
        ends = [position for span in row[name] for position in span]
        if ends != sorted(ends) or (ends and not 0 <= ends[0] <= ends[-1] <= len(row["code"])):
            yield f"{name} lie outside the code"


def _of_files(store: CozoStore, repo: str) -> Iterator[Problem]:
    for row in _rows(store, "count records by file", _FILES, repo):
        told = f"{row['records']} records and the reason {row['reason']!r} told, {row['n']} stored"
        yield Problem(repo, "source_files", row["path"], told)
    for row in _rows(store, "look up file_blobs", _BLOBS, repo):
        yield Problem(repo, "source_files", row["path"], "its blob is not in file_blobs")
    for row in _rows(store, "look for stray file_blobs", _STRAY_BLOBS, repo):
        yield Problem(repo, "file_blobs", row["path"], "no listed file has this blob")
    for relation in FILE_OWNED:
        for row in _rows(store, f"look for stray {relation.name}", _strays(relation), repo):
            yield Problem(repo, relation.name, row["path"], "its file is not listed")
    for row in _rows(store, "follow dependencies", _EDGES, repo):
        target = f"{row['to_path']}::{row['to_symbol']}"
        yield Problem(repo, "dependencies", _key(row), f"leads to {target}, which is no record")


def _strays(relation: Relation) -> str:
    return (
        f"?[path] := *{relation.name}{{repo: $repo, path}}, "
        "not *source_files{repo: $repo, path, reason: ''}"
        if relation is SOURCE_RECORDS
        else f"?[path] := *{relation.name}{{repo: $repo, path}}, "
        "not *source_files{repo: $repo, path}"
    )


def _of_summaries(store: CozoStore, repo: str) -> Iterator[Problem]:
    for row in _rows(store, "follow symbol_summaries", _REFERENCES, repo):
        yield Problem(repo, "symbol_summaries", _key(row), "its summary body is not there")
    for row in _rows(store, "read summary_bodies", _BODIES, repo):
        published, quarantined = row["status"] == PUBLISHED, row["status"] == QUARANTINED
        if not published and not quarantined:
            problem = f"status {row['status']!r}"
        elif published and (_against(row) or not row["text"]):
            problem = "published with reasons against it, or without text"
        elif quarantined and not row["reasons"]:
            problem = "quarantined without a reason"
        else:
            continue
        yield Problem(repo, "summary_bodies", row["summary_key"], problem)


def _against(row: Row) -> bool:
    """Whether its reasons speak against it: a stand-in says why the generated one was refused."""
    reasons = [r for r in row["reasons"] if not r.startswith("left_out:")]
    return bool(reasons) and row["origin"] != "extractive"


def _of_snapshot(store: CozoStore, repo: str) -> Iterator[Problem]:
    for row in _rows(store, "compare snapshots", _SNAPSHOT, repo):
        if not row["content"]:
            advice = f"an ingest is under way or was cut off: `dobby ingest {repo}` ends it"
            yield Problem(repo, "snapshots", "", advice)
        elif (row["files"], row["records"]) != (row["listed"], row["stored"]):
            told = f"{row['files']} files and {row['records']} records told"
            held = f"{row['listed']} and {row['stored']:.0f} stored"
            yield Problem(repo, "snapshots", "", f"{told}, {held}")


def _rows(store: CozoStore, name: str, script: str, repo: str) -> list[Row]:
    return store.run(name, script, {"repo": repo})


def _key(row: Row) -> str:
    return f"{row['path']}::{row['symbol']}"
