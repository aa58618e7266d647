"""Weights as the reference reads them: of a GGUF file, and of a folder in MLX's or the hub's form.

Not here: what is computed with them (reference.py). Of a GGUF file names and rotation are taken
as they stand there, not through the conversion that they are to check.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dobby_pipeline.inference.device import import_mlx
from dobby_pipeline.inference.models.gguf import ARCHITECTURES, gguf_name, llama3_divisors
from dobby_pipeline.inference.models.gguf_file import GgufFile
from dobby_pipeline.inference.models.reference import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class GgufWeights:
    """The tensors of a GGUF file that gguf.py can convert."""

    def __init__(self, file: Path) -> None:
        """Open the file.

        Raises:
            ModelError: when it is no whole GGUF file.
        """
        self._gguf = GgufFile(file)
        self.shape = self._shape()

    def get(
        self, name: str, rows: "slice | Sequence[int]" = slice(None)
    ) -> "NDArray[np.float32] | None":
        """As in Weights."""
        tensor = self._gguf.tensors.get(name)
        return tensor.values(rows) if tensor else None

    def _shape(self) -> Shape:
        metadata, tensors = self._gguf.metadata, self._gguf.tensors
        kind = metadata["general.architecture"]

        def value(key: str, default: Any = None) -> Any:
            return metadata.get(f"{kind}.{key}", default)

        heads = value("attention.head_count")
        divisors = tensors.get("rope_freqs.weight")
        return Shape(
            vocabulary=tensors["token_embd.weight"].shape[0],
            layers=value("block_count"),
            heads=heads,
            kv_heads=value("attention.head_count_kv", heads),
            head_size=value("attention.key_length", value("embedding_length") // heads),
            epsilon=value("attention.layer_norm_rms_epsilon"),
            rope_base=value("rope.freq_base", 10000.0),
            rope_pairs="neighbours" if kind == "llama" else "halves",
            rope_divisors=tuple(divisors.values().tolist()) if divisors else (),
        )


class FolderWeights:
    """The safetensors of a folder, unpacked where they are quantised."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Open the files; nothing of the weights is read yet."""
        mx = import_mlx()
        loaded: dict[str, Any] = {}
        for file in sorted(folder.glob("model*.safetensors")):
            loaded |= mx.load(str(file))
        self._named: dict[str, Any] = {}
        for name, value in loaded.items():
            module, _, part = name.rpartition(".")
            self._named[f"{gguf_name(module)}.{part}"] = value
        self._modules = {str(gguf_name(n.rpartition(".")[0])): n.rpartition(".")[0] for n in loaded}
        self._quantised: Mapping[str, Any] = config.get("quantization") or {}
        self.shape = _shape(config)

    def get(
        self, name: str, rows: "slice | Sequence[int]" = slice(None)
    ) -> "NDArray[np.float32] | None":
        """As in Weights."""
        import numpy as np

        mx = import_mlx()
        if name not in self._named:
            return None
        taken = rows if isinstance(rows, slice) else mx.array(rows)
        value = self._named[name][taken]
        module = name.removesuffix(".weight")
        if f"{module}.scales" in self._named:
            own: Mapping[str, Any] = self._quantised.get(self._modules[module]) or self._quantised
            scales, biases = (self._named[f"{module}.{k}"][taken] for k in ("scales", "biases"))
            value = mx.dequantize(
                value, scales, biases, group_size=own["group_size"], bits=own["bits"]
            )
        return np.array(value.astype(mx.float32))


def folder_weights(folder: Path) -> FolderWeights | None:
    """The weights of a model folder, or None when the reference does not know its like."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    scaling = config.get("rope_scaling") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    mode = (config.get("quantization") or {}).get("mode", "affine")
    if (
        config.get("model_type") not in ARCHITECTURES
        or kind not in ("default", "llama3")
        or mode != "affine"
        or config.get("quantization_config", config.get("quantization"))
        != config.get("quantization")
        or config.get("use_sliding_window")
    ):
        return None
    return FolderWeights(folder, config)


def _shape(config: Mapping[str, Any]) -> Shape:
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    # mlx-lm's defaults, where the configuration leaves it to them.
    base = config.get("rope_theta") or (10000.0 if config["model_type"] == "llama" else 1e6)
    scaling = config.get("rope_scaling") or {}
    divisors = llama3_divisors(size // 2, base, scaling) if "low_freq_factor" in scaling else ()
    return Shape(
        vocabulary=config["vocab_size"],
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_size=size,
        epsilon=config["rms_norm_eps"],
        rope_base=base,
        rope_pairs="neighbours" if config.get("rope_traditional") else "halves",
        rope_divisors=tuple(divisors),
    )
