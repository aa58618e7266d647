"""A GGUF file turned into a folder that mlx-lm loads: weights, configuration, tokenizer.

Not here: fetching the file (pull.py). Formats of tensors are those that MLX reads itself
(Q4_0, Q4_1, Q8_0, F16, F32, BF16); the architecture is llama, with a byte-level BPE tokenizer.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dobby_pipeline.inference.device import import_mlx
from dobby_pipeline.inference.gguf_tokenizer import write_tokenizer
from dobby_pipeline.inference.manifests import ModelError

if TYPE_CHECKING:
    import mlx.core as mx

_GROUP = 32
"""Weights that share a scale, in every quantised GGUF format that MLX reads."""

_BITS = 4

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


def convert(file: Path, folder: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's files into `folder`.

    The weights stay quantised as they are; what a device cannot multiply in that form is
    unpacked when the model is loaded.

    Raises:
        ModelError: when the file is cut short, or of a kind that is not supported.
    """
    mx = import_mlx()
    try:
        loaded, metadata = mx.load(str(file), format="gguf", return_metadata=True)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{file.name}: no whole GGUF file that MLX reads ({error})") from error
    architecture = metadata.get("general.architecture")
    if architecture != "llama":
        raise ModelError(f"{file.name}: architecture {architecture!r} is not supported: use llama")
    try:
        weights = {_renamed(name): value for name, value in loaded.items()}
        config = _config(metadata, weights)
        end = write_tokenizer(metadata, folder, file.name)
    except KeyError as error:
        raise ModelError(f"{file.name}: has no {error}, so it cannot be converted") from error
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    config["eos_token_id"] = end
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def _renamed(name: str) -> str:
    """`blk.3.attn_q.scales` -> `model.layers.3.self_attn.q_proj.scales`."""
    module, _, kind = name.rpartition(".")
    block = _BLOCK.fullmatch(module)
    if block:
        return f"model.layers.{block[1]}.{_INNER[block[2]]}.{kind}"
    return f"{_OUTER[module]}.{kind}"


def _config(metadata: Mapping[str, Any], weights: Mapping[str, "mx.array"]) -> dict[str, Any]:
    def value(key: str) -> Any:
        return metadata[f"llama.{key}"].item()

    return {
        "model_type": "llama",
        "torch_dtype": "float16",
        "hidden_size": value("embedding_length"),
        "intermediate_size": value("feed_forward_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": value("attention.head_count"),
        "num_key_value_heads": value("attention.head_count_kv"),
        "rms_norm_eps": value("attention.layer_norm_rms_epsilon"),
        "rope_theta": value("rope.freq_base"),
        # GGUF keeps q and k permuted for the rotation of neighbouring pairs, which is what the
        # traditional form does: nothing has to be permuted back.
        "rope_traditional": True,
        "max_position_embeddings": value("context_length"),
        "vocab_size": weights["model.embed_tokens.weight"].shape[0],
        "tie_word_embeddings": "lm_head.weight" not in weights,
        "quantization": _quantization(weights),
    }


def _quantization(weights: Mapping[str, "mx.array"]) -> dict[str, Any]:
    """Four bits, and the modules that have another number: embeddings commonly do."""
    bits = {
        name.removesuffix(".scales"): _bits(weights[name.replace(".scales", ".weight")], scales)
        for name, scales in weights.items()
        if name.endswith(".scales")
    }
    others = {module: {"group_size": _GROUP, "bits": n} for module, n in bits.items() if n != _BITS}
    return {"group_size": _GROUP, "bits": _BITS, "mode": "affine", **others}


def _bits(weight: "mx.array", scales: "mx.array") -> int:
    """Bits of one number, from the row of 32-bit words that packs it."""
    return weight.shape[-1] * 32 // (scales.shape[-1] * _GROUP)
