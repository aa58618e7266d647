"""The IO manager inside Dagster, over a real store."""

import dagster as dg
import pandas as pd
import pytest

from dobby_pipeline.cozo.io_manager import PartitionStream, cozo_io_manager
from dobby_pipeline.cozo.partition import Batches
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.schema.relations import RELATIONS

parts = dg.StaticPartitionsDefinition(["one", "two"])
ROW = {
    "blob": "b",
    "bytes": 3,
    "language": "",
    "records": 0,
    "reason": "binary",
    "extractor": "x",
}

BOTH = {"dagster/asset_partition_range_start": "one", "dagster/asset_partition_range_end": "two"}


@pytest.fixture
def run(tmp_path):
    """Materialises assets with the IO manager over a fresh database."""
    cozo = CozoResource(home=str(tmp_path))
    migrate(cozo.store())
    resources = {"cozo": cozo, "cozo_io_manager": cozo_io_manager(RELATIONS)}

    def materialize(*assets, partition="one", **options):
        return dg.materialize(assets, resources=resources, partition_key=partition, **options)

    return materialize


def named(relation: str, partitions=parts):
    """An asset decorator: the asset's name is the relation's."""
    return dg.asset(name=relation, partitions_def=partitions, io_manager_key="cozo_io_manager")


def test_batches_come_back_as_a_stream_of_pages(run):
    @named("source_files")
    def skipped() -> Batches:
        return Batches(
            ([{"path": f"{n}.bin", **ROW}] for n in range(3)), finish=lambda: {"note": "drained"}
        )

    seen = []

    @dg.asset(partitions_def=parts, ins={"rows": dg.AssetIn("source_files")})
    def reader(rows: PartitionStream) -> None:
        assert rows.repos == ["one"]
        seen.extend(r["path"] for page in rows.pages(["path"]) for r in page)

    result = run(skipped, reader)
    assert seen == ["0.bin", "1.bin", "2.bin"]
    metadata = result.asset_materializations_for_node("source_files")[0].metadata
    assert metadata["dagster/row_count"].value == 3
    assert metadata["note"].value == "drained"


def test_a_frame_comes_back_as_a_frame_with_its_missing_values(run):
    frame = pd.DataFrame([{"path": "a", **ROW}, {"path": "b", **ROW, "reason": "latin"}])

    @named("source_files")
    def skipped() -> pd.DataFrame:
        return frame

    loaded = []

    @dg.asset(partitions_def=parts, ins={"rows": dg.AssetIn("source_files")})
    def reader(rows: pd.DataFrame) -> None:
        loaded.append(rows)

    run(skipped, reader)
    assert loaded[0][["path", "reason", "bytes"]].values.tolist() == [
        ["a", "binary", 3],
        ["b", "latin", 3],
    ]
    assert set(loaded[0]["repo"]) == {"one"}


def test_nan_and_numpy_scalars_are_stored_as_null_and_plain_numbers(run, tmp_path):
    frame = pd.DataFrame(
        {"summary_key": ["k1", "k2"], "ms": [1.5, 2.5], "confidence": [None, -0.5]}
    )
    body = dict.fromkeys(
        ("text", "status", "origin", "model", "model_revision", "prompt_version", "device"), "x"
    )
    for column, value in {**body, "finish_reason": "stop", "created_at": "now"}.items():
        frame[column] = value
    frame["prompt_tokens"], frame["output_tokens"] = 1, 2
    frame["reasons"] = [[], []]
    from dobby_pipeline.cozo.frames import frame_rows

    store = CozoResource(home=str(tmp_path)).store()
    migrate(store)
    relation = RELATIONS["summary_bodies"]
    store.run("put", relation.put(), {"rows": relation.rows(frame_rows(frame))}, write=True)
    rows = store.run(
        "read", "?[summary_key, confidence, ms] := *summary_bodies{summary_key, confidence, ms}"
    )
    assert rows == [
        {"summary_key": "k1", "confidence": None, "ms": 1.5},
        {"summary_key": "k2", "confidence": -0.5, "ms": 2.5},
    ]


def test_an_unpartitioned_reader_gets_all_partitions(run):
    @named("source_files")
    def skipped(context: dg.AssetExecutionContext) -> Batches:
        return Batches([[{"path": f"{context.partition_key}.bin", **ROW}]])

    run(skipped, partition="one")
    run(skipped, partition="two")
    seen = []

    @dg.asset(ins={"rows": dg.AssetIn("source_files", partition_mapping=dg.AllPartitionMapping())})
    def reader(rows: PartitionStream) -> None:
        seen.extend(r["path"] for page in rows.pages() for r in page)

    run(skipped, reader, partition=None, selection=[reader])
    assert seen == ["one.bin", "two.bin"]


def test_what_is_neither_frame_nor_batches_is_refused_by_name(run):
    @named("source_files")
    def skipped():
        return 42

    with pytest.raises(TypeError, match="source_files.*not int"):
        run(skipped)


def test_only_the_changed_partitions_of_a_frame_are_written(run, tmp_path):
    rows = [{"repo": repo, "path": "a", **ROW} for repo in ("one", "two")]

    def materialize(changed: list[dict]) -> dict[str, str]:
        @dg.asset(
            name="source_files",
            partitions_def=parts,
            io_manager_key="cozo_io_manager",
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def skipped() -> pd.DataFrame:
            return pd.DataFrame(changed)

        run(skipped, partition=None, tags=BOTH)
        stamps = CozoResource(home=str(tmp_path)).store()
        found = stamps.run("read", "?[repo, run] := *source_files{repo, path, run}")
        return {row["repo"]: row["run"] for row in found}

    first = materialize(rows)
    second = materialize([rows[0], {**rows[1], "bytes": 4}])
    assert first["one"] == second["one"]
    assert first["two"] != second["two"]


def test_a_materialisation_shows_the_columns_of_its_relation(run):
    @named("source_files")
    def skipped() -> Batches:
        return Batches([[{"path": "a", **ROW}]])

    metadata = run(skipped).asset_materializations_for_node("source_files")[0].metadata
    columns = metadata["dagster/column_schema"].value.columns
    assert [(c.name, c.type) for c in columns[:3]] == [
        ("repo", "String"),
        ("path", "String"),
        ("blob", "String"),
    ]
