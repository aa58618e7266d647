"""The sessions: one model, and the batch of prompts that it is writing answers to.

Not here: threads and queues (worker.py), who may start (admission.py). All of it belongs to the
one thread that made it, as MLX's streams do.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dobby_pipeline.inference.admission import Job
from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.device import Kind, fit_to_device, import_mlx, wire_memory
from dobby_pipeline.inference.manifests import ModelError
from dobby_pipeline.inference.requests import FinishReason, Sampling

PREFILL_STEP = {"cpu": 256, "metal": 2048, "cuda": 2048}
"""Prompt tokens of a session computed at once. On the CPU attention's scores are stored whole:
8 sessions x 9 heads x 256 x 1,500 tokens take 110 MB in float32, with 2,048 they took 650."""

PREFILL_BATCH = {"cpu": 4, "metal": 8, "cuda": 16}
"""Prompts computed together. On the CPU 24 summaries took 65 s of CPU time with 4 (and refills of
4), 70 with 1, 80 with 8: more at once is more padding, fewer is more copies of the cache."""


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


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that is done.

    Attributes:
        tokens: sampled ones, the end token left out.
    """

    uid: int
    tokens: list[int]
    finish_reason: FinishReason
    ms: int
    confidence: float


@dataclass(slots=True)
class _Session:
    job: Job
    started: float
    tokens: list[int] = field(default_factory=list[int])
    logprobs: list[Any] = field(default_factory=list[Any])  # each a scalar on the device
    written: str = ""


def load_weights(folder: Path, kind: Kind) -> Model:
    """Load a model in the form that the device multiplies fastest.

    Raises:
        ModelError: when the folder's files do not make a model.
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
    mx.clear_cache()
    weights: list[Any] = [value for _, value in tree_flatten(network.parameters())]
    item = next((w.dtype.size for w in weights if mx.issubdtype(w.dtype, mx.floating)), 4)
    return Model(network, sum(w.nbytes for w in weights), _kv_bytes(config) * item)


def _kv_bytes(config: dict[str, Any]) -> int:
    """Numbers in the keys and values of one token."""
    config = config.get("text_config") or config
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    return 2 * config["num_hidden_layers"] * (config.get("num_key_value_heads") or heads) * size


class Sessions:
    """Sessions over one model, advanced one token at a time."""

    def __init__(
        self,
        model: Model,
        chat: Chat,
        kind: Kind,
        sampling: Sampling,
        *,
        sessions: int,
        memory_limit: int,
    ) -> None:
        mx = import_mlx()
        from mlx_lm.generate import BatchGenerator
        from mlx_lm.sample_utils import make_sampler

        self._mx = mx
        self._chat = chat
        self._stops = sampling.stop
        mx.random.seed(sampling.seed)
        self._generator = BatchGenerator(
            model.network,
            stop_tokens=[[token] for token in chat.end_tokens],
            sampler=make_sampler(sampling.temperature, sampling.top_p, top_k=sampling.top_k),
            completion_batch_size=sessions,
            prefill_batch_size=min(sessions, PREFILL_BATCH[kind]),
            prefill_step_size=PREFILL_STEP[kind],
            # Its module's own stream is of the device that was the default when it was imported.
            stream=mx.new_thread_local_stream(mx.default_device()),
        )
        wire_memory(kind, memory_limit)
        self._active: dict[int, _Session] = {}

    @property
    def active(self) -> list[Job]:
        """The jobs that have a session."""
        return [session.job for session in self._active.values()]

    def admit(self, jobs: Sequence[Job]) -> None:
        """Give each job a session. There must be room for them."""
        uids = self._generator.insert(
            [job.tokens for job in jobs], max_tokens=[job.max_tokens for job in jobs]
        )
        now = time.monotonic()
        self._active |= {uid: _Session(job, now) for uid, job in zip(uids, jobs, strict=True)}

    def step(self) -> list[Finished]:
        """Compute a part of the prompts that wait, or a token of each session; or both."""
        _, responses = self._generator.next()
        if not responses:
            return []
        with self._mx.stream(self._generator.stream):
            # Taken out on the device and not waited for: a row is as wide as the vocabulary.
            logprobs = [response.logprobs[response.token] for response in responses]
            self._mx.async_eval(logprobs)
        ended: dict[int, FinishReason] = {}
        for response, logprob in zip(responses, logprobs, strict=True):
            reason = self._advance(response, logprob)
            if reason:
                ended[response.uid] = reason
        stopped = [r.uid for r in responses if r.uid in ended and not r.finish_reason]
        if stopped:
            self._generator.remove(stopped)
        return [self._finished(uid, reason) for uid, reason in ended.items()]

    def clear(self) -> None:
        """Drop all sessions."""
        if self._active:
            self._generator.remove(list(self._active))
            self._active.clear()

    def close(self) -> None:
        """Give the generator's settings back."""
        self.clear()
        self._generator.close()

    def _advance(self, response: Any, logprob: Any) -> FinishReason | None:
        """Add a token to its session; returns why that was the last one."""
        if response.finish_reason == "stop":
            return "stop"
        session = self._active[response.uid]
        session.tokens.append(response.token)
        session.logprobs.append(logprob)
        session.written = (session.written + self._chat.piece(response.token)).lstrip()
        if any(stop in session.written for stop in self._stops):
            return "stop"
        return response.finish_reason

    def _finished(self, uid: int, reason: FinishReason) -> Finished:
        session = self._active.pop(uid)
        count = len(session.tokens)
        total = sum(logprob.item() for logprob in session.logprobs)
        return Finished(
            uid=session.job.uid,
            tokens=session.tokens,
            finish_reason=reason,
            ms=round(1000 * (time.monotonic() - session.started)),
            confidence=total / count if count else 0.0,
        )
