"""A workplace for the `dobby` command: an own home, and tiny real models."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dobby_pipeline.cli.main import main
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.inference.models.manifests import load_manifest
from dobby_pipeline.inference.models.pull import pull
from dobby_pipeline_tests.inference.tiny_model import (
    write_manifest,
    write_random_model,
    write_sentence_model,
)


@dataclass(frozen=True)
class Done:
    """A finished command."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Workplace:
    """Where commands run."""

    home: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def store(self) -> CozoStore:
        return CozoStore(self.home / "cozo")

    def dobby(self, *args: object) -> Done:
        """Run the command in this process."""
        self.monkeypatch.setattr(sys, "argv", ["dobby", *map(str, args)])
        self.monkeypatch.setenv("DAGSTER_HOME", "")
        self.capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return Done(status, *self.capsys.readouterr())

    def start(self, *args: object, **env: str) -> "subprocess.Popen[str]":
        """Start the command in a process of its own, which leads a group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "dobby_pipeline.cli.main", *map(str, args)],
            env={**os.environ, "DAGSTER_HOME": "", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    """A models folder with `sentence`, which always says SENTENCE, and `random`, which babbles."""
    folder = tmp_path_factory.mktemp("models")
    writers = {"sentence": write_sentence_model, "random": write_random_model}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOBBY_MODELS", str(folder))
        for name, write in writers.items():
            source = folder / "sources" / name
            write(source)
            write_manifest(folder, name, source)
            pull(load_manifest(name))
        write_manifest(folder, "absent", folder / "sources" / "sentence")
    return folder


@pytest.fixture
def workplace(tmp_path, monkeypatch, capsys, models_dir):
    """An empty home and the tiny models."""
    monkeypatch.setenv("DOBBY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOBBY_MODELS", str(models_dir))
    monkeypatch.setenv("DOBBY_MODEL", "sentence")
    monkeypatch.setenv("DOBBY_DEVICE", "cpu")
    monkeypatch.setenv("DOBBY_SESSIONS", "4")
    monkeypatch.setenv("DAGSTER_HOME", "")
    return Workplace(tmp_path / "home", monkeypatch, capsys)
