"""Tiny real models for this room's tests, in a models folder of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dobby_pipeline.inference.models.manifests import MODELS_ENV, Manifest, load_manifest
from dobby_pipeline_tests.inference.tiny_model import install_random_model, install_sentence_model


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the sentence model `tiny` and the random model `tiny-random`."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS_ENV, str(folder))
        install_sentence_model(folder)
        install_random_model(folder)
    return folder


@pytest.fixture
def models(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared folder of tiny models, in use."""
    monkeypatch.setenv(MODELS_ENV, str(tiny_models))
    return tiny_models


@pytest.fixture
def empty_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A models folder of the test's own, in use."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv(MODELS_ENV, str(folder))
    return folder


@pytest.fixture
def sentence_model(models: Path) -> Manifest:
    return load_manifest("tiny")


@pytest.fixture
def random_model(models: Path) -> Manifest:
    return load_manifest("tiny-random")
