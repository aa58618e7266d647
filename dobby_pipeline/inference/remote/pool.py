"""The remote pool: the session pool's interface over OpenAI-compatible servers.

Not here: sending (run.py), choosing a server (servers.py), what is said
(wire.py). No weights are needed on this machine, and no mlx; a manifest is, for the
model's name and limits.
"""

import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from types import TracebackType
from typing import Self

from dobby_pipeline.errors import DobbyError
from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.metrics import PoolMetrics
from dobby_pipeline.inference.models.manifests import Manifest, weights_folder
from dobby_pipeline.inference.models.pull import is_pulled, require_pulled
from dobby_pipeline.inference.pool import PoolError, stats_of
from dobby_pipeline.inference.remote.address import URL_ENV, Address
from dobby_pipeline.inference.remote.run import NotAnswered, Run
from dobby_pipeline.inference.remote.server import Patience, Server
from dobby_pipeline.inference.remote.text import neutraliser
from dobby_pipeline.inference.remote.wire import Answer
from dobby_pipeline.inference.requests import (
    DEFAULT_SAMPLING,
    Completion,
    PoolStats,
    Refusal,
    Request,
    Sampling,
    Turns,
)
from dobby_pipeline.logs import logger

_log = logger(__name__)

DEVICE = "remote"

BYTES_A_TOKEN = 2.5
"""What a prompt is measured by where the model's tokenizer is not on this machine. Code has 3.5
on average; at 2.5 the largest part that sources/parts.py cuts, with the words around it, just
fits the smallest prompt budget, and one in 500 of such parts has more tokens than the budget."""

FRAME_TOKENS = 64
"""Allowed for the chat template where it is not known; ChatML with two messages takes 15."""

_Result = tuple[Answer, int]


@dataclass
class _Running:
    """The run of the iterator that is open, where the pool's finalizer finds it."""

    run: Run | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        with self.lock:
            run, self.run = self.run, None
        if run:
            run.close()


