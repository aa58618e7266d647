"""Tiny random models as GGUF files in every format, and the same models as hub folders."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind

from dobby_pipeline.inference.device import import_mlx
from dobby_pipeline.inference.models.gguf import gguf_name
from dobby_pipeline_tests.inference.tiny_model import CONTEXT, CONTROLS, END, TEMPLATE, _tokenizer

HIDDEN, INNER, HEADS, KV_HEADS, LAYERS = 256, 512, 4, 2, 2

SCALES = {
    # Bytes of a block of 256 weights; byte offsets of its two 16-bit scales, and values of them
    # that make random bits into weights of about 1/16 around 0.
    "Q2_K": (84, {80: 0.005, 82: 0.0075}),
    "Q3_K": (110, {108: 0.0014}),
    "Q4_K": (144, {0: 0.0004, 2: 0.003}),
    "Q5_K": (176, {0: 0.0002, 2: 0.0031}),
    "Q6_K": (210, {208: 0.000045}),
}
"""Formats that the gguf package reads and cannot write."""


def random_weights(architecture: str, vocabulary: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of a model by the hub's names, large enough that most tokens are clear winners."""
    random = np.random.default_rng(seed)
    kv = HIDDEN // HEADS * KV_HEADS

    def normal(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) / 16).astype(np.float32)

    weights = {
        "model.embed_tokens.weight": normal(vocabulary, HIDDEN) * 16,
        "model.norm.weight": 1 + normal(HIDDEN),
        "lm_head.weight": normal(vocabulary, HIDDEN) * 4,
    }
    for layer in range(LAYERS):
        shapes = {
            "self_attn.q_proj": (HIDDEN, HIDDEN),
            "self_attn.k_proj": (kv, HIDDEN),
            "self_attn.v_proj": (kv, HIDDEN),
            "self_attn.o_proj": (HIDDEN, HIDDEN),
            "mlp.gate_proj": (INNER, HIDDEN),
            "mlp.up_proj": (INNER, HIDDEN),
            "mlp.down_proj": (HIDDEN, INNER),
        }
        own = {f"{name}.weight": normal(*shape) for name, shape in shapes.items()}
        own |= {
            f"{n}.weight": 1 + normal(HIDDEN)
            for n in ("input_layernorm", "post_attention_layernorm")
        }
        if architecture == "qwen2":
            own |= {
                f"self_attn.{r}_proj.bias": normal(n)
                for r, n in zip("qkv", (HIDDEN, kv, kv), strict=True)
            }
        weights |= {f"model.layers.{layer}.{name}": value for name, value in own.items()}
    return weights


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """As llama.cpp's convert_hf_to_gguf.py stores q and k of llama."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def write_hub_folder(
    folder: Path, architecture: str = "llama", *, seed: int = 0, shards: int = 1, **config: object
) -> Path:
    """Write a model as the hub has it; `config` adds to config.json, None removes a key."""
    mx = import_mlx()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(["abc", "def"])
    weights = random_weights(architecture, tokenizer.get_vocab_size(), seed)
    names = sorted(weights)
    for shard in range(shards):
        file = (
            "model.safetensors"
            if shards == 1
            else f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        )
        part = {name: mx.array(weights[name]) for name in names[shard::shards]}
        mx.save_safetensors(str(folder / file), part, {"format": "pt"})
    values: dict[str, object] = {
        "model_type": architecture,
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": False,
        "eos_token_id": END,
        "torch_dtype": "bfloat16",
    }
    values |= config
    kept = {key: value for key, value in values.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"eos_token": CONTROLS[END], "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def write_gguf_model(
    file: Path,
    architecture: str = "llama",
    kind: str = "F32",
    *,
    seed: int = 0,
    kinds: Mapping[str, str] | None = None,
    extra: Mapping[str, np.ndarray] | None = None,
    tied: bool = False,
    **changes: object,
) -> Path:
    """Write the model of `write_hub_folder` as a GGUF file.

    Args:
        kind: of all matrices, but for those that `kinds` names in GGUF.
        extra: more tensors.
        changes: metadata to replace, by key; None removes one. `arch.` stands for the
            architecture's prefix.
    """
    tokenizer = _tokenizer(["abc", "def"])
    weights = random_weights(architecture, tokenizer.get_vocab_size(), seed)
    if tied:
        del weights["lm_head.weight"]
    by_id = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    metadata: dict[str, Any] = {
        "arch.embedding_length": HIDDEN,
        "arch.feed_forward_length": INNER,
        "arch.block_count": LAYERS,
        "arch.attention.head_count": HEADS,
        "arch.attention.head_count_kv": KV_HEADS,
        "arch.attention.layer_norm_rms_epsilon": 1e-5,
        "arch.rope.freq_base": 10000.0,
        "arch.context_length": CONTEXT,
        "general.license": "apache-2.0",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": by_id,
        "tokenizer.ggml.merges": [" ".join(merge) for merge in merges],
        "tokenizer.ggml.token_type": [3] * len(CONTROLS) + [1] * (len(by_id) - len(CONTROLS)),
        "tokenizer.ggml.eos_token_id": END,
        "tokenizer.chat_template": TEMPLATE,
    }
    metadata |= changes
    writer = gguf.GGUFWriter(file, architecture)
    for key, value in metadata.items():
        _add(writer, key.replace("arch.", f"{architecture}."), value)
    random = np.random.default_rng(seed)
    for name, weight in weights.items():
        module, _, part = name.rpartition(".")
        gguf_tensor = f"{gguf_name(module)}.{part}"
        if architecture == "llama" and module.endswith(("q_proj", "k_proj")):
            stored = permuted(weight, HEADS if module.endswith("q_proj") else KV_HEADS)
        else:
            stored = weight
        form = "F32" if weight.ndim == 1 else (kinds or {}).get(gguf_tensor, kind)
        writer.add_tensor(gguf_tensor, _packed(stored, form, random), raw_dtype=Kind[form])
    for name, weight in (extra or {}).items():
        writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _packed(weight: np.ndarray, kind: str, random: np.random.Generator) -> np.ndarray:
    if kind not in SCALES:
        return gguf.quants.quantize(weight, Kind[kind])
    width, scales = SCALES[kind]
    blocks = random.integers(0, 256, (weight.shape[0], weight.shape[1] // 256, width), np.uint8)
    for offset, scale in scales.items():
        blocks[..., offset : offset + 2] = np.frombuffer(np.float16(scale).tobytes(), np.uint8)
    return blocks.reshape(weight.shape[0], -1)


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    match value:
        case None:
            return
        case str():
            writer.add_string(key, value)
        case float():
            writer.add_float32(key, value)
        case int():
            writer.add_uint32(key, value)
        case list():
            writer.add_array(key, value)
