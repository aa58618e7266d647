"""An ingest on real repositories and a real store: only what changed is read, nothing is lost."""

from pathlib import Path
from typing import Any

import pytest

from dobby_pipeline.cozo.partition import write_partition
from dobby_pipeline.cozo.store import StoreConflict
from dobby_pipeline.schema.relations import RELATIONS, SOURCE_RECORDS
from dobby_pipeline.sources import ingest as ingest_module
from dobby_pipeline.sources import meanings
from dobby_pipeline.sources.git_tree import open_repository, resolve_commit
from dobby_pipeline.sources.ingest import Ingest, Tally
from dobby_pipeline.sources.reader import GitSource
from dobby_pipeline.sources.records import FileContent, ListedFile
from dobby_pipeline_tests.conftest import commit_files, git

ONE = "def one(x):\n    return two(x)\n"
TWO = "def two(x):\n    return x\n"


class Counting(GitSource):
    """A git source that notes which files are read."""

    def read(self, file: ListedFile) -> FileContent:
        READ.append(file.path)
        return super().read(file)


READ: list[str] = []
RUNS = iter(range(1, 1000))


@pytest.fixture
def ingest(store):
    """Ingests a repository's HEAD; returns the paths that were read, the tally, the metadata."""

    def run(folder: Path, repo: str = "r", stop_after: int | None = None):
        READ.clear()
        source = Counting(open_repository(folder), resolve_commit(open_repository(folder), "HEAD"))
        work = Ingest(store, repo, f"run{next(RUNS)}", source, lambda _: None)
        batches = work.batches()
        rows = iter(batches)
        if stop_after is not None:
            rows = (batch for batch, _ in zip(rows, range(stop_after), strict=False))
        write_partition(store, SOURCE_RECORDS, repo, work.run, rows, whole=batches.whole)
        metadata = batches.finish() if stop_after is None else {}
        return sorted(READ), work.tally, metadata

    return run


def contents(store, repo: str = "r") -> dict[str, list[dict[str, Any]]]:
    """All rows of the repo, without run stamps, by relation."""
    found = {}
    for relation in RELATIONS.values():
        if "repo" in relation.columns and relation.name not in ("snapshots", "repos"):
            columns = [c for c in relation.columns if c not in ("repo", "run")]
            query = f"?[{', '.join(columns)}] := *{relation.name}{{repo, {', '.join(columns)}}}"
            found[relation.name] = store.run("read", f"{query}, repo = $repo", {"repo": repo})
    return found


def paths(store, relation: str, repo: str = "r") -> set[str]:
    rows = store.run("read", f"?[path] := *{relation}{{repo, path}}, repo = $repo", {"repo": repo})
    return {row["path"] for row in rows}


def test_an_unchanged_commit_is_not_even_listed_again(ingest, store, git_repo, monkeypatch):
    folder = git_repo({"a.py": ONE, "b.py": TWO, "notes.txt": "x"})
    read, tally, first = ingest(folder)
    assert sorted(read) == ["a.py", "b.py", "notes.txt"]
    before = contents(store)
    monkeypatch.setattr(Counting, "files", None)
    read, tally, again = ingest(folder)
    assert (read, tally) == ([], Tally())
    assert contents(store) == before
    assert first["records by language"] == again["records by language"] == {"python": 2}
    assert first["skipped by reason"] == again["skipped by reason"] == {"unsupported": 1}


def test_a_commit_that_changes_no_file_moves_the_snapshot_only(ingest, store, git_repo):
    folder = git_repo({"a.py": ONE})
    ingest(folder)
    commit = commit_files(folder, {})
    read, tally, metadata = ingest(folder)
    assert (read, tally.changed, metadata["commit"]) == ([], 0, commit)


def test_only_changed_files_are_read_and_removed_ones_leave_nothing(ingest, store, git_repo):
    folder = git_repo({"a.py": ONE, "b.py": TWO, "gone.py": ONE, "gone.txt": ""})
    ingest(folder)
    commit_files(folder, {"b.py": "def three(): return 3\n", "gone.py": None, "gone.txt": None})
    read, tally, _ = ingest(folder)
    assert read == ["b.py"]
    assert tally == Tally(read=1, unchanged=1, removed=2)
    changed = contents(store)
    fresh = ingest(folder, "fresh") and contents(store, "fresh")
    assert changed == fresh
    for relation in ("source_records", "source_files", "symbol_references", "file_blobs"):
        assert paths(store, relation) <= {"a.py", "b.py"}


def test_a_renamed_file_and_one_of_another_repo_are_copied_not_read(ingest, store, git_repo):
    folder = git_repo({"a.py": ONE, "b.py": TWO})
    ingest(folder)
    git(folder, "mv", "a.py", "moved.py")
    git(folder, "commit", "-qm", "move")
    assert ingest(folder)[:2] == ([], Tally(copied=1, unchanged=1, removed=1))
    other = git_repo({"fork/b.py": TWO, "own.py": "def own(): return 1\n"}, "fork")
    assert ingest(other, "fork")[:2] == (["own.py"], Tally(read=1, copied=1))
    records = {(r["path"], r["symbol"]) for r in contents(store, "fork")["source_records"]}
    assert records == {("fork/b.py", "two"), ("own.py", "own")}


