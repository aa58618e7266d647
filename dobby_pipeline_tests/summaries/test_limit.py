"""Which records a limit takes."""

import pytest

from dobby_pipeline.schema.relations import DEPENDENCIES
from dobby_pipeline.summaries.limit import taken
from dobby_pipeline_tests.summaries.stored import REPO, put_files

FILES = {
    "a_script.py": "def main(): go()\ndef other(): go()\n",
    "core.py": "def read(): pass\ndef write(): pass\n",
    "errors.py": "class Problem(Exception): pass\n",
    "large.py": "".join(f"def f{n}(): pass\n" for n in range(9)),
}


@pytest.fixture
def stored(store):
    put_files(store, FILES)
    return store


def rely(store, *edges: tuple[str, str, str]) -> None:
    columns = ("path", "kind", "to_path")
    rows = [dict(zip(columns, edge, strict=True)) for edge in edges]
    rows = [{"repo": REPO, "symbol": "s", "to_symbol": "t", **row} for row in rows]
    store.run("put", DEPENDENCIES.put(), {"rows": DEPENDENCIES.rows(rows)}, write=True)


def names(store, limit: int) -> list[str]:
    rows = store.run("all", "?[path, symbol] := *source_records{path, symbol} :order path, symbol")
    return [rows[position]["symbol"] for position in sorted(taken(store, REPO, limit))]


def test_what_others_import_comes_first_by_its_size(stored):
    importing = ("a_script.py", "core.py", "large.py")
    rely(stored, *((path, "import", "errors.py") for path in importing))
    rely(stored, *((path, "import", "large.py") for path in (*importing, "errors.py")))
    rely(stored, ("a_script.py", "import", "core.py"), ("large.py", "import", "core.py"))
    assert names(stored, 1) == ["Problem"]
    assert names(stored, 3) == ["read", "write", "Problem"]
    assert names(stored, 5) == ["read", "write", "Problem", "f0", "f1"]


def test_calls_decide_where_imports_do_not(stored):
    rely(stored, ("a_script.py", "call", "core.py"), ("core.py", "call", "core.py"))
    assert names(stored, 2) == ["read", "write"]
    rely(stored, ("core.py", "import", "errors.py"))
    assert names(stored, 2) == ["read", "Problem"]


def test_without_any_edge_paths_decide(stored):
    assert names(stored, 3) == ["main", "other", "read"]
    assert len(names(stored, 100)) == 14


def test_a_higher_limit_takes_the_same_and_more(stored):
    rely(stored, ("a_script.py", "import", "core.py"), ("core.py", "import", "large.py"))
    for limit in range(1, 14):
        assert taken(stored, REPO, limit) < taken(stored, REPO, limit + 1)
