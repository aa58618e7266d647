"""A model held against its source, before it is put in place and whenever it is verified.

Not here: what a source says (reference.py, golden.py) and the files' hashes (verify.py).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.device import choose_device, import_mlx
from dobby_pipeline.inference.models.golden import Golden, golden_of, likeliest, write_golden
from dobby_pipeline.inference.models.manifests import Manifest, ModelError
from dobby_pipeline.inference.models.reference import Weights, next_scores
from dobby_pipeline.inference.models.reference_weights import folder_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compare(manifest: Manifest, folder: Path, original: Weights | None, bits: int | None) -> None:
    """Record the source's golden tokens in the folder, and hold converted weights against them.

    An architecture that the reference does not know has none, which `verify` says.

    Args:
        original: the weights before they were converted; None where the folder has them as they
            were.
        bits: that they were quantised to on the way.

    Raises:
        ModelError: when the tokenizer cannot be used, the weights are not whole, or the converted
            ones do not say what the original ones do.
    """
    try:
        chat = Chat(folder, system_role=manifest.system_role)
    except ModelError as error:
        told = str(error).removeprefix(f"{folder}: ")
        raise ModelError(f"model {manifest.name}: {told}") from error
    try:
        converted = folder_weights(folder)
        source = original or converted
        if source is None:
            return
        golden = golden_of(source, chat, bits)
        if original and converted:
            tokens = likeliest(next_scores(converted, golden.prompt))
            require_same(manifest, golden, tokens, "the converted weights")
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        reason = f"there is no {error}" if isinstance(error, KeyError) else error
        raise ModelError(
            f"model {manifest.name}: its weights are not whole or not of its architecture: {reason}"
        ) from error
    write_golden(folder, golden)


def require_same(manifest: Manifest, golden: Golden, tokens: list[int], what: str) -> None:
    """Raise ModelError unless all the golden tokens that count are the given ones."""
    differing = golden.differing(tokens)
    if differing:
        place = differing[0]
        raise ModelError(
            f"model {manifest.name}: {what} do not say what the source says: "
            f"{len(differing)} of {len(golden.places)} golden tokens differ, the first after token "
            f"{place} ({tokens[place]} instead of {golden.tokens[place]})"
        )


def device_scores(folder: Path, device: str, prompt: list[int]) -> "NDArray[np.float32]":
    """The scores of every next token, computed by MLX on the device: (tokens, vocabulary).

    Raises:
        ModelError: when the weights cannot be loaded.
    """
    import numpy as np

    from dobby_pipeline.inference.weights import load_weights

    mx = import_mlx()
    kind = choose_device(device).kind
    model: Any = load_weights(folder, kind)
    scores = np.array(model.network(mx.array([prompt]))[0].astype(mx.float32))
    del model
    mx.clear_cache()
    return scores
