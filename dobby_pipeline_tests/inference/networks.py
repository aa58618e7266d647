"""Small networks of mlx-lm with random weights, without a tokenizer or a folder."""

from importlib import import_module
from typing import Any

from dobby_pipeline.inference.device import import_mlx

SHAPE = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 50, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "max_position_embeddings": 512, "tie_word_embeddings": True,
}  # fmt: skip


def network_of(kind: str, **shape: Any) -> Any:
    """A model of mlx-lm with random weights, biases included."""
    mx = import_mlx()
    from mlx.utils import tree_map

    module: Any = import_module(f"mlx_lm.models.{kind}")
    network = module.Model(module.ModelArgs.from_dict({**SHAPE, "model_type": kind, **shape}))

    def drawn(weight: Any) -> Any:
        return mx.random.normal(weight.shape) / 8

    network.update(tree_map(drawn, network.parameters()))
    return network
