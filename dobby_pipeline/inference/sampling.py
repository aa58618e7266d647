"""The next token of every session at once, on the device.

Not here: what the settings mean for a user (requests.Sampling). The order is mlx-lm's: penalties,
top-p, top-k, temperature.
"""

from dataclasses import dataclass
from typing import Any

from dobby_pipeline.inference.device import Kind, import_mlx
from dobby_pipeline.inference.device_math import log_sum_exp
from dobby_pipeline.inference.requests import Sampling


@dataclass(frozen=True, slots=True)
class Chooser:
    """Chooses tokens as a Sampling says.

    What a session has written counts, not its prompt: a summary has to use the names that stand
    in the code.
    """

    sampling: Sampling
    kind: Kind

    @property
    def needs_history(self) -> bool:
        """Whether what was written before matters."""
        return self.sampling.repetition_penalty != 1 or self.sampling.no_repeat_ngram > 0

    def __call__(self, logits: Any, written: Any, count: Any, keys: Any) -> tuple[Any, Any]:
        """The tokens and their natural log-probabilities, of the model and not of the sampling.

        Args:
            logits: [rows, vocabulary].
            written: [rows, most] tokens of each session so far; ignored where not needed.
            count: [rows] how many of them there are.
            keys: [rows, 2] of random numbers, another one for each session and step; ignored
                at temperature 0.
        """
        mx = import_mlx()
        sampling = self.sampling
        logits = logits.astype(mx.float32)
        if self.kind == "cpu":
            mx.eval(logits)
            total = log_sum_exp(logits)
        else:
            total = mx.logsumexp(logits, axis=-1)
        chosen = logits
        if self.needs_history:
            chosen = _penalised(logits, written, count, sampling)
        if not sampling.temperature:
            tokens = mx.argmax(chosen, axis=-1)
        else:
            tokens = self._drawn(chosen - total[:, None], keys)
        picked = mx.take_along_axis(logits, tokens[:, None], axis=-1)[:, 0]
        return tokens.astype(mx.int32), picked - total

    def _drawn(self, logprobs: Any, keys: Any) -> Any:
        """By the Gumbel-max trick, each row with its own numbers, whatever stands beside it."""
        mx = import_mlx()
        from mlx_lm.sample_utils import apply_top_k, apply_top_p

        sampling = self.sampling
        if 0 < sampling.top_p < 1:
            logprobs = apply_top_p(logprobs, sampling.top_p)
        if 0 < sampling.top_k < logprobs.shape[-1]:
            logprobs = apply_top_k(logprobs, sampling.top_k)
        width = logprobs.shape[-1]

        def noise(key: Any) -> Any:
            return mx.random.gumbel((width,), key=key)

        return mx.argmax(logprobs / sampling.temperature + mx.vmap(noise)(keys), axis=-1)


def row_key(seed: int, tokens: list[int]) -> tuple[int, int]:
    """Random state of a session: the same for the same seed and prompt, in whichever row."""
    import zlib
    from array import array

    return seed & 0xFFFFFFFF, zlib.crc32(array("i", tokens).tobytes())


def _penalised(logits: Any, written: Any, count: Any, sampling: Sampling) -> Any:
    """Logits with what was written made less likely (Keskar et al. 2019), and with those tokens
    ruled out that would write an n-gram a second time (Paulus et al. 2017).
    """
    mx = import_mlx()
    rows, width = logits.shape
    most = written.shape[1]
    places = mx.arange(most)[None]
    # A last column takes what belongs to no token.
    logits = mx.concatenate([logits, mx.zeros((rows, 1), logits.dtype)], axis=1)
    if sampling.repetition_penalty != 1:
        index = mx.where(places < count[:, None], written, width)
        said = mx.take_along_axis(logits, index, axis=1)
        penalty = sampling.repetition_penalty
        weaker = mx.where(said > 0, said / penalty, said * penalty)
        logits = mx.put_along_axis(logits, index, weaker, axis=1)
    n = sampling.no_repeat_ngram
    if 0 < n <= most:
        starts = most - n + 1
        repeats = mx.arange(starts)[None] + n - 1 < count[:, None]
        for back in range(1, n):
            last = mx.maximum(count - back, 0)[:, None]
            token = mx.take_along_axis(written, last, axis=1)
            repeats = repeats & (written[:, n - 1 - back : n - 1 - back + starts] == token)
        banned = mx.where(repeats, written[:, n - 1 :], width)
        never = mx.full(banned.shape, float("-inf"), logits.dtype)
        logits = mx.put_along_axis(logits, banned, never, axis=1)
    return logits[:, :width]
