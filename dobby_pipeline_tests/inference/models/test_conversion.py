"""GGUF files of every common format: MLX computes from the conversion what the source says."""

import json
import subprocess
import sys

import numpy as np
import pytest

from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.models.comparison import device_scores, require_same
from dobby_pipeline.inference.models.gguf import convert
from dobby_pipeline.inference.models.golden import TEXT, golden_of, likeliest
from dobby_pipeline.inference.models.manifests import ModelError, load_manifest
from dobby_pipeline.inference.models.reference import next_scores
from dobby_pipeline.inference.models.reference_weights import GgufWeights, folder_weights
from dobby_pipeline_tests.inference.models.gguf_models import (
    HEADS,
    HIDDEN,
    SCALES,
    permuted,
    write_gguf_model,
    write_hub_folder,
)

FORMATS = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", *SCALES]


def _converted(tmp_path, file, bits=None):
    folder = tmp_path / "converted"
    folder.mkdir()
    convert(file, folder, bits)
    return folder


def _config(folder):
    return json.loads((folder / "config.json").read_text())


def _prompt(folder):
    return Chat(folder).encode_text(TEXT)


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
@pytest.mark.parametrize("kind", FORMATS)
def test_mlx_says_what_the_file_says_in_every_format(tmp_path, kind, architecture):
    # Scores of random bits lie close together, so the outer matrices are plain there.
    outer = dict.fromkeys(("token_embd.weight", "output.weight"), "F32" if kind in SCALES else kind)
    file = write_gguf_model(tmp_path / "tiny.gguf", architecture, kind, kinds=outer)
    folder = _converted(tmp_path, file)
    golden = golden_of(GgufWeights(file), Chat(folder))
    scores = device_scores(folder, "cpu", golden.prompt)

    assert len(golden.places) > len(golden.prompt) // 4
    assert golden.differing(likeliest(scores)) == []
    exact = next_scores(folder_weights(folder), golden.prompt)
    np.testing.assert_allclose(scores, exact, atol=2e-3)
    source = next_scores(GgufWeights(file), golden.prompt)
    # MLX unpacks to float16 where the scales are such; the rest was rounded to bfloat16.
    most = {"F32": 5e-3, "F16": 5e-3, "Q4_0": 0.1, "Q4_1": 0.1, "Q8_0": 0.1}.get(kind, 1.0)
    assert np.abs(scores - source).max() < most
    packed = {"Q4_0": 4, "Q4_1": 4, "Q8_0": 8}.get(kind)
    assert _config(folder).get("quantization", {}).get("bits") == packed


def test_a_file_of_mixed_formats_is_unpacked(tmp_path):
    kinds = {"token_embd.weight": "Q5_0", "output.weight": "Q8_0", "blk.0.ffn_down.weight": "Q6_K"}
    file = write_gguf_model(tmp_path / "tiny.gguf", "qwen2", "Q4_K", kinds=kinds)
    folder = _converted(tmp_path, file)
    golden = golden_of(GgufWeights(file), Chat(folder))

    assert "quantization" not in _config(folder)
    assert _config(folder)["torch_dtype"] == "bfloat16"
    assert golden.differing(likeliest(device_scores(folder, "cpu", golden.prompt))) == []


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_a_gguf_file_and_the_hubs_folder_of_a_model_say_the_same(tmp_path, architecture):
    # The hub's q and k are not permuted, and mlx-lm reads the folder as it is.
    hub = write_hub_folder(tmp_path / "hub", architecture)
    folder = _converted(tmp_path, write_gguf_model(tmp_path / "tiny.gguf", architecture))
    prompt = _prompt(folder)

    assert prompt == _prompt(hub)
    of_hub, of_gguf = (device_scores(place, "cpu", prompt) for place in (hub, folder))
    np.testing.assert_allclose(of_gguf, of_hub, atol=1e-3)
    np.testing.assert_allclose(next_scores(folder_weights(hub), prompt), of_hub, atol=1e-3)


def test_permuting_moves_the_rows_so_that_the_check_of_it_can_fail():
    weight = np.arange(HIDDEN * 2.0).reshape(HIDDEN, 2)

    assert not np.array_equal(permuted(weight, HEADS), weight)


@pytest.mark.parametrize(
    ("architecture", "wrong"),
    [
        ("llama", {"rope_traditional": False}),
        ("qwen2", {"rope_traditional": True}),
        ("qwen2", {"rope_theta": 1e6}),
        ("llama", {"num_key_value_heads": 1, "head_dim": 128, "num_attention_heads": 2}),
    ],
)
def test_a_wrong_conversion_is_noticed(tmp_path, architecture, wrong):
    file = write_gguf_model(tmp_path / "tiny.gguf", architecture)
    folder = _converted(tmp_path, file)
    golden = golden_of(GgufWeights(file), Chat(folder))
    (folder / "config.json").write_text(json.dumps(_config(folder) | wrong))

    assert golden.differing(likeliest(device_scores(folder, "cpu", golden.prompt)))
    tokens = likeliest(next_scores(folder_weights(folder), golden.prompt))
    with pytest.raises(
        ModelError, match=r"^model smollm2-135m: it do not say .* golden tokens differ"
    ):
        require_same(load_manifest("smollm2-135m"), golden, tokens, "it")


