"""What nothing refers to goes, what is young or referred to stays."""

from datetime import UTC, datetime, timedelta

from dobby_pipeline.schema.relations import RELATIONS
from dobby_pipeline.summaries import garbage
from dobby_pipeline.summaries.garbage import collect_garbage

OLD = (datetime.now(UTC) - timedelta(days=30)).isoformat(timespec="milliseconds")
NEW = datetime.now(UTC).isoformat(timespec="milliseconds")


def put(store, name: str, **row: object) -> None:
    relation = RELATIONS[name]
    numbers = dict.fromkeys(("prompt_tokens", "output_tokens", "start_line", "end_line"), 1)
    whole = dict.fromkeys(relation.columns, "x") | numbers
    whole |= {"ms": 1.0, "confidence": None, "reasons": [], **row}
    store.run("put", relation.put(), {"rows": relation.rows([whole])}, write=True)


def keys(store) -> set[str]:
    rows = store.run("read", "?[summary_key] := *summary_bodies{summary_key}")
    return {row["summary_key"] for row in rows}


def test_only_old_bodies_that_nothing_refers_to_are_removed(store, monkeypatch):
    monkeypatch.setattr(garbage, "_PAGE", 2)
    for name in ("symbol", "file", "repo"):
        put(store, "summary_bodies", summary_key=f"of a {name}", created_at=OLD)
    put(store, "symbol_summaries", summary_key="of a symbol")
    put(store, "file_summaries", summary_key="of a file")
    put(store, "repo_summaries", summary_key="of a repo")
    put(store, "summary_bodies", summary_key="young", created_at=NEW)
    for number in range(5):
        put(store, "summary_bodies", summary_key=f"left {number}", created_at=OLD)
    kept = {"of a symbol", "of a file", "of a repo", "young"}
    assert collect_garbage(store) == 5
    assert keys(store) == kept
    assert collect_garbage(store) == 0
    assert collect_garbage(store, kept_days=0) == 1
    assert keys(store) == kept - {"young"}