def test_the_same_content_under_another_suffix_is_read_for_itself(ingest, store, git_repo):
    folder = git_repo({"a.py": "x = 1\n"})
    ingest(folder)
    commit_files(folder, {"a.js": "x = 1\n"})
    assert ingest(folder)[0] == ["a.js"]


def test_a_killed_ingest_goes_on_and_then_holds_what_a_whole_one_does(
    ingest, store, git_repo, monkeypatch
):
    monkeypatch.setattr(ingest_module, "RECORDS_A_CHANGE", 1)
    names = [f"f{i}.py" for i in range(6)]
    folder = git_repo({name: f"def f{i}(): return g{i}()\n" for i, name in enumerate(names)})
    _, tally, _ = ingest(folder, stop_after=4)
    assert 0 < tally.read < 6
    committed = paths(store, "source_files")
    read, tally, _ = ingest(folder)
    assert set(read) == set(names) - committed
    assert tally.unchanged == len(committed)
    ingest(folder, "fresh")
    assert contents(store) == contents(store, "fresh")


def test_going_back_after_a_killed_ingest_is_not_taken_for_the_old_state(
    ingest, store, git_repo, monkeypatch
):
    monkeypatch.setattr(ingest_module, "RECORDS_A_CHANGE", 1)
    folder = git_repo({"a.py": ONE, "b.py": TWO})
    ingest(folder)
    before = contents(store)
    commit_files(folder, {"a.py": "def x(): return 1\n", "b.py": "def y(): return 1\n"})
    ingest(folder, stop_after=2)
    assert contents(store) != before
    git(folder, "reset", "-q", "--hard", "HEAD~1")
    ingest(folder)
    assert contents(store) == before


def test_what_was_just_written_resolves_as_what_is_stored(ingest, store, git_repo, monkeypatch):
    code = "class A:\n    def go(self): return helper()\n    def run(self): return self.go()\n"
    folder = git_repo({"a.py": code, "b.py": "def helper(): return A()\n", "c.js": "helper();\n"})
    ingest(folder)
    monkeypatch.setattr(meanings, "MAX_SEEN", 0)
    ingest(folder, "stored")
    assert contents(store)["dependencies"]
    assert contents(store) == contents(store, "stored")


def test_a_run_that_was_overtaken_writes_nothing_beside_the_other_s_rows(store, git_repo):
    folder = git_repo({"a.py": ONE})
    first = iter(_ingest_of(store, folder).batches())
    overtaken = next(first)
    commit_files(folder, {"a.py": TWO})
    other = _ingest_of(store, folder).batches()
    write_partition(store, SOURCE_RECORDS, "r", "other", other, whole=other.whole)
    before = contents(store)
    with pytest.raises(StoreConflict, match="another run"):
        write_partition(store, SOURCE_RECORDS, "r", "run", [overtaken], whole=False)
    assert contents(store) == before


def _ingest_of(store, folder: Path) -> Ingest:
    repository = open_repository(folder)
    source = GitSource(repository, resolve_commit(repository, "HEAD"))
    return Ingest(store, "r", f"run{next(RUNS)}", source, lambda _: None)


def test_new_rules_read_everything_again(ingest, store, git_repo, monkeypatch):
    folder = git_repo({"a.py": ONE})
    ingest(folder)
    monkeypatch.setattr(ingest_module, "EXTRACTOR_VERSION", "next")
    assert ingest(folder)[0] == ["a.py"]


def test_a_blob_that_could_not_be_read_is_tried_again(ingest, store, git_repo, monkeypatch):
    folder = git_repo({"a.py": ONE})
    with monkeypatch.context() as patch:
        patch.setattr(Counting, "read", lambda *_: FileContent(reason="unreadable"))
        ingest(folder)
    commit_files(folder, {"b.py": TWO})
    assert ingest(folder)[0] == ["a.py", "b.py"]


def test_a_repository_that_shrinks_to_nothing_keeps_nothing(ingest, store, git_repo):
    folder = git_repo({"a.py": ONE, "b.txt": "x"})
    ingest(folder)
    commit_files(folder, {"a.py": None, "b.txt": None})
    assert ingest(folder)[1] == Tally(removed=2)
    assert not any(contents(store).values())


def test_what_authors_say_about_a_file_follows_its_content(ingest, store, git_repo):
    def docs(repo: str = "r") -> dict[str, str]:
        rows = store.run(
            "read", "?[path, doc] := *file_docs{repo, path, doc}, repo = $repo", {"repo": repo}
        )
        return {row["path"]: row["doc"] for row in rows}

    folder = git_repo(
        {"a.py": f'"""Counts all things."""\n{ONE}', "README.md": "It counts things."}
    )
    ingest(folder)
    assert docs() == {"a.py": "Counts all things.", "README.md": "It counts things."}
    read, _, _ = ingest(folder, "fork")
    assert (read, docs("fork")) == ([], docs())
    commit_files(folder, {"a.py": ONE})
    git(folder, "rm", "-q", "README.md")
    git(folder, "commit", "-qm", "no words")
    ingest(folder)
    assert docs() == {}
