"""Verifying: hashes, finite scores, and the golden tokens of the source."""

import json
import subprocess
import sys

import pytest

from dobby_pipeline.inference.models.convert import convert_model
from dobby_pipeline.inference.device import import_mlx
from dobby_pipeline.inference.models.digests import sha256
from dobby_pipeline.inference.models.golden import FILE, read_golden
from dobby_pipeline.inference.models.manifests import ModelError, load_manifest, weights_folder
from dobby_pipeline.inference.models.verify import verify
from dobby_pipeline_tests.inference.models.gguf_models import write_gguf_model

OFFLINE = """
import sys

def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise AssertionError(f"the network was asked: {event} {args}")

sys.addaudithook(refuse)
import socket
try:
    socket.create_connection(("127.0.0.1", 9))
except AssertionError:
    print("sockets fail")
from dobby_pipeline.inference.models.manifests import load_manifest
from dobby_pipeline.inference.models.listing import list_models
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.models.pull import pull
from dobby_pipeline.inference.requests import Request
from dobby_pipeline.inference.models.verify import verify

manifest = load_manifest("mine")
pull(manifest)
print([state.pulled for state in list_models() if state.name == "mine"])
print(verify(manifest, "cpu").golden > 0)
with SessionPool(manifest, sessions=2, device="cpu") as pool:
    requests = [Request(name, "x", max_tokens=3) for name in "ab"]
    print(len(list(pool.generate(requests))))
"""


@pytest.fixture
def manifest(empty_models, tmp_path):
    return convert_model(write_gguf_model(tmp_path / "tiny.gguf", "qwen2", "Q5_1"), "mine")


def _record_again(folder, name):
    """Make a changed file the one that the record names: only what it computes can tell."""
    file = folder / "dobby-model.json"
    record = json.loads(file.read_text())
    record["files"][name] = sha256(folder / name)
    file.write_text(json.dumps(record))


def _change_weights(folder, name, change):
    mx = import_mlx()
    file = folder / "model.safetensors"
    weights = dict(mx.load(str(file)))
    weights[name] = change(weights[name])
    mx.eval(list(weights.values()))
    file.unlink()
    mx.save_safetensors(str(file), weights, {"format": "mlx"})
    _record_again(folder, file.name)


def test_what_holds_is_counted(manifest):
    golden = read_golden(weights_folder("mine"))
    verified = verify(manifest, "cpu")

    assert verified.files == 5
    assert verified.golden == len(golden.places) > 100
    assert verified.answer.output_tokens > 0


def test_weights_that_say_something_else_are_noticed(manifest):
    _change_weights(
        weights_folder("mine"), "model.layers.0.self_attn.q_proj.weight", lambda w: w[::-1]
    )
    with pytest.raises(ModelError, match=r"device do not say what the source says: \d+ of \d+"):
        verify(manifest, "cpu")


def test_scores_that_are_not_finite_are_noticed(manifest):
    _change_weights(weights_folder("mine"), "model.norm.weight", lambda w: w * float("nan"))
    with pytest.raises(ModelError, match="not all finite|computes nothing usable"):
        verify(manifest, "cpu")


def test_a_tokenizer_that_splits_otherwise_is_noticed(manifest):
    folder = weights_folder("mine")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["merges"] = []
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    _record_again(folder, "tokenizer.json")
    with pytest.raises(ModelError, match="its tokenizer splits the golden text otherwise"):
        verify(manifest, "cpu")


def test_golden_tokens_that_were_changed_are_a_wrong_hash(manifest):
    file = weights_folder("mine") / FILE
    file.write_text(file.read_text().replace('"margin": 1.0', '"margin": 99.0'))
    with pytest.raises(ModelError, match=r"golden\.json: wrong hash"):
        verify(manifest, "cpu")


def test_a_model_pulled_before_golden_tokens_were_recorded_is_verified_without(manifest):
    folder = weights_folder("mine")
    (folder / FILE).unlink()
    record = json.loads((folder / "dobby-model.json").read_text())
    del record["files"][FILE], record["sizes"][FILE]
    (folder / "dobby-model.json").write_text(json.dumps(record))

    assert verify(manifest, "cpu").golden is None


def test_a_model_that_does_not_fit_is_told(manifest):
    with pytest.raises(ModelError, match="raise DOBBY_MEMORY_LIMIT_GB"):
        verify(manifest, "cpu", memory_limit_gb=0.001)


def test_a_hash_in_the_manifest_that_is_not_the_pulled_files_is_told(empty_models, tmp_path):
    folder = tmp_path / "models" / "mine"
    convert_model(write_gguf_model(tmp_path / "tiny.gguf"), "first")
    manifest = convert_model(weights_folder("first"), "mine")
    text = manifest.file.read_text()
    manifest.file.write_text(text.replace(manifest.files["model.safetensors"], "0" * 64))
    with pytest.raises(ModelError, match=r"model\.safetensors: wrong hash, the manifest .* 000"):
        verify(load_manifest("mine"), "cpu")
    assert folder.is_dir()


def test_nothing_after_a_pull_asks_the_network(manifest):
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True)

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["sockets fail", "[True]", "True", "2"]
