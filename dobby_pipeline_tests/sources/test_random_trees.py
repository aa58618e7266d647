"""Random trees of random names and contents: every file is accounted for, and every key is one row.

A tree that follows another in the same repo must leave what it leaves in an empty one.
"""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dobby_pipeline.cozo.partition import write_partition
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.schema.relations import SOURCE_RECORDS
from dobby_pipeline.sources.git_tree import display_path, open_repository
from dobby_pipeline.sources.ingest import Ingest
from dobby_pipeline.sources.reader import GitSource
from dobby_pipeline_tests.sources.test_ingest import contents

_NAMES = st.one_of(
    st.sampled_from(["a.py", "A.py", "b.go", "b.rs", "x", ".dobbyignore", ".gitattributes"]),
    st.sampled_from(["we ird\n.py", "q'uo\"te.py", "..py", "\u202efdp.py", "é.py", "e\u0301.py"]),
    st.binary(min_size=1, max_size=12).map(lambda name: name.decode("latin-1") + ".py"),
).map(lambda name: name.encode("latin-1", "replace") if name.isascii() else name.encode())
_FOLDERS = st.lists(st.sampled_from([b"src", b"vendor", b"d\xff", b"t"]), max_size=3)
_TEXTS = st.one_of(
    st.sampled_from(
        [
            b"def f():\n    return g()\n",
            b"def g():\n    return 1\n\ndef g():\n    return 2\n",
            b"class C:\n    def f(self):\n        return self.f()\n",
            b"func F() int { return 1 }\n",
            b"fn f() { g() }\n",
            b"*.py\n",
            b"*.py linguist-generated\n",
            b"",
        ]
    ),
    st.binary(max_size=60),
)
_TREES = st.dictionaries(st.tuples(_FOLDERS.map(tuple), _NAMES), _TEXTS, max_size=8)
Tree = Mapping[tuple[tuple[bytes, ...], bytes], bytes]


def files_of(tree: Tree) -> dict[bytes, bytes]:
    """Contents by path, without names that git has no place for or that are files and folders."""
    found = {b"/".join((*folders, name)): data for (folders, name), data in tree.items()}
    bad = {b".", b"..", b".git"}
    return {
        path: data
        for path, data in found.items()
        if not bad & set(path.split(b"/"))
        and not any(b"\0" in part or not part for part in path.split(b"/"))
        and not any(other.startswith(path + b"/") for other in found)
    }


def commit(folder: Path, files: Mapping[bytes, bytes]) -> str:
    """A commit of exactly these files, made without a work tree; returns its id."""
    lines: list[bytes] = []
    for path, data in files.items():
        blob = git(folder, "hash-object", "-w", "--stdin", given=data)
        lines.append(b"100644 " + blob.encode() + b"\t" + path + b"\0")
    git(folder, "read-tree", "--empty")
    git(folder, "update-index", "-z", "--index-info", given=b"".join(lines))
    return git(folder, "commit-tree", "-m", "x", git(folder, "write-tree"))


def git(folder: Path, *args: str, given: bytes = b"") -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-C", str(folder)]
    done = subprocess.run([*command, *args], input=given, capture_output=True, check=True)
    return done.stdout.decode().strip()


def ingest(store: CozoStore, folder: Path, repo: str, commit_id: str) -> None:
    source = GitSource(open_repository(folder), commit_id)
    work = Ingest(store, repo, f"{repo}-{commit_id}", source, lambda _: None)
    batches = work.batches()
    write_partition(store, SOURCE_RECORDS, repo, work.run, batches, whole=batches.whole)
    batches.finish()


@given(_TREES, _TREES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_random_tree_after_another_leaves_what_it_leaves_by_itself(
    before: Tree, after: Tree
) -> None:
    first, second = files_of(before), files_of(after)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "repository")
        folder.mkdir()
        git(folder, "init", "--quiet")
        store = CozoStore(Path(scratch, "cozo"))
        migrate(store)
        for files in (first, second):
            ingest(store, folder, "changed", commit(folder, files))
        ingest(store, folder, "fresh", commit(folder, second))

        changed, fresh = contents(store, "changed"), contents(store, "fresh")
        for relation, rows in fresh.items():
            assert sorted(map(repr, changed[relation])) == sorted(map(repr, rows)), relation
        listed = [row["path"] for row in fresh["source_files"]]
        assert sorted(listed) == sorted(map(display_path, second))
        with_records = {row["path"] for row in fresh["source_records"]}
        assert with_records == {r["path"] for r in fresh["source_files"] if not r["reason"]}
