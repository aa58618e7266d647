"""A model's weights on a device, and what a token of its cache costs.

Not here: fetching them (models/pull.py), the form that suits the device (device.py).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dobby_pipeline.inference.device import Kind, fit_to_device, import_mlx
from dobby_pipeline.inference.device_math import replace_slow_functions
from dobby_pipeline.inference.models.manifests import ModelError


@dataclass(frozen=True, slots=True)
class Model:
    """Weights on a device.

    Attributes:
        nbytes: of the weights.
        kv_bytes: of the KV cache for one token of one session.
    """

    network: Any
    nbytes: int
    kv_bytes: int


def load_weights(folder: Path, kind: Kind) -> Model:
    """Load a model in the form that the device multiplies fastest.

    Raises:
        ModelError: when the folder's files do not make a model that the sessions can run.
    """
    mx = import_mlx()
    from mlx.utils import tree_flatten
    from mlx_lm.utils import load_model

    try:
        network, config = load_model(folder, lazy=True)
        network = fit_to_device(network, kind, config.get("torch_dtype") or "")
        mx.eval(network.parameters())
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{folder}: cannot be loaded as a model: {reason}: pull it again"
        ) from error
    _refuse_other_caches(folder, network)
    if kind == "cpu":
        replace_slow_functions(network)
    elif kind == "cuda":
        from dobby_pipeline.inference.fused import fuse

        fuse(network)
    mx.clear_cache()
    weights: list[Any] = [value for _, value in tree_flatten(network.parameters())]
    item = next((w.dtype.size for w in weights if mx.issubdtype(w.dtype, mx.floating)), 4)
    return Model(network, sum(w.nbytes for w in weights), _kv_bytes(config) * item)


def _refuse_other_caches(folder: Path, network: Any) -> None:
    """Sessions keep keys and values by position; recurrent and rotating states are others."""
    from mlx_lm.models.cache import KVCache, make_prompt_cache

    if any(type(cache) is not KVCache for cache in make_prompt_cache(network)):
        raise ModelError(
            f"{folder}: the sessions cannot hold the state of a {network.model_type} model: "
            "take a model of the llama or qwen2 family"
        )


def _kv_bytes(config: dict[str, Any]) -> int:
    """Numbers in the keys and values of one token."""
    config = config.get("text_config") or config
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    return 2 * config["num_hidden_layers"] * (config.get("num_key_value_heads") or heads) * size
