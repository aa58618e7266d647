"""Models converted from files on this machine, and the manifests written for them."""

import json
import tomllib
from dataclasses import replace

import pytest

from dobby_pipeline.inference.models.convert import convert_model
from dobby_pipeline.inference.models.digests import sha256
from dobby_pipeline.inference.models.folder import count_parameters, kv_per_token, model_type
from dobby_pipeline.inference.models.golden import read_golden
from dobby_pipeline.inference.models.manifests import (
    Manifest,
    ModelError,
    PathSource,
    load_manifest,
    manifest_text,
    read_manifest,
    weights_folder,
)
from dobby_pipeline.inference.models.listing import fetched_revision, list_models
from dobby_pipeline.inference.models.pull import PullProgress, is_pulled, pull
from dobby_pipeline.inference.models.verify import verify
from dobby_pipeline_tests.inference.models.gguf_models import (
    KV_HEADS,
    LAYERS,
    write_gguf_model,
    write_hub_folder,
)
from dobby_pipeline_tests.inference.tiny_model import CONTEXT, CONTROLS, END


def _nothing_left(models):
    return [p.name for p in models.iterdir() if p.suffix != ".lock" and ".part" not in p.name] == []


def test_a_gguf_file_becomes_a_model_with_a_manifest_of_its_own(empty_models, tmp_path):
    file = write_gguf_model(tmp_path / "tiny.gguf", "qwen2", "Q5_0")
    told: list[PullProgress] = []
    convert_model(file, "mine", report=told.append)

    manifest = load_manifest("mine")
    assert manifest.file == empty_models / "mine.toml"
    assert (manifest.architecture, manifest.licence) == ("qwen2", "apache-2.0")
    assert (manifest.context, manifest.prompt_budget) == (CONTEXT, CONTEXT * 3 // 4)
    assert manifest.files == {"tiny.gguf": sha256(file)}
    assert manifest.parameters == count_parameters(weights_folder("mine"))
    assert (manifest.bits, manifest.kv_per_token) == (16, 2 * LAYERS * KV_HEADS * 64)
    assert is_pulled(manifest)
    assert fetched_revision(manifest) == manifest.revision
    assert [p.stage for p in told if p.stage != "checking"] == ["converting", "comparing", "done"]
    verified = verify(manifest, "cpu")
    assert verified.golden
    assert verified.files == 5


@pytest.mark.parametrize("bits", [4, 8])
def test_it_can_be_quantised_and_pulled_again_from_its_manifest(empty_models, tmp_path, bits):
    file = write_gguf_model(tmp_path / "tiny.gguf", "llama", "F16")
    plain = convert_model(file, "plain")
    small = convert_model(file, f"small{bits}", bits)

    assert (plain.bits, small.bits) == (16, bits)
    assert small.revision == f"{plain.revision}-{bits}bit"
    before = weights_folder(small.name) / "model.safetensors"
    digest = sha256(before)
    before.with_name("dobby-model.json").unlink()
    pull(load_manifest(small.name))
    assert sha256(before) == digest
    assert verify(load_manifest(small.name), "cpu").golden


def test_a_source_that_changed_is_another_revision(empty_models, tmp_path):
    first = convert_model(write_gguf_model(tmp_path / "tiny.gguf", seed=1), "mine")
    first.file.unlink()
    second = convert_model(write_gguf_model(tmp_path / "tiny.gguf", seed=2), "mine")

    assert first.revision != second.revision
    assert fetched_revision(load_manifest("mine")) == second.revision
    write_gguf_model(tmp_path / "tiny.gguf", seed=3)
    (weights_folder("mine") / "dobby-model.json").unlink()
    with pytest.raises(ModelError, match=r"tiny\.gguf: wrong hash"):
        pull(load_manifest("mine"))


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
@pytest.mark.parametrize(("bits", "shards"), [(None, 1), (None, 2), (8, 3), (4, 1)])
def test_a_hub_folder_is_converted(empty_models, tmp_path, architecture, bits, shards):
    source = write_hub_folder(tmp_path / "hub", architecture, shards=shards)
    (source / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# A model\n")
    (source / "pytorch_model.bin").write_bytes(b"not needed")
    (source / "model.safetensors.index.json").write_text("{}")
    manifest = convert_model(source, "mine", bits)
    folder = weights_folder("mine")

    assert manifest.licence == "mit"
    assert manifest.bits == (bits or 16)
    assert manifest.parameters == count_parameters(folder) == count_parameters(source)
    assert not (folder / "pytorch_model.bin").exists()
    assert len(list(folder.glob("model*.safetensors"))) == (1 if bits else shards)
    assert len(manifest.files) == 1 + shards
    assert verify(manifest, "cpu").golden


def test_an_architecture_without_a_reference_is_verified_without_golden_tokens(
    empty_models, tmp_path
):
    # mlx-lm takes a mistral for a llama.
    source = write_hub_folder(tmp_path / "hub", model_type="mistral")
    convert_model(source, "mine")

    assert read_golden(weights_folder("mine")) is None
    assert verify(load_manifest("mine"), "cpu").golden is None


def test_a_template_that_takes_no_system_message_is_noted(empty_models, tmp_path):
    template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('none') }}{% endif %}"
        "{{ m.content }}{% endfor %}"
    )
    changes = {"tokenizer.chat_template": template}
    manifest = convert_model(write_gguf_model(tmp_path / "tiny.gguf", **changes), "mine")

    assert manifest.system_role is False
    assert load_manifest("mine").system_role is False


