"""The settings of the public contract."""

from pathlib import Path

import pytest

from dobby_pipeline.errors import UsageError
from dobby_pipeline.settings import Settings, project_file


def test_the_defaults_are_those_of_the_contract():
    settings = Settings.from_env({})
    assert settings == Settings(
        home=Path(".dobby").absolute(),
        cozo_url="",
        cozo_auth="",
        model="smollm2-135m",
        sessions=20,
        device="auto",
        memory_limit_gb=8.0,
    )


def test_each_variable_is_read():
    settings = Settings.from_env(
        {
            "DOBBY_HOME": "/data/dobby",
            "DOBBY_COZO_URL": "http://localhost:9070",
            "DOBBY_COZO_AUTH": "token",
            "DOBBY_MODEL": "qwen2.5-coder-0.5b",
            "DOBBY_SESSIONS": "4",
            "DOBBY_DEVICE": "cpu",
            "DOBBY_MEMORY_LIMIT_GB": "2.5",
            "DOBBY_MLX_URL": "http://localhost:8080/v1",
            "DOBBY_METRICS_PORT": "9101",
        }
    )
    assert settings == Settings(
        Path("/data/dobby"),
        "http://localhost:9070",
        "token",
        "qwen2.5-coder-0.5b",
        4,
        "cpu",
        2.5,
        mlx_url="http://localhost:8080/v1",
        metrics_port=9101,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOBBY_SESSIONS", "0"),
        ("DOBBY_SESSIONS", "-3"),
        ("DOBBY_SESSIONS", "many"),
        ("DOBBY_DEVICE", "tpu"),
        ("DOBBY_METRICS_PORT", "-1"),
        ("DOBBY_METRICS_PORT", "65536"),
        ("DOBBY_METRICS_PORT", "http"),
        ("DOBBY_MEMORY_LIMIT_GB", "0"),
        ("DOBBY_MEMORY_LIMIT_GB", "nan"),
        ("DOBBY_MEMORY_LIMIT_GB", "inf"),
        ("DOBBY_MEMORY_LIMIT_GB", "8GB"),
    ],
)
def test_a_wrong_value_is_told_with_the_variables_name(name, value):
    with pytest.raises(UsageError, match=name) as error:
        Settings.from_env({name: value})
    assert error.value.exit_status == 2


def test_dagsters_home_is_in_ours_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings = Settings.from_env({"DOBBY_HOME": "/data"})
    assert settings.dagster_home == Path("/data/dagster")
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    assert settings.dagster_home == Path("/elsewhere")


def test_the_projects_files_are_found_beside_the_package():
    assert project_file("dagster.yaml").is_file()
    assert project_file("models").is_dir()
