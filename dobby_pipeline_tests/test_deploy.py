"""What lies in deploy/ passes the validators of those who will read it."""

import shutil
import subprocess
from typing import Any

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from dobby_pipeline.settings import project_file

DEPLOY = project_file("deploy")
SECRETS = {"DOBBY_COZO_AUTH": "a", "REDIS_PASSWORD": "b", "POSTGRES_PASSWORD": "c"}


def compose_config(**env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["docker-compose", "-f", str(DEPLOY / "compose.yaml"), "config"],
        env={"PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
    )


needs_compose = pytest.mark.skipif(
    shutil.which("docker-compose", path="/usr/bin:/bin") is None, reason="needs docker-compose"
)


@needs_compose
def test_compose_accepts_the_file_and_every_role_is_in_it():
    done = compose_config(**SECRETS)
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    assert set(services) == {
        *("redis", "postgres", "cozo", "code", "webserver", "daemon", "ingest", "gpu", "model")
    }
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert [str(port) for ports in published.values() for port in ports] == [
        "127.0.0.1:3000:3000/tcp"
    ]


@needs_compose
@pytest.mark.parametrize("secret", SECRETS)
def test_compose_starts_nothing_without_a_secret(secret):
    done = compose_config(**{name: value for name, value in SECRETS.items() if name != secret})
    assert done.returncode != 0
    assert "Missing mandatory value" in done.stderr


def test_the_image_keeps_the_instance_but_for_its_storage_and_the_warm_workers_limits(tmp_path):
    steps = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "").split("&&")
    (command,) = [step.partition(">")[0] for step in steps if step.strip().startswith("sed ")]
    made = subprocess.run(
        command, shell=True, cwd=DEPLOY.parent, check=True, capture_output=True, text=True
    )
    (tmp_path / "dagster.yaml").write_text(made.stdout)
    ref = InstanceRef.from_dir(str(tmp_path))
    assert ref.storage_data
    assert ref.storage_data.class_name == "DagsterPostgresStorage"
    kept = yaml.safe_load(project_file("dagster.yaml").read_text())
    del kept["concurrency"]["runs"]["tag_concurrency_limits"][1:]
    found = yaml.safe_load(made.stdout)
    assert found.pop("storage")
    assert found == kept


def test_the_manifests_beside_dagsters_chart_are_kubernetes_own():
    validator = pytest.importorskip("kubernetes_validate")
    values = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text())
    assert [manifest["kind"] for manifest in values["extraManifests"]] == ["Service", "StatefulSet"]
    for manifest in values["extraManifests"]:
        validator.validate(manifest, "1.33", strict=True)
    manifest["spec"]["replicas"] = "one"
    with pytest.raises(validator.ValidationError):
        validator.validate(manifest, "1.33", strict=True)