def test_a_name_that_is_taken_or_cannot_be_one_is_refused(empty_models, tmp_path):
    file = write_gguf_model(tmp_path / "tiny.gguf")
    for name, told in (("smollm2-135m", "there is a manifest"), ("My Model", "a name is of a-z")):
        with pytest.raises(ModelError, match=told):
            convert_model(file, name)
    convert_model(file, "mine")
    with pytest.raises(ModelError, match=r"mine\.toml: remove it or give another name"):
        convert_model(file, "mine")


def test_a_source_that_is_none_is_told(empty_models, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    for source, told in (
        ("nowhere.gguf", "give a .gguf file or a folder"),
        ("notes.txt", "give a .gguf file or a folder"),
        ("empty", "has no config.json"),
    ):
        with pytest.raises(ModelError, match=told) as caught:
            convert_model(tmp_path / source, "mine")
        assert "\n" not in str(caught.value)
    assert _nothing_left(empty_models)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tokenizer.chat_template": None}, "has no chat template; take an instruction-tuned"),
        ({"arch.context_length": None}, "has no 'llama.context_length'"),
        ({"tokenizer.ggml.model": "llama"}, "not a byte-level BPE"),
        ({"tokenizer.ggml.pre": "martian"}, "use one of smollm, gpt-2, qwen2, llama-bpe"),
        ({"tokenizer.chat_template": "{{ nothing"}, "its chat template fails"),
        ({"tokenizer.chat_template": "no message"}, "does not take a user message"),
    ],
)
def test_a_gguf_file_that_cannot_be_used_leaves_nothing(empty_models, tmp_path, changes, told):
    file = write_gguf_model(tmp_path / "tiny.gguf", **changes)
    with pytest.raises(ModelError, match=told) as caught:
        convert_model(file, "mine")
    assert "\n" not in str(caught.value)
    assert ".mine.new" not in str(caught.value)
    assert _nothing_left(empty_models)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_type": "martian"}, "architecture 'martian' is not supported: mlx-lm does not"),
        ({"model_type": "../llama"}, "architecture '../llama' is not supported"),
        ({"model_type": 7}, "its model_type is no text"),
        ({"model_type": None}, "cannot be read, or names no model_type"),
        ({"max_position_embeddings": None}, "has no 'max_position_embeddings'"),
        ({"num_hidden_layers": 3}, "not whole or not of its architecture: there is no 'blk.2."),
        ({"hidden_size": 128}, "not whole or not of its architecture"),
    ],
)
def test_a_folder_that_is_no_model_leaves_nothing(empty_models, tmp_path, change, told):
    source = write_hub_folder(tmp_path / "hub", **change)
    with pytest.raises(ModelError, match=told) as caught:
        convert_model(source, "mine")
    assert "\n" not in str(caught.value)
    assert _nothing_left(empty_models)


def test_a_folder_whose_tokenizer_has_no_chat_template_is_refused(empty_models, tmp_path):
    source = write_hub_folder(tmp_path / "hub")
    (source / "tokenizer_config.json").write_text(json.dumps({"eos_token": CONTROLS[END]}))
    with pytest.raises(
        ModelError, match="^model mine: it has no chat template: take an instruction-tuned model$"
    ):
        convert_model(source, "mine")
    assert _nothing_left(empty_models)