@pytest.mark.parametrize("kind", ["F32", "Q6_K"])
def test_shared_embeddings_stay_shared(tmp_path, kind):
    file = write_gguf_model(tmp_path / "tiny.gguf", "qwen2", kind, tied=True)
    folder = _converted(tmp_path, file)
    golden = golden_of(GgufWeights(file), Chat(folder))

    assert _config(folder)["tie_word_embeddings"] is True
    assert golden.differing(likeliest(device_scores(folder, "cpu", golden.prompt))) == []


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("kind", ["F16", "Q4_1", "Q5_K"])
def test_weights_are_quantised_to_the_bits_asked_for(tmp_path, kind, bits):
    file = write_gguf_model(tmp_path / "tiny.gguf", "qwen2", kind)
    folder = _converted(tmp_path, file, bits)
    golden = golden_of(GgufWeights(file), Chat(folder), bits)

    assert _config(folder)["quantization"] == {"group_size": 64, "bits": bits, "mode": "affine"}
    assert golden.margin == {4: 3.0, 8: 1.0}[bits]
    assert golden.differing(likeliest(device_scores(folder, "cpu", golden.prompt))) == []


def test_llama_3s_stretched_context_is_kept(tmp_path):
    from mlx_lm.models.rope_utils import Llama3RoPE

    rule = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    size = HIDDEN // HEADS
    stretched = np.array(Llama3RoPE(size, base=10000.0, scaling_config=rule)._freqs)
    divisors = stretched / 10000.0 ** (np.arange(size // 2) / (size // 2))
    extra = {"rope_freqs.weight": divisors.astype(np.float32)}
    file = write_gguf_model(tmp_path / "tiny.gguf", extra=extra, kind="Q5_0")
    folder = _converted(tmp_path, file)
    prompt = _prompt(folder)

    assert _config(folder)["rope_scaling"] == rule
    scores = device_scores(folder, "cpu", prompt)
    np.testing.assert_allclose(scores, next_scores(folder_weights(folder), prompt), atol=2e-3)
    assert np.abs(scores - next_scores(GgufWeights(file), prompt)).max() < 0.5


def test_other_divisors_are_refused(tmp_path):
    extra = {"rope_freqs.weight": np.linspace(1, 9, HIDDEN // HEADS // 2, dtype=np.float32)}
    file = write_gguf_model(tmp_path / "tiny.gguf", extra=extra)
    with pytest.raises(ModelError, match=r"^tiny\.gguf: rope_freqs\.weight is not Llama 3's"):
        _converted(tmp_path, file)


@pytest.mark.parametrize(
    ("architecture", "changes", "told"),
    [
        ("llama", {"arch.rope.scaling.type": "yarn"}, "stretched by 'yarn'"),
        ("llama", {"arch.rope.dimension_count": 16}, "rope.dimension_count is not the size"),
        ("llama", {"arch.attention.head_count_kv": [1, 2]}, "differs between its layers"),
        ("qwen2", {"arch.attention.key_length": 32}, "size of its heads is not that of qwen2"),
        ("gemma3", {}, "architecture 'gemma3' is not supported: use llama or qwen2"),
        ("qwen2", {"arch.embedding_length": None}, "has no 'qwen2.embedding_length'"),
    ],
)
def test_a_variant_that_would_compute_something_else_is_refused(
    tmp_path, architecture, changes, told
):
    file = write_gguf_model(tmp_path / "tiny.gguf", architecture, **changes)
    with pytest.raises(ModelError, match=rf"^tiny\.gguf: .*{told}") as caught:
        _converted(tmp_path, file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["F32", "Q4_1", "Q5_0"])
def test_a_tensor_of_another_architecture_is_named(tmp_path, kind):
    extra = {"blk.0.ffn_gate_exps.weight": np.ones((4, 32), np.float32)}
    file = write_gguf_model(tmp_path / "tiny.gguf", kind=kind, extra=extra)
    with pytest.raises(ModelError, match="has no tensor blk.0.ffn_gate_exps.weight"):
        _converted(tmp_path, file)


def test_rows_that_no_scale_divides_are_told(tmp_path):
    extra = {"blk.0.attn_q.bias": np.ones((2, 40), np.float32)}
    file = write_gguf_model(tmp_path / "tiny.gguf", extra=extra)
    with pytest.raises(ModelError, match="cannot be quantised: the rows are no multiples of 32"):
        _converted(tmp_path, file, 8)


def test_converting_needs_neither_torch_nor_transformers(tmp_path):
    file = write_gguf_model(tmp_path / "tiny.gguf", "qwen2", "Q5_K")
    script = (
        "import sys, pathlib\n"
        "from dobby_pipeline.inference.models.gguf import convert\n"
        f"convert(pathlib.Path({str(file)!r}), pathlib.Path({str(tmp_path)!r}))\n"
        "print(sorted({'torch', 'transformers', 'mlx_lm'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("[]\n", "")
