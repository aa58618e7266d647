"""A GGUF file turned into a folder that mlx-lm loads: weights, configuration, tokenizer.

Not here: reading the file (gguf_file.py) and fetching it (pull.py). The architectures are llama
and qwen2, with a byte-level BPE tokenizer; no torch and no transformers are needed.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dobby_pipeline.inference.device import import_mlx
from dobby_pipeline.inference.models.gguf_file import GgufFile
from dobby_pipeline.inference.models.gguf_tokenizer import write_tokenizer

if TYPE_CHECKING:
    import mlx.core as mx

ARCHITECTURES = ("llama", "qwen2")

_PACKED = {"Q4_0", "Q4_1", "Q8_0"}
"""Formats that MLX multiplies as they are: 32 weights share a scale and an offset."""

_PLAIN = {"F32", "F16"}

_GROUP = 32
"""Weights that share a scale, in every quantised GGUF format that MLX reads."""

_GROUPS = (64, 32)
"""Weights that share a scale where we quantise: mlx-lm's own choice, or what divides the rows."""

_OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_INNER = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)")
_DIVISORS = "rope_freqs.weight"


def convert(file: Path, folder: Path, bits: int | None = None) -> None:
    """Write config.json, model.safetensors and the tokenizer's files into `folder`.

    Without `bits` a file whose formats MLX computes with keeps its numbers as they are, and any
    other is unpacked to bfloat16, which these models were trained in and whose range none of
    their activations leaves, as some of qwen2's leave float16's. What a device cannot multiply
    is unpacked when the model is loaded.

    Args:
        bits: 4 or 8 to quantise the weights to so many bits, with a scale for 64 of them.

    Raises:
        ModelError: when the file is cut short, or of a kind that cannot be converted.
    """
    gguf = GgufFile(file)
    architecture = architecture_of(gguf)
    try:
        config = _config(gguf, architecture)
        end = write_tokenizer(gguf, folder)
        config["torch_dtype"] = "bfloat16"
        if bits is None and all(t.kind in _PACKED | _PLAIN for t in gguf.tensors.values()):
            weights = _as_they_are(gguf)
            if any(name.endswith(".scales") for name in weights):
                config["quantization"] = _packed_as(weights)
                if architecture == "llama":
                    config["torch_dtype"] = "float16"  # the scales' own
        else:
            weights = _unpacked(gguf, bits)
            if bits:
                group = _group(gguf)
                config["quantization"] = {"group_size": group, "bits": bits, "mode": "affine"}
    except KeyError as error:
        raise gguf.error(f"has no {error}, so it cannot be converted") from error
    except NotImplementedError as error:
        raise gguf.error(f"a format of its tensors is not supported ({error})") from error
    import_mlx().save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    config["eos_token_id"] = end
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def architecture_of(gguf: GgufFile) -> str:
    """The architecture of a file's model.

    Raises:
        ModelError: when it cannot be converted.
    """
    architecture = gguf.metadata.get("general.architecture")
    if architecture not in ARCHITECTURES:
        known = " or ".join(ARCHITECTURES)
        raise gguf.error(f"architecture {architecture!r} is not supported: use {known}")
    return architecture


def gguf_name(module: str) -> str | None:
    """The name in GGUF of a module of mlx-lm: `model.layers.3.mlp.up_proj` -> `blk.3.ffn_up`."""
    layer = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", module)
    names = {ours: theirs for theirs, ours in (_INNER if layer else _OUTER).items()}
    name = names.get(layer[2] if layer else module)
    return f"blk.{layer[1]}.{name}" if layer and name else name


def llama3_divisors(pairs: int, base: float, scaling: Mapping[str, Any]) -> list[float]:
    """What Llama 3's stretched context divides the speed of each pair by.

    Slow turns are divided by the factor, fast ones by 1, with a ramp between the two; as in
    llama.cpp's convert_hf_to_gguf.py.
    """
    factor, low, high = (
        float(scaling[key]) for key in ("factor", "low_freq_factor", "high_freq_factor")
    )
    context = float(scaling["original_max_position_embeddings"])

    def divisor(pair: int) -> float:
        turns = context / (2 * math.pi * base ** (pair / pairs))  # in the whole context
        ramp = min(max((turns - low) / (high - low), 0.0), 1.0)
        return 1 / ((1 - ramp) / factor + ramp)

    return [divisor(pair) for pair in range(pairs)]


def _renamed(gguf: GgufFile, name: str) -> str:
    """`blk.3.attn_q.scales` -> `model.layers.3.self_attn.q_proj.scales`."""
    module, _, kind = name.rpartition(".")
    block = _BLOCK.fullmatch(module)
    ours = _INNER.get(block[2]) if block else _OUTER.get(module)
    if ours is None:
        raise gguf.error(f"its architecture has no tensor {name}: it is a variant, not supported")
    return f"model.layers.{block[1]}.{ours}.{kind}" if block else f"{ours}.{kind}"


