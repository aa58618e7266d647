"""A model folder in the hub's or in MLX's form: of which kind it is, and its weights quantised.

Not here: GGUF files (gguf.py). mlx-lm reads both forms as they are.
"""

import importlib.util
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dobby_pipeline.inference.device import import_mlx
from dobby_pipeline.inference.models.manifests import ModelError

_GROUP = 64
"""Weights that share a scale: mlx-lm's own choice."""


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json.

    Raises:
        ModelError: when there is none, or it is none of a language model.
    """
    file = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(file.read_text("utf-8"))
        named = isinstance(config["model_type"], str)
    except FileNotFoundError as error:
        raise ModelError(f"{folder}: has no config.json: give a model folder") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{file}: cannot be read, or names no model_type") from error
    if not named:
        raise ModelError(f"{file}: its model_type is no text")
    return config


def model_type(folder: Path) -> str:
    """The architecture of a folder's model, as its configuration calls it.

    Raises:
        ModelError: when mlx-lm does not know it.
    """
    kind: str = read_config(folder)["model_type"]
    # Looked up without importing mlx-lm, which takes seconds, unless it may have another name.
    package = importlib.util.find_spec("mlx_lm")
    places = (package.submodule_search_locations if package else None) or []
    if kind.isidentifier() and any((Path(p) / "models" / f"{kind}.py").is_file() for p in places):
        return kind
    from mlx_lm.utils import MODEL_REMAPPING

    if kind not in MODEL_REMAPPING:
        raise ModelError(f"architecture {kind!r} is not supported: mlx-lm does not know it")
    return kind


def kv_per_token(config: Mapping[str, Any]) -> int:
    """Numbers in the keys and values of one token.

    Raises:
        KeyError: when the configuration does not tell.
    """
    config = config.get("text_config") or config
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    return 2 * config["num_hidden_layers"] * (config.get("num_key_value_heads") or heads) * size


def stored_bits(config: Mapping[str, Any]) -> int:
    """Bits of a weight as the folder stores it."""
    quantised: Mapping[str, Any] = config.get("quantization") or {}
    wide = (config.get("torch_dtype") or config.get("dtype")) == "float32"
    return quantised.get("bits") or (32 if wide else 16)


def count_parameters(folder: Path) -> int:
    """Numbers in the folder's weights, counted from the headers of its safetensors.

    Raises:
        ModelError: when one is cut short or no safetensors file.
    """
    group = (read_config(folder).get("quantization") or {}).get("group_size", 0)
    sizes = dict(_sizes(folder))
    total = 0
    for name, size in sizes.items():
        module, _, part = name.rpartition(".")
        packed = f"{module}.scales" in sizes
        if part == "scales":
            total += size * group
        elif not (packed and part in ("weight", "biases")):
            total += size
    return total


def quantize_folder(folder: Path, bits: int) -> None:
    """Replace a folder's weights by their quantised form.

    Raises:
        ModelError: when they are quantised already, or do not make a model.
    """
    config = read_config(folder)
    if config.get("quantization") or config.get("quantization_config"):
        raise ModelError("its weights are quantised already: leave --quantize out")
    mx = import_mlx()
    from mlx import nn
    from mlx.utils import tree_flatten
    from mlx_lm.utils import load_model

    try:
        network, _ = load_model(folder, lazy=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"its weights do not make a model: {reason}") from error
    dtype = "float16" if config.get("torch_dtype") == "float16" else "bfloat16"
    network.set_dtype(getattr(mx, dtype))

    def divides(_: str, module: Any) -> bool:
        return hasattr(module, "to_quantized") and module.weight.shape[-1] % _GROUP == 0

    nn.quantize(network, _GROUP, bits, class_predicate=divides)
    written = folder / "quantised.safetensors"
    mx.save_safetensors(str(written), dict(tree_flatten(network.parameters())), {"format": "mlx"})
    for file in [*folder.glob("model*.safetensors"), *folder.glob("*.safetensors.index.json")]:
        file.unlink()
    written.rename(folder / "model.safetensors")
    config["quantization"] = {"group_size": _GROUP, "bits": bits, "mode": "affine"}
    config["torch_dtype"] = dtype
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    """Each tensor and how many numbers it has."""
    for file in sorted(folder.glob("model*.safetensors")):
        try:
            size = file.stat().st_size
            with file.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                header: dict[str, Any] = json.loads(stream.read(min(length, size)))
            header.pop("__metadata__", None)
            end = (
                8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
            )
            sizes = [(name, math.prod(entry["shape"])) for name, entry in header.items()]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{file}: no whole safetensors file ({error})") from error
        if end > size:
            raise ModelError(
                f"{file}: no whole safetensors file (its tensors end at byte {end:,} and it has "
                f"{size:,}): fetch it again"
            )
        yield from sizes