@pytest.mark.parametrize("bits", [None, 8])
def test_a_folder_with_missing_or_cut_weights_is_refused(empty_models, tmp_path, bits):
    source = write_hub_folder(tmp_path / "hub", shards=2)
    weights = source / "model-00002-of-00002.safetensors"
    whole = weights.read_bytes()
    for size in (4, 100, len(whole) // 2):
        weights.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"00002\.safetensors: no whole safetensors file"):
            convert_model(source, "mine", bits)
    weights.unlink()
    with pytest.raises(ModelError, match="not whole|do not make a model"):
        convert_model(source, "mine", bits)
    (source / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"^model mine: its source has no tokenizer\.json$"):
        convert_model(source, "mine", bits)
    assert _nothing_left(empty_models)


def test_weights_are_not_quantised_twice(empty_models, tmp_path):
    convert_model(write_hub_folder(tmp_path / "hub"), "small", 4)
    with pytest.raises(ModelError, match="quantised already: leave --quantize out"):
        convert_model(weights_folder("small"), "smaller", 4)
    same = convert_model(weights_folder("small"), "same")
    assert same.bits == 4
    assert same.parameters == load_manifest("small").parameters
    assert verify(same, "cpu").golden


def test_a_manifest_of_another_architecture_is_told(empty_models, tmp_path):
    manifest = convert_model(write_gguf_model(tmp_path / "tiny.gguf", "qwen2"), "mine")
    manifest.file.write_text(manifest.file.read_text().replace('"qwen2"', '"llama"'))
    (weights_folder("mine") / "dobby-model.json").unlink()
    with pytest.raises(ModelError, match="architecture is 'llama' and the model's .*'qwen2'"):
        pull(load_manifest("mine"))


def test_a_manifest_is_written_as_it_is_read(tmp_path):
    file = tmp_path / "odd.toml"
    manifest = Manifest(
        "odd", file, 'A "model" of 🙂\\ and\x7f\n', "MIT", "llama", 7, 4096, 512,
        PathSource("/a b/ü.gguf", "r1", 8), False, {"a b.gguf": "0" * 64, "c.gguf": "1" * 64},
        bits=8, kv_per_token=12,
    )  # fmt: skip
    file.write_text(manifest_text(manifest))

    assert read_manifest(file) == manifest
    assert tomllib.loads(file.read_text())["source"]["quantize"] == 8
    plain = replace(manifest, source=PathSource("x"), files={})
    file.write_text(manifest_text(plain))
    assert read_manifest(file) == plain


def test_the_list_tells_what_fits_each_device(empty_models, tmp_path):
    manifest = convert_model(write_gguf_model(tmp_path / "tiny.gguf"), "mine", 4)
    cache = manifest.kv_per_token * manifest.prompt_budget
    stored = (weights_folder("mine") / "model.safetensors").stat().st_size
    needs = {
        "cpu": 4 * (manifest.parameters + cache),
        "cuda": 2 * (manifest.parameters + cache),
        "metal": stored + 2 * cache,
    }
    for kind, expected in needs.items():
        for limit, fits in ((expected / 1e9, True), ((expected - 1) / 1e9, False)):
            state = next(s for s in list_models(kind, limit) if s.name == "mine")
            assert (state.needs, state.fits) == (expected, fits)
    # Of a model that is not pulled its manifest tells.
    small = {s.name: s for s in list_models("metal")}["smollm2-135m"]
    assert small.needs == 134_515_008 * 5 // 8 + 11520 * 2 * 2048
    assert next(s for s in list_models() if s.name == "mine").fits is None


def test_a_model_nobody_told_enough_of_may_fit_or_not(empty_models, tmp_path):
    manifest = convert_model(write_gguf_model(tmp_path / "tiny.gguf"), "mine")
    text = manifest.file.read_text().replace(f"kv_per_token = {manifest.kv_per_token}\n", "")
    manifest.file.write_text(text.replace(manifest.revision, "other"))
    state = next(s for s in list_models("cpu") if s.name == "mine")

    assert (state.pulled, state.needs, state.fits) == (False, None, None)


def test_the_shipped_manifests_know_their_caches(tmp_path):
    layers = {"smollm2-135m": (30, 9, 3, 576), "qwen2.5-coder-0.5b": (24, 14, 2, 896)}
    for name, (depth, heads, kv, width) in layers.items():
        config = {
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "num_key_value_heads": kv,
            "hidden_size": width,
        }
        assert load_manifest(name).kv_per_token == kv_per_token(config)


def test_other_names_of_an_architecture_are_known(tmp_path):
    assert model_type(write_hub_folder(tmp_path / "hub", model_type="mistral")) == "mistral"
