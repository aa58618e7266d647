"""The session pool: requests in, completions out, over one copy of a model's weights.

Not here: the thread that computes (worker.py). This side runs on the consumer's thread, which
tokenises, detokenises, and does its own work between two results while the other one computes.
"""

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from types import TracebackType
from typing import Self

from dobby_pipeline.inference.admission import Job
from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.device import Kind
from dobby_pipeline.inference.metrics import PoolMetrics, Reading
from dobby_pipeline.inference.models.manifests import Manifest
from dobby_pipeline.inference.models.pull import require_pulled
from dobby_pipeline.inference.requests import (
    DEFAULT_SAMPLING,
    Completion,
    Finished,
    PoolError,
    PoolStats,
    Refusal,
    Request,
    Sampling,
    Turns,
)
from dobby_pipeline.inference.supervisor import STALL_S, Supervisor
from dobby_pipeline.inference.worker import AUTO_SESSIONS, Plan
from dobby_pipeline.logs import logger

_log = logger(__name__)


class SessionPool:
    """Sessions over one model. A context manager; the weights are loaded at the first request.

    Attributes:
        metrics: what it does, as it does it.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        sessions: int | None = 20,
        device: str = "auto",
        memory_limit_gb: float = 8.0,
        sampling: Sampling = DEFAULT_SAMPLING,
        stall_s: float = STALL_S,
        beside: Callable[[], int] | None = None,
    ) -> None:
        """Make a pool; nothing is loaded yet.

        Args:
            sessions: prompts generated side by side at most; None for as many as the device
                is fastest with, within the memory limit.
            device: `auto`, `gpu` or `cpu`.
            memory_limit_gb: weights, KV cache and MLX's cache together, in 10^9 bytes.
            stall_s: seconds after which a step counts as hanging.
            beside: tells how many bytes of the limit other models hold; called on the thread
                that computes. None where there are no others.

        Raises:
            ModelError: when the model is not pulled.
        """
        if sessions is not None and sessions < 1:
            raise PoolError(f"{sessions} sessions: give 1 or more, or auto (DOBBY_SESSIONS)")
        self.manifest = manifest
        self._sessions = sessions
        self._sampling = sampling
        folder = require_pulled(manifest)
        # Read once, at first use, for both threads; it holds no reference to this object.
        self._chat = lru_cache(partial(Chat, folder, system_role=manifest.system_role))
        limit = int(memory_limit_gb * 1e9)
        plan = Plan(manifest.name, folder, device, sessions, limit, sampling)
        plan = replace(plan, beside=beside) if beside else plan
        self.metrics = PoolMetrics(manifest.name)
        self._supervisor = Supervisor(plan, self._chat, stall_s, self.metrics)
        self._closed = False
        self._generating = threading.Lock()
        self._uid = 0
        # Runs at exit as well, before the interpreter takes down what MLX's threads need.
        self._finalizer = weakref.finalize(self, Supervisor.close, self._supervisor)

    @property
    def device(self) -> Kind:
        """`metal`, `cuda` or `cpu`: the one in use. Tries it at the first call; loads nothing."""
        self._start()
        return self._supervisor.worker.wait_for_device()

    @property
    def sessions(self) -> int:
        """Prompts generated side by side at most; what `auto` means is known with the device."""
        return self._sessions or AUTO_SESSIONS[self.device]

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._supervisor.worker.loaded.is_set() and not self._closed

    @property
    def generating(self) -> bool:
        """Whether an iterator of `generate` is open."""
        return self._generating.locked()

    @property
    def chat(self) -> Chat:
        """The model's tokenizer and chat template."""
        return self._chat()

    def count_tokens(self, prompt: str, system: str = "", examples: Turns = ()) -> int:
        """Tokens of a whole prompt, chat frame included."""
        return len(self.chat.encode(prompt, system, examples))

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion | Refusal]:
        """Answer requests, each as it is finished, so not in their order.

        A request is pulled from the iterable when a session or a place in the queue before the
        sessions comes free: at most twice as many as there are sessions are under way. Leaving
        the iterator early drops what is under way, and the pool can be used again.

        Raises:
            PoolError: when the device, the model or the worker fails; never waits for ever.
            ModelError: when the weights cannot be loaded or do not fit.
        """
        if not self._generating.acquire(blocking=False):
            raise PoolError("the pool is generating already: use one iterator at a time")
        under_way: dict[int, tuple[Request, int]] = {}
        try:
            yield from self._generate(iter(requests), under_way)
        finally:
            if under_way:
                self._supervisor.cancel()
            self._generating.release()

    def rest(self) -> None:
        """Free what the next request would make anew, such as the keys and values of the last ones.

        The weights stay. Nothing happens while an iterator of `generate` is open.
        """
        if not self.generating:
            self._supervisor.cancel()

    def stats(self) -> PoolStats:
        """What the pool has done so far."""
        return stats_of(self.metrics.reading())

    def close(self) -> None:
        """End the sessions and free the weights. A second call does nothing."""
        self._closed = True
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _generate(
        self, source: Iterator[Request], under_way: dict[int, tuple[Request, int]]
    ) -> Iterator[Completion | Refusal]:
        ended = False
        most = 2 * self.sessions
        while not ended or under_way:
            if not ended and len(under_way) < most:
                request = next(source, None)
                if request is None:
                    ended = True
                    continue
                refusal = self._submit(request, under_way)
                if refusal:
                    yield refusal
                continue
            result = self._supervisor.result()
            yield self._completion(result, *under_way.pop(result.uid))

    def _submit(
        self, request: Request, under_way: dict[int, tuple[Request, int]]
    ) -> Refusal | None:
        """Hand a request to the worker, or say why not."""
        try:
            has_text = bool(request.prompt.strip())
            system, examples = request.system, request.examples
            tokens = self.chat.encode(request.prompt, system, examples) if has_text else []
            refusal = self._refusal(request, len(tokens))
        except (ValueError, TypeError) as error:  # the tokenizer's, such as for a lone surrogate
            refusal, tokens = _unreadable(request, error), []
        if refusal:
            self.metrics.refused(refusal.reason)
            _log.info("request refused", request_id=request.request_id, reason=refusal.reason)
            return refusal
        self._start()
        self._uid += 1
        under_way[self._uid] = (request, len(tokens))
        opening = self.chat.opening(request.system, request.examples)
        self._supervisor.submit(Job(self._uid, tokens, request.max_tokens, opening))
        return None

    def _refusal(self, request: Request, count: int) -> Refusal | None:
        if not count:
            return Refusal(request.request_id, "empty_prompt", "nothing to read", 0)
        limit = min(self.manifest.prompt_budget, self.manifest.context - request.max_tokens)
        if count > limit:
            detail = f"{count:,} tokens, limit {limit:,}"
            return Refusal(request.request_id, "prompt_too_long", detail, count)
        return None

    def _completion(self, result: Finished, request: Request, count: int) -> Completion:
        self.metrics.requests.inc()
        self.metrics.prompt_tokens.inc(count)
        self.metrics.request_seconds.observe(result.ms / 1000)
        return Completion(
            request_id=request.request_id,
            text=_cut(self.chat.decode(result.tokens), self._sampling.stop),
            finish_reason=result.finish_reason,
            prompt_tokens=count,
            output_tokens=len(result.tokens),
            ms=result.ms,
            confidence=result.confidence,
        )

    def _start(self) -> None:
        if self._closed:
            raise PoolError("the pool is closed")
        self._supervisor.start()


def stats_of(reading: Reading) -> PoolStats:
    """A pool's statistics from its metrics."""
    return PoolStats(
        requests=reading.requests,
        refused=reading.refused,
        prompt_tokens=reading.prompt_tokens,
        output_tokens=reading.output_tokens,
        seconds=reading.busy_seconds,
        load_seconds=reading.load_seconds,
        peak_memory_bytes=reading.peak_memory_bytes,
        peak_sessions=reading.peak_sessions,
        fallbacks=reading.fallbacks,
        prefill_seconds=reading.prefill_seconds,
        decode_seconds=reading.decode_seconds,
        prefix_hits=reading.prefix_hits,
        retries=reading.retries,
    )


def _unreadable(request: Request, error: Exception) -> Refusal:
    detail = f"the tokenizer cannot read it ({type(error).__name__})"
    return Refusal(request.request_id, "not_tokenised", detail, 0)


def _cut(text: str, stops: Iterable[str]) -> str:
    """The text up to the first stop text that comes after something was written."""
    text = text.lstrip()
    for stop in stops:
        text = text.partition(stop)[0]
    return text.rstrip()