class RemotePool:
    """Sessions that are requests to servers. A context manager, like `SessionPool`.

    Attributes:
        metrics: what it does, as it does it.
    """

    def __init__(
        self,
        manifest: Manifest,
        addresses: Sequence[Address],
        *,
        sessions: int = 20,
        token: str = "",
        sampling: Sampling = DEFAULT_SAMPLING,
        patience: Patience | None = None,
    ) -> None:
        """Make a pool; nothing is connected yet.

        Args:
            manifest: of the model that the servers should serve. It need not be pulled; if it
                is, its tokenizer counts, otherwise bytes do (`count_tokens`).
            addresses: one or more; the one with the fewest requests in flight is asked next.
            sessions: requests in flight at most, over all servers.
            token: sent as a bearer token where the address has no credentials of its own.
        """
        if sessions < 1:
            raise PoolError(f"{sessions} sessions: give 1 or more (DOBBY_SESSIONS)")
        if not addresses:
            raise PoolError(f"no server: give an address in {URL_ENV}")
        self.manifest = manifest
        self.sessions = sessions
        self._sampling = sampling
        self._patience = patience or Patience()
        self._servers = [
            Server(address, manifest, sampling, token, self._patience) for address in addresses
        ]
        self._closed = False
        self._generating = threading.Lock()
        self.metrics = PoolMetrics(manifest.name)
        self.metrics.sessions.set(sessions)
        self._running = _Running()
        # Runs at exit as well, while the run's thread can still be told to end.
        self._finalizer = weakref.finalize(self, _Running.close, self._running)

    @property
    def device(self) -> str:
        """`remote`: what the servers compute on is not known."""
        return DEVICE

    @property
    def loaded(self) -> bool:
        """Whether a server has answered and not failed since."""
        return not self._closed and any(server.ready for server in self._servers)

    @cached_property
    def chat(self) -> Chat:
        """The model's tokenizer and chat template.

        Raises:
            ModelError: when the model is not pulled.
        """
        return Chat(require_pulled(self.manifest), system_role=self.manifest.system_role)

    def count_tokens(self, prompt: str, system: str = "", examples: Turns = ()) -> int:
        """Tokens of a whole prompt, chat frame included; the model's own where it is pulled.

        Otherwise its UTF-8 bytes over BYTES_A_TOKEN, and FRAME_TOKENS: an estimate that is too
        high for nearly all code.
        """
        if self._pulled:
            return len(self.chat.encode(self._plain(prompt), self._plain(system), examples))
        said = [prompt, system, *chain.from_iterable(examples)]
        return FRAME_TOKENS + round(len("".join(said).encode()) / BYTES_A_TOKEN)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion | Refusal]:
        """Answer requests, each as it is finished, so not in their order.

        A request is pulled, on the consumer's thread, when fewer than twice as many as there are
        sessions are under way. Leaving the iterator early cancels what is, and the pool can be
        used again.

        A server that is gone is left out for a while, with one warning, and tried again; what it
        was asked goes to another. A request that no server answers, though they answer others,
        comes back as a `Refusal`.

        Raises:
            PoolError: when no server answers any more. What was finished is yielded before.
        """
        if self._closed:
            raise PoolError("the pool is closed")
        if not self._generating.acquire(blocking=False):
            raise PoolError("the pool is generating already: use one iterator at a time")
        try:
            yield from self._generate(iter(requests))
        finally:
            self._running.close()
            self.metrics.rest()
            self._generating.release()

    def stats(self) -> PoolStats:
        """What the pool has done so far.

        `seconds` are those with a request in flight, `load_seconds` those until a server
        answered, and `peak_memory_bytes` is 0: the memory is the servers'.
        """
        return stats_of(self.metrics.reading())

    def close(self) -> None:
        """Cancel what is under way and end the thread. A second call does nothing."""
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

    def _generate(self, source: Iterator[Request]) -> Iterator[Completion | Refusal]:
        finished: queue.SimpleQueue[Future[_Result]] = queue.SimpleQueue()
        under_way: dict[Future[_Result], Request] = {}
        ended = False
        while not ended or under_way:
            if not ended and len(under_way) < 2 * self.sessions:
                request = next(source, None)
                if request is None:
                    ended = True
                    continue
                refusal = self._refusal(request)
                if refusal:
                    yield refusal
                    continue
                run = self._running.run or self._start(finished)
                under_way[run.submit(self._as_text(request))] = request
                self.metrics.queue.set(max(0, len(under_way) - self.sessions))
                continue
            future = finished.get()
            error = _error(future)
            if error and not isinstance(error, NotAnswered):
                yield from self._last(finished, under_way)
                raise self._told(error) from error
            yield self._result(under_way.pop(future), future)

    def _last(
        self,
        finished: "queue.SimpleQueue[Future[_Result]]",
        under_way: dict["Future[_Result]", Request],
    ) -> Iterator[Completion | Refusal]:
        """What is finished already, when nothing more will be."""
        with suppress(queue.Empty):
            while True:
                future = finished.get_nowait()
                if _error(future) is None:
                    yield self._result(under_way.pop(future), future)

    def _told(self, error: BaseException) -> BaseException:
        if self._closed:
            return PoolError("the pool is closed")
        if isinstance(error, DobbyError):
            return error
        return PoolError(
            f"model {self.manifest.name} on {DEVICE}: asking failed ({type(error).__name__}: "
            f"{error}): what was finished is kept; run it again"
        )

    def _start(self, finished: "queue.SimpleQueue[Future[_Result]]") -> Run:
        run = Run(
            self._servers,
            sessions=self.sessions,
            sampling=self._sampling,
            system_role=self.manifest.system_role,
            patience=self._patience,
            metrics=self.metrics,
            finished=finished.put,
        )
        with self._running.lock:
            self._running.run = run
        return run

    def _refusal(self, request: Request) -> Refusal | None:
        """Why a request is not sent: the reasons of the pool on this machine."""
        if not request.prompt.strip():
            return self._refused_with(request, "nothing to read", 0)
        count = self._count(request)
        limit = min(self.manifest.prompt_budget, self.manifest.context - request.max_tokens)
        if count > limit:
            about = "" if self._pulled else "about "
            return self._refused_with(request, f"{about}{count:,} tokens, limit {limit:,}", count)
        return None

    def _refused_with(self, request: Request, detail: str, count: int) -> Refusal:
        reason = "prompt_too_long" if count else "empty_prompt"
        self.metrics.refused(reason)
        _log.info("request refused", request_id=request.request_id, reason=reason)
        return Refusal(request.request_id, reason, detail, count)

    def _result(self, request: Request, future: "Future[_Result]") -> Completion | Refusal:
        error = _error(future)
        if error:
            return self._not_answered(request, str(error))
        answer, ms = future.result()
        if answer.filtered:
            return self._not_answered(request, "the server's filter held the answer back")
        counted = answer.prompt_tokens or self._count(request)
        completion = Completion(
            request_id=request.request_id,
            text=answer.text,
            finish_reason=answer.finish_reason,
            prompt_tokens=counted,
            output_tokens=answer.output_tokens or 0,
            ms=ms,
            confidence=answer.confidence,
        )
        self.metrics.requests.inc()
        self.metrics.prompt_tokens.inc(completion.prompt_tokens)
        self.metrics.output_tokens.inc(completion.output_tokens)
        self.metrics.request_seconds.observe(ms / 1000)
        return completion

    def _not_answered(self, request: Request, detail: str) -> Refusal:
        self.metrics.refused("server_refused")
        # Not the detail: a server's own words may quote the prompt.
        _log.info("request refused", request_id=request.request_id, reason="server_refused")
        count = self._count(request)
        return Refusal(request.request_id, "server_refused", detail, count)

    def _count(self, request: Request) -> int:
        return self.count_tokens(request.prompt, request.system, request.examples)

    def _as_text(self, request: Request) -> Request:
        prompt, system = self._plain(request.prompt), self._plain(request.system)
        return replace(request, prompt=prompt, system=system)

    @cached_property
    def _pulled(self) -> bool:
        return is_pulled(self.manifest)

    @cached_property
    def _plain(self) -> Callable[[str], str]:
        return neutraliser(weights_folder(self.manifest.name) if self._pulled else None)


def _error(future: "Future[_Result]") -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as cancelled:
        return cancelled


@dataclass(frozen=True, slots=True)
class ServerState:
    """What one server did when it was greeted.

    Attributes:
        problem: why it does not answer; empty where it does.
        model: the name that it answered under.
        served: the names that it lists.
    """

    url: str
    problem: str
    model: str
    served: Sequence[str]


def greet_servers(
    manifest: Manifest,
    addresses: Sequence[Address],
    token: str = "",
    patience: Patience | None = None,
) -> list[ServerState]:
    """Ask each server a question of one token, all at once."""
    import anyio

    servers = [Server(a, manifest, DEFAULT_SAMPLING, token, patience) for a in addresses]

    async def greet(server: Server) -> None:
        async with server.client() as client:
            await server.greet(client)

    async def greet_all() -> None:
        async with anyio.create_task_group() as group:
            for server in servers:
                group.start_soon(greet, server)

    anyio.run(greet_all)
    return [ServerState(s.url, s.reason, s.model, tuple(s.served)) for s in servers]
