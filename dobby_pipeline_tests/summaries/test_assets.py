"""The asset in Dagster, on records that are in the store already."""

import json

import dagster as dg
import pytest

from dobby_pipeline.cozo.io_manager import cozo_io_manager
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.inference import device, recorder
from dobby_pipeline.inference.models.manifests import MODELS_ENV
from dobby_pipeline.inference.resource import MlxSessionsResource
from dobby_pipeline.logs import LOG_FILE
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.progress import LogReporter
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.schema.relations import RELATIONS
from dobby_pipeline.summaries.assets import symbol_summaries
from dobby_pipeline_tests.inference.tiny_model import install_sentence_model
from dobby_pipeline_tests.summaries.stored import COMMIT, REPO, put_files, summaries


@pytest.fixture
def cozo(tmp_path, monkeypatch):
    monkeypatch.setenv(MODELS_ENV, str(tmp_path / "models"))
    install_sentence_model(tmp_path / "models")
    resource = CozoResource(home=str(tmp_path))
    migrate(resource.store())
    return resource


def materialize(cozo, device: str = "cpu", **config: int) -> dict[str, object]:
    """The asset's metadata."""
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(repo_partitions.name), [REPO])
        upstream = dg.AssetSpec(
            "source_records",
            partitions_def=repo_partitions,
            metadata={"dagster/io_manager_key": "cozo_io_manager"},
        )
        done = dg.materialize(
            [upstream, symbol_summaries],
            selection=[symbol_summaries],
            instance=instance,
            partition_key=REPO,
            run_config={"ops": {"symbol_summaries": {"config": config}}},
            resources={
                "cozo": cozo,
                "cozo_io_manager": cozo_io_manager(RELATIONS),
                "mlx": MlxSessionsResource(
                    model="tiny", sessions=4, device=device, memory_limit_gb=2, home=cozo.home
                ),
                "progress": LogReporter(),
            },
        )
        (event,) = done.asset_materializations_for_node("symbol_summaries")
    return {key: value.value for key, value in event.metadata.items()}


def test_summaries_carry_the_commit_of_the_snapshot_and_the_run_its_figures(cozo):
    large = "def f():\n" + "".join(f"    call({n})\n" for n in range(500))
    put_files(cozo.store(), {"a.py": large, "b.py": "def g():\n    return 1\n"})
    figures = materialize(cozo)
    assert figures["dagster/row_count"] == figures["records"] == 2
    assert figures["of them steps to others"] == 2
    assert figures["generated"] == 4
    assert figures["records a minute"] > 0
    assert {row["commit"] for row in summaries(cozo.store()).values()} == {COMMIT}
    assert len(summaries(cozo.store())) == 2
    assert figures["seconds reading prompts"] > 0
    assert figures["tokens written a second"] > 0
    assert figures["prompts with a beginning read before"] >= 0
    assert materialize(cozo)["generated"] == 0


def test_a_run_leaves_a_picture_a_log_and_what_prometheus_reads(cozo, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(recorder, "SAMPLE_EVERY_S", 0.001)
    put_files(cozo.store(), {f"{name}.py": f"def {name}():\n    return {name}\n" for name in "abc"})
    figures = materialize(cozo)
    assert str(figures["run over time"]).startswith("![tokens written a second, records a minute")
    assert "data:image/png;base64," in str(figures["run over time"])
    lines = [json.loads(line) for line in (tmp_path / "logs" / LOG_FILE).read_text().splitlines()]
    (loaded,) = (line for line in lines if line["event"] == "model loaded")
    assert loaded["repo"] == REPO
    assert loaded["run_id"]
    (metrics,) = (tmp_path / "metrics").iterdir()
    assert 'dobby_requests_total{model="tiny",pool=' in metrics.read_text()
    assert capfd.readouterr().out == ""


def test_a_warning_of_the_engine_is_on_the_runs_standard_error_with_the_run_it_belongs_to(
    cozo, monkeypatch, capfd
):
    monkeypatch.setattr(device, "_gpu_kind", lambda _: None)
    put_files(cozo.store(), {"a.py": "def f():\n    return 1\n"})
    assert materialize(cozo, "gpu")["device"] == "cpu"
    err = capfd.readouterr().err.splitlines()
    (line,) = (line for line in err if line.startswith("WARNING the GPU cannot be used"))
    assert f"repo={REPO}" in line
    assert "run_id=" in line
