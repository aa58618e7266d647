"""The session pool: requests in, completions out, over one copy of a model's weights.

Not here: the thread that computes (worker.py). This side runs on the consumer's thread, which
tokenises, detokenises, and does its own work between two results while the other one computes.
"""

import queue
import threading
import weakref
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from types import TracebackType
from typing import Self

from dobby_pipeline.errors import DobbyError
from dobby_pipeline.inference.admission import Job
from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.device import Kind
from dobby_pipeline.inference.manifests import Manifest
from dobby_pipeline.inference.pull import require_pulled
from dobby_pipeline.inference.requests import (
    DEFAULT_SAMPLING,
    Completion,
    Finished,
    PoolStats,
    Refusal,
    Request,
    Sampling,
)
from dobby_pipeline.inference.worker import AUTO_SESSIONS, Died, Plan, Worker

_POLL_S = 0.5
"""How often a waiting consumer looks whether the worker still lives."""


class PoolError(DobbyError):
    """Generation cannot go on. What was yielded before is whole."""


class SessionPool:
    """Sessions over one model. A context manager; the weights are loaded at the first request."""

    def __init__(
        self,
        manifest: Manifest,
        *,
        sessions: int | None = 20,
        device: str = "auto",
        memory_limit_gb: float = 8.0,
        sampling: Sampling = DEFAULT_SAMPLING,
    ) -> None:
        """Make a pool; nothing is loaded yet.

        Args:
            sessions: prompts generated side by side at most; None for as many as the device
                is fastest with, within the memory limit.
            device: `auto`, `gpu` or `cpu`.
            memory_limit_gb: weights, KV cache and MLX's cache together, in 10^9 bytes.

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
        self._worker = Worker(plan, self._chat)
        self._started = self._closed = False
        self._generating = threading.Lock()
        self._uid = 0
        self._requests = self._refused = self._prompt_tokens = self._output_tokens = 0
        # Runs at exit as well, before the interpreter takes down what MLX's threads need.
        self._finalizer = weakref.finalize(self, Worker.close, self._worker)

    @property
    def device(self) -> Kind:
        """`metal`, `cuda` or `cpu`: the one in use. Tries it at the first call; loads nothing."""
        self._start()
        return self._worker.wait_for_device()

    @property
    def sessions(self) -> int:
        """Prompts generated side by side at most; what `auto` means is known with the device."""
        return self._sessions or AUTO_SESSIONS[self.device]

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._worker.loaded.is_set() and not self._closed

    @property
    def chat(self) -> Chat:
        """The model's tokenizer and chat template."""
        return self._chat()

    def count_tokens(self, prompt: str, system: str = "") -> int:
        """Tokens of a whole prompt, chat frame included."""
        return len(self.chat.encode(prompt, system))

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
                self._worker.cancel()
            self._generating.release()

    def stats(self) -> PoolStats:
        """What the pool has done so far."""
        counters = self._worker.counters
        return PoolStats(
            requests=self._requests,
            refused=self._refused,
            prompt_tokens=self._prompt_tokens,
            output_tokens=self._output_tokens,
            seconds=counters.seconds,
            load_seconds=counters.load_seconds,
            peak_memory_bytes=counters.peak_memory,
            peak_sessions=counters.peak_sessions,
        )

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
            result = self._result()
            if result.uid in under_way:  # otherwise of an iterator that was left
                yield self._completion(result, *under_way.pop(result.uid))

    def _submit(
        self, request: Request, under_way: dict[int, tuple[Request, int]]
    ) -> Refusal | None:
        """Hand a request to the worker, or say why not."""
        tokens = self.chat.encode(request.prompt, request.system) if request.prompt.strip() else []
        refusal = self._refusal(request, len(tokens))
        if refusal:
            self._refused += 1
            return refusal
        self._start()
        self._uid += 1
        under_way[self._uid] = (request, len(tokens))
        self._worker.submit(Job(self._uid, tokens, request.max_tokens))
        return None

    def _refusal(self, request: Request, count: int) -> Refusal | None:
        if not count:
            return Refusal(request.request_id, "empty_prompt", "nothing to read", 0)
        limit = min(self.manifest.prompt_budget, self.manifest.context - request.max_tokens)
        if count > limit:
            detail = f"{count:,} tokens, limit {limit:,}"
            return Refusal(request.request_id, "prompt_too_long", detail, count)
        return None

    def _result(self) -> Finished:
        while True:
            try:
                result = self._worker.results.get(timeout=_POLL_S)
            except queue.Empty:
                if self._worker.alive:
                    continue
                raise PoolError("the generation thread ended without a word") from None
            if isinstance(result, Died):
                raise self._told(result)
            return result

    def _told(self, died: Died) -> DobbyError:
        self._worker.results.put(died)  # for whoever asks next
        if isinstance(died.error, DobbyError):
            return died.error
        reason = str(died.error).splitlines() or [""]
        told = PoolError(
            f"model {self.manifest.name} on {self._worker.kind}: generation failed "
            f"({type(died.error).__name__}: {reason[0]}): what was finished is kept; run it again"
        )
        told.__cause__ = died.error
        return told

    def _completion(self, result: Finished, request: Request, count: int) -> Completion:
        self._requests += 1
        self._prompt_tokens += count
        self._output_tokens += len(result.tokens)
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
        if not self._started:
            self._started = True
            self._worker.start()


def _cut(text: str, stops: Iterable[str]) -> str:
    """The text up to the first stop text that comes after something was written."""
    text = text.lstrip()
    for stop in stops:
        text = text.partition(stop)[0]
    return text.rstrip()
