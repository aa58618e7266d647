"""`verify` names what does not hold, and nothing else."""

import pytest

from dobby_pipeline.cozo.partition import write_partition
from dobby_pipeline.quality.verify import verify
from dobby_pipeline.schema.relations import RELATIONS, SOURCE_RECORDS
from dobby_pipeline.sources.git_tree import open_repository, resolve_commit
from dobby_pipeline.sources.ingest import Ingest
from dobby_pipeline.sources.reader import GitSource

CODE = "def one(x):\n    return two(x)\n\n\ndef two(x):\n    return x\n"


@pytest.fixture
def ingested(store, git_repo):
    """A store that holds the repository `r`, and nothing wrong."""
    repository = open_repository(git_repo({"a.py": CODE, "b.txt": "x"}))
    source = GitSource(repository, resolve_commit(repository, "HEAD"))
    batches = Ingest(store, "r", "run", source, lambda _: None).batches()
    write_partition(store, SOURCE_RECORDS, "r", "run", batches, whole=batches.whole)
    batches.finish()
    return store


def change(store, relation: str, where: str, **values: object) -> None:
    """Set columns of the rows that match, as no code of ours would."""
    keys = RELATIONS[relation].keys
    set_ = ", ".join(f"{column} = ${column}" for column in values)
    columns = ", ".join([*keys, *values])
    store.run(
        "damage",
        f"?[{columns}] := *{relation}{{{', '.join(keys)}}}, {where}, {set_} "
        f":update {relation} {{{', '.join(keys)} => {', '.join(values)}}}",
        values,
        write=True,
    )


def problems(store) -> set[tuple[str, str]]:
    return {(p.relation, p.key) for p in verify(store, "r")}


def test_a_sound_repository_has_no_problem(ingested):
    assert problems(ingested) == set()


def summary(store, key: str, **body: object) -> None:
    row = dict.fromkeys(RELATIONS["summary_bodies"].columns, "x")
    row |= {"reasons": [], "prompt_tokens": 1, "output_tokens": 1, "ms": 1.0, "confidence": None}
    row |= {"summary_key": key, "status": "published", **body}
    relation = RELATIONS["summary_bodies"]
    store.run("put", relation.put(), {"rows": relation.rows([row])}, write=True)


def reference(store, key: str) -> None:
    row = dict.fromkeys(RELATIONS["symbol_summaries"].columns, "x")
    row |= {"repo": "r", "path": "a.py", "symbol": "one", "start_line": 1, "end_line": 2}
    relation = RELATIONS["symbol_summaries"]
    rows = {"rows": relation.rows([{**row, "summary_key": key}])}
    store.run("put", relation.put(), rows, write=True)


@pytest.mark.parametrize(
    ("relation", "where", "values", "key"),
    [
        ("source_records", "symbol = 'one'", {"code": "changed"}, "a.py::one"),
        ("source_records", "symbol = 'one'", {"content_hash": "changed"}, "a.py::one"),
        ("source_records", "symbol = 'one'", {"end_line": 0}, "a.py::one"),
        ("source_records", "symbol = 'one'", {"inner": [[5, 10_000]]}, "a.py::one"),
        ("source_files", "path = 'a.py'", {"records": 3}, "a.py"),
        ("source_files", "path = 'a.py'", {"reason": "binary"}, "a.py"),
        ("source_files", "path = 'b.txt'", {"reason": ""}, "b.txt"),
        ("source_files", "path = 'a.py'", {"blob": "other"}, "a.py"),
        ("snapshots", "repo = 'r'", {"files": 7}, ""),
        ("snapshots", "repo = 'r'", {"records": 7}, ""),
        ("snapshots", "repo = 'r'", {"content": ""}, ""),
    ],
)
def test_a_damaged_row_is_named(ingested, relation, where, values, key):
    change(ingested, relation, where, **values)
    assert (relation, key) in problems(ingested)


@pytest.mark.parametrize(
    ("relation", "row"),
    [
        ("source_records", {"path": "gone.py"}),
        ("symbol_references", {"path": "gone.py"}),
        ("redactions", {"path": "gone.py"}),
        ("file_blobs", {"path": "gone.py"}),
    ],
)
def test_a_row_without_its_file_is_named(ingested, relation, row):
    known = RELATIONS[relation]
    kinds = {"start_line": 1, "end_line": 1, "count": 1, "inner": [], "parts": []}
    whole = {column: kinds.get(column, "x") for column in known.columns} | row | {"repo": "r"}
    ingested.run("put", known.put(), {"rows": known.rows([whole])}, write=True)
    assert any(name == relation and key.startswith("gone.py") for name, key in problems(ingested))


def test_an_edge_to_no_record_is_named(ingested):
    known = RELATIONS["dependencies"]
    row = dict.fromkeys(known.columns, "x") | {"repo": "r", "path": "a.py", "symbol": "one"}
    ingested.run("put", known.put(), {"rows": known.rows([row])}, write=True)
    assert ("dependencies", "a.py::one") in problems(ingested)


def test_a_summary_without_its_body_is_named(ingested):
    reference(ingested, "k1")
    assert problems(ingested) == {("symbol_summaries", "a.py::one")}
    summary(ingested, "k1")
    assert problems(ingested) == set()


@pytest.mark.parametrize(
    "body",
    [
        {"status": "fine"},
        {"reasons": ["cut_off"]},
        {"text": ""},
        {"status": "quarantined"},
    ],
)
def test_a_body_whose_verdict_does_not_hold_is_named(ingested, body):
    reference(ingested, "k1")
    summary(ingested, "k1", **body)
    assert problems(ingested) == {("summary_bodies", "k1")}
