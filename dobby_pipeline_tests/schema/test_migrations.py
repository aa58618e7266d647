"""Migrations on real databases."""

import subprocess
import sys
import threading
import time

import pytest

from dobby_pipeline.cozo.store import CozoStore, StoreError, StoreNewer
from dobby_pipeline.schema import migrations
from dobby_pipeline.schema.migrations import (
    MIGRATIONS,
    Migration,
    check_version,
    latest_version,
    migrate,
    schema_version,
)
from dobby_pipeline.schema.relations import RELATIONS
from dobby_pipeline.summaries.recipe import PRESENT
from dobby_pipeline_tests.cozo.server import CozoServer


def test_a_fresh_database_gets_every_relation_as_the_code_knows_it(empty_store):
    assert schema_version(empty_store) == 0
    assert [m.version for m in migrate(empty_store)] == [m.version for m in MIGRATIONS]
    for relation in RELATIONS.values():
        columns = empty_store.run("columns", f"::columns {relation.name}")
        assert tuple(c["column"] for c in columns if c["is_key"]) == relation.keys
        assert {c["column"] for c in columns if not c["is_key"]} == set(relation.values)


def test_migrating_again_changes_nothing(store):
    assert migrate(store) == []
    assert schema_version(store) == latest_version()


def test_versions_count_up_without_gaps():
    assert [m.version for m in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_a_failing_step_leaves_the_database_at_the_step_before(store, monkeypatch):
    broken = Migration(
        latest_version() + 1, "broken", "{:create half {k: Int}} {:create repos {k: Int}}"
    )
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(StoreError, match="broken"):
        migrate(store)
    assert schema_version(store) == broken.version - 1
    assert "half" not in {r["name"] for r in store.run("list", "::relations")}


def test_a_newer_database_is_refused_with_both_versions_and_what_to_do(store):
    put = "?[version, name] <- [[99, 'later']] :put schema_version {version => name}"
    store.run("from the future", put, write=True)
    for refuse in (migrate, check_version):
        with pytest.raises(StoreNewer, match=rf"99.*{latest_version()}.*update Dobby"):
            refuse(store)


def test_two_processes_that_start_at_once_both_find_it_migrated(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from dobby_pipeline.cozo.store import CozoStore\n"
        "from dobby_pipeline.schema.migrations import migrate\n"
        "print(len(migrate(CozoStore(Path(sys.argv[1])))))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "cozo")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    applied = sorted(int(process.communicate(timeout=60)[0]) for process in started)
    assert applied == [0, 0, len(MIGRATIONS)]


def test_on_a_server_each_step_is_applied_by_one_migrator_of_three(tmp_path):
    with CozoServer(tmp_path / "home", "x") as server:
        stores = [CozoStore(tmp_path, url=server.url, auth="x") for _ in range(3)]
        applied: list[Migration] = []
        threads = [threading.Thread(target=lambda s=s: applied.extend(migrate(s))) for s in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(m.version for m in applied) == [m.version for m in MIGRATIONS]
        assert schema_version(stores[0]) == latest_version()


def _seconds(action) -> float:
    """The least of a few runs: what it costs when nothing else is in the way."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best


def test_the_work_plan_looks_up_its_keys_instead_of_scanning_50000_rows(store):
    bodies, records = RELATIONS["summary_bodies"], RELATIONS["source_records"]
    body = dict.fromkeys(bodies.columns, "")
    body |= {"reasons": [], "prompt_tokens": 0, "output_tokens": 0, "ms": 0.0, "confidence": None}
    record = dict.fromkeys(records.columns, "x")
    record |= {"start_line": 1, "end_line": 2, "inner": [], "parts": []}
    for start in range(0, 50_000, 5_000):
        some = range(start, start + 5_000)
        put = {"rows": bodies.rows({**body, "summary_key": f"k{i:06}"} for i in some)}
        store.run("put", bodies.put(), put, write=True)
        put = {
            "rows": records.rows({**record, "repo": f"r{i % 100}", "path": f"p{i}"} for i in some)
        }
        store.run("put", records.put(), put, write=True)
    keys = {"keys": [[f"k{i:06}"] for i in range(0, 50_000, 500)]}
    with store.held("plan") as held:
        look_up = _seconds(lambda: held.run("plan", PRESENT, keys))
        scan = _seconds(
            lambda: held.run("scan", "?[count(text)] := *summary_bodies{summary_key, text}")
        )
        page = "?[path, content_hash] := *source_records{repo: $r, path, content_hash}"
        own = _seconds(lambda: held.run("own", page, {"r": "r7"}))
        every = "?[count(content_hash)] := *source_records{repo, path, content_hash}"
        all_repos = _seconds(lambda: held.run("all", every))
    assert look_up * 5 < scan
    assert own * 5 < all_repos


def test_version_2_keeps_the_registry_and_reads_everything_again(empty_store, monkeypatch):
    monkeypatch.setattr(migrations, "MIGRATIONS", MIGRATIONS[:1])
    migrate(empty_store)
    empty_store.run(
        "put",
        "{?[repo, location, kind, ref, worktree, added_at] <- "
        "[['r', '/r', 'git', 'HEAD', true, 'then']] "
        ":put repos {repo => location, kind, ref, worktree, added_at}}"
        "{?[repo, commit, files, records, extractor, updated_at] <- [['r', 'c', 1, 1, 'x', 'then']]"
        ":put snapshots {repo => commit, files, records, extractor, updated_at}}",
        write=True,
    )
    monkeypatch.undo()
    assert [m.version for m in migrate(empty_store)] == [2, 3, 4, 5, 6]
    columns = ", ".join(RELATIONS["repos"].columns)
    assert empty_store.run("read", f"?[{columns}] := *repos{{{columns}}}") == [
        {
            "repo": "r",
            "location": "/r",
            "kind": "git",
            "ref": "HEAD",
            "worktree": True,
            "columns": {},
            "added_at": "then",
        }
    ]
    assert empty_store.run("read", "?[repo] := *snapshots{repo}") == []
