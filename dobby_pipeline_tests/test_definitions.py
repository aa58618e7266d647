"""The wiring: what the public contract names is there, and showing it is cheap."""

import subprocess
import sys

import dagster as dg
from dagster._core.remote_representation.external_data import RepositorySnap

from dobby_pipeline.definitions import build_defs
from dobby_pipeline.schema.relations import COLUMNS, RELATIONS


def test_the_assets_checks_and_automation_of_the_contract_are_there():
    repository = build_defs().get_repository_def()
    assert {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()} == {
        "cozo_schema",
        "source_records",
        "symbol_summaries",
        "file_summaries",
        "repo_summary",
    }
    checks = {
        (k.asset_key.to_user_string(), k.name) for k in repository.asset_graph.asset_check_keys
    }
    assert checks == {
        ("source_records", "every_file_is_accounted_for"),
        ("source_records", "keys_are_unique"),
        ("source_records", "no_record_is_empty"),
        ("symbol_summaries", "every_record_has_a_verdict"),
        ("symbol_summaries", "enough_is_published"),
        ("symbol_summaries", "provenance_is_complete"),
        ("symbol_summaries", "what_is_published_passes_the_gate"),
        ("symbol_summaries", "summaries_tell_code_apart"),
        ("file_summaries", "every_file_has_a_verdict"),
        ("file_summaries", "files_name_what_they_hold"),
        ("repo_summary", "the_repository_has_a_verdict"),
        ("repo_summary", "the_repository_names_what_it_holds"),
    }
    assert {sensor.name for sensor in repository.sensor_defs} >= {
        "new_commits",
        "roll_ups_left_behind",
        "alert_on_run_failure",
        "alert_on_check_failure",
    }
    assert {schedule.name for schedule in repository.schedule_defs} >= {
        "nightly_refresh",
        "weekly_verify",
        "weekly_clean",
    }


def test_definitions_can_be_loaded():
    dg.Definitions.validate_loadable(build_defs())


def test_every_asset_tells_a_newcomer_what_it_is():
    for spec in build_defs().resolve_all_asset_specs():
        assert spec.description
        assert spec.group_name != "default"
        assert spec.kinds
        assert spec.owners
        assert spec.freshness_policy or spec.key.to_user_string() == "cozo_schema"


def test_every_column_that_the_ui_shows_is_explained():
    shown = ("source_records", "symbol_summaries", "file_summaries", "repo_summaries")
    columns = {column for name in shown for column in RELATIONS[name].columns}
    assert columns <= COLUMNS.keys()


def test_showing_the_graph_imports_neither_mlx_nor_transformers_nor_pandas():
    script = (
        "import sys, dobby_pipeline.definitions\n"
        "heavy = {'mlx', 'mlx_lm', 'transformers', 'pandas', 'numpy', 'huggingface_hub'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_the_gpu_pool_is_limited_to_one_by_the_projects_instance(tmp_path):
    from dobby_pipeline.settings import project_file
    from dobby_pipeline.summaries.assets import GPU_POOL, symbol_summaries

    assert symbol_summaries.op.pool == GPU_POOL
    (tmp_path / "dagster.yaml").write_text(project_file("dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.global_op_concurrency_default_limit == 1
        assert instance.run_monitoring_enabled


def test_what_the_ui_is_told_of_the_definitions_has_no_credential(monkeypatch):
    for name in ("DOBBY_COZO_AUTH", "DOBBY_SOURCE_COZO_AUTH", "DOBBY_MLX_TOKEN"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("DOBBY_COZO_URL", "http://127.0.0.1:9070")
    monkeypatch.setenv("DOBBY_MLX_URL", "http://user:hunter2@127.0.0.1:8080/v1")
    monkeypatch.setenv("DOBBY_ALERT_URL", "http://127.0.0.1:8081/hunter2")
    told = dg.serialize_value(RepositorySnap.from_def(build_defs().get_repository_def()))
    assert "127.0.0.1:9070" in told
    assert "hunter2" not in told