def _as_they_are(gguf: GgufFile) -> "dict[str, mx.array]":
    mx = import_mlx()
    loaded: dict[str, Any] = mx.load(str(gguf.file), format="gguf")
    return {_renamed(gguf, name): value for name, value in loaded.items() if name != _DIVISORS}


def _unpacked(gguf: GgufFile, bits: int | None) -> "dict[str, mx.array]":
    """Tensor by tensor, so that no more than one is there in float32."""
    mx = import_mlx()
    weights: dict[str, Any] = {}
    for tensor in gguf.tensors.values():
        if tensor.name == _DIVISORS:
            continue
        name = _renamed(gguf, tensor.name)
        value = mx.array(tensor.values()).astype(mx.bfloat16)
        if bits and len(tensor.shape) > 1:
            parts = mx.quantize(value, group_size=_group(gguf), bits=bits)
            module = name.removesuffix(".weight")
            names = (f"{module}.{part}" for part in ("weight", "scales", "biases"))
            weights |= zip(names, parts, strict=True)
        else:
            weights[name] = value
        mx.eval(list(weights.values()))
    return weights


def _group(gguf: GgufFile) -> int:
    widths = [tensor.shape[-1] for tensor in gguf.tensors.values() if len(tensor.shape) > 1]
    for group in _GROUPS:
        if all(width % group == 0 for width in widths):
            return group
    raise gguf.error(f"cannot be quantised: the rows are no multiples of {_GROUPS[-1]}")


def _config(gguf: GgufFile, architecture: str) -> dict[str, Any]:
    def value(key: str) -> Any:
        found = gguf.metadata[f"{architecture}.{key}"]
        if isinstance(found, list):
            raise gguf.error(f"{key} differs between its layers, which is not supported")
        return found

    def given(key: str, default: Any) -> Any:
        return value(key) if f"{architecture}.{key}" in gguf.metadata else default

    heads = value("attention.head_count")
    width = value("embedding_length")
    size = given("attention.key_length", width // heads)
    for key in ("attention.value_length", "rope.dimension_count"):
        if given(key, size) != size:
            raise gguf.error(f"{key} is not the size of a head ({size}), which is not supported")
    if architecture == "qwen2" and size * heads != width:
        raise gguf.error("the size of its heads is not that of qwen2")
    base = given("rope.freq_base", 10000.0)
    names = gguf.tensors.keys()
    config: dict[str, Any] = {
        "model_type": architecture,
        "hidden_size": width,
        "intermediate_size": value("feed_forward_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": given("attention.head_count_kv", heads),
        "head_dim": size,
        "rms_norm_eps": value("attention.layer_norm_rms_epsilon"),
        "rope_theta": base,
        # GGUF keeps llama's q and k permuted for the rotation of neighbouring pairs, which is
        # what the traditional form does: nothing has to be permuted back. qwen2's are not.
        "rope_traditional": architecture == "llama",
        "max_position_embeddings": value("context_length"),
        "vocab_size": gguf.tensors["token_embd.weight"].shape[0],
        "tie_word_embeddings": "output.weight" not in names,
        "attention_bias": "blk.0.attn_q.bias" in names,
        "mlp_bias": "blk.0.ffn_up.bias" in names,
    }
    scaling = given("rope.scaling.type", "none")
    if scaling != "none":
        raise gguf.error(f"its context is stretched by {scaling!r}, which is not supported")
    if _DIVISORS in names:
        config["rope_scaling"] = _llama3(gguf, size // 2, base)
    return config


def _llama3(gguf: GgufFile, pairs: int, base: float) -> dict[str, Any]:
    """The rule behind the divisors in the file, which mlx-lm wants in their stead."""
    stored = gguf.tensors[_DIVISORS].values().tolist()
    rule = {
        "rope_type": "llama3",
        "factor": max(stored),
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    made = llama3_divisors(pairs, base, rule)
    if len(made) != len(stored) or any(
        not math.isclose(a, b, rel_tol=1e-3) for a, b in zip(made, stored, strict=True)
    ):
        raise gguf.error(f"{_DIVISORS} is not Llama 3's, which is not supported")
    return rule


def _packed_as(weights: "Mapping[str, mx.array]") -> dict[str, Any]:
    """The commonest number of bits, and the modules that have another: embeddings often do."""
    bits = {
        name.removesuffix(".scales"): _bits(weights[name.replace(".scales", ".weight")], scales)
        for name, scales in weights.items()
        if name.endswith(".scales")
    }
    common = _commonest(bits.values())
    others = {name: {"group_size": _GROUP, "bits": n} for name, n in bits.items() if n != common}
    return {"group_size": _GROUP, "bits": common, "mode": "affine", **others}


def _bits(weight: "mx.array", scales: "mx.array") -> int:
    """Bits of one number, from the row of 32-bit words that packs it."""
    return weight.shape[-1] * 32 // (scales.shape[-1] * _GROUP)


def _commonest(numbers: Iterable[int]) -> int:
    found = list(numbers)
    return max(set(found), key=found.count)
