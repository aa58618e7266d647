"""The asset `source_records` inside Dagster: what it shows, and when it is new."""

import dagster as dg
import pytest

from dobby_pipeline.cozo.io_manager import cozo_io_manager
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.progress import LogReporter
from dobby_pipeline.schema.assets import cozo_schema
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.schema.relations import RELATIONS
from dobby_pipeline.sources.assets import source_records
from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.registry import Repo, add_repo
from dobby_pipeline_tests.conftest import commit_files, git


@pytest.fixture
def materialize(tmp_path, git_repo):
    """Ingests a repository through Dagster; returns the folder and a function to do it again."""
    cozo = CozoResource(home=str(tmp_path / "home"))
    migrate(cozo.store())
    folder = git_repo({"a.py": "def f(): return g()\n", "b.bin": "\0", "c.go": "package c\n"})
    add_repo(cozo.store(), Repo("example", str(folder)))
    resources = {
        "cozo": cozo,
        "cozo_io_manager": cozo_io_manager(RELATIONS),
        "progress": LogReporter(),
    }

    def run() -> dg.AssetMaterialization:
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions(repo_partitions.name or "", ["example"])
            result = dg.materialize(
                [source_records, cozo_schema],
                selection=[source_records],
                resources=resources,
                instance=instance,
                partition_key="example",
            )
        return result.asset_materializations_for_node("source_records")[0]

    return folder, run


def test_an_ingest_shows_counts_as_tables_a_picture_the_columns_and_the_commit(materialize):
    folder, run = materialize
    metadata = run().metadata
    languages = metadata["records by language"].records
    assert [record.data for record in languages] == [{"name": "python", "count": 1}]
    reasons = {r.data["name"]: r.data["count"] for r in metadata["skipped by reason"].records}
    assert reasons == {"binary": 1, "no_symbols": 1}
    assert metadata["picture"].value.startswith("![records by language, skipped by reason](data:")
    assert {c.name for c in metadata["dagster/column_schema"].value.columns} >= {"code", "symbol"}
    assert metadata["commit"].value == git(folder, "rev-parse", "HEAD")
    assert metadata["share of references resolved"].value == 1.0


def test_a_commit_that_changes_no_file_has_the_same_data_version(materialize):
    folder, run = materialize

    def version() -> str:
        return run().tags["dagster/data_version"]

    first = version()
    commit_files(folder, {})
    assert version() == first
    commit_files(folder, {"a.py": "def f(): return 2\n"})
    assert version() != first


def test_a_repository_that_vanished_is_one_clear_line(materialize, tmp_path):
    folder, run = materialize
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="does not exist"):
        run()
