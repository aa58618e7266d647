"""Requests on their way to the servers: an event loop in a thread, for as long as they last.

Not here: where requests come from and where answers go (pool.py). One run is one iterator of
the pool. Its thread and connections end with it, so nothing is left over however it ends.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from structlog.contextvars import bind_contextvars
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_random_exponential,
)

from dobby_pipeline.inference.metrics import PoolMetrics
from dobby_pipeline.inference.pool import PoolError
from dobby_pipeline.inference.remote.server import (
    Broken,
    Busy,
    Denied,
    Failed,
    Fault,
    Patience,
    Refused,
    Server,
)
from dobby_pipeline.inference.remote.servers import Held, Servers
from dobby_pipeline.inference.remote.wire import Answer, Garbage, body_of, read_answer
from dobby_pipeline.inference.requests import Request, Sampling
from dobby_pipeline.logs import logger

if TYPE_CHECKING:
    from concurrent.futures import Future

_log = logger(__name__)

THREAD = "dobby-remote"

_LOOK_AFTER = 3
"""Errors in a row after which a server must answer a question that it has to know."""


class NotAnswered(Exception):
    """The servers do not answer this request, and do answer others. The text says how."""


class Run:
    """Sends requests side by side.

    Args:
        servers: as the pool knows them.
        sessions: requests in flight at most.
        finished: called on the run's thread with the future of each request that is done.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        sessions: int,
        sampling: Sampling,
        system_role: bool,
        patience: Patience,
        metrics: PoolMetrics,
        finished: "Callable[[Future[tuple[Answer, int]]], None]",
    ) -> None:
        self._sampling, self._system_role = sampling, system_role
        self._patience, self._finished, self._sessions = patience, finished, sessions
        self._metrics = metrics
        self._stack = ExitStack()
        self._portal: BlockingPortal = self._stack.enter_context(
            start_blocking_portal("asyncio", name=THREAD)
        )
        try:
            self.servers: Servers = self._stack.enter_context(
                self._portal.wrap_async_context_manager(Servers(servers, metrics).open())
            )
        except BaseException:
            self.close()
            raise
        self._slots = self._portal.call(anyio.Semaphore, sessions)

    def submit(self, request: Request) -> "Future[tuple[Answer, int]]":
        """Send a request; its future holds the answer and the milliseconds that it took.

        Or it raises `NotAnswered`, or `PoolError` where no server answers anything.
        """
        future = self._portal.start_task_soon(self._answer, request)
        future.add_done_callback(self._finished)
        return future

    def close(self) -> None:
        """Cancel what is under way, close the connections, end the thread."""
        with suppress(RuntimeError):  # it has been stopped before
            self._portal.call(self._portal.stop, True)
        with suppress(RuntimeError):
            self._stack.close()

    async def _answer(self, request: Request) -> tuple[Answer, int]:
        bind_contextvars(request_id=request.request_id)  # each request is a task of its own
        body = body_of(request, self._sampling, system_role=self._system_role)
        while True:
            tries = _Tries(self._patience)
            retrying = AsyncRetrying(
                retry=retry_if_exception_type(Fault),
                wait=wait_random_exponential(self._patience.first_pause_s, max=10),
                stop=tries,
                sleep=anyio.sleep,
                before_sleep=partial(self._asked_again, tries),
                reraise=True,
            )
            try:
                return await retrying(self._attempt, body, tries)
            except Refused as fault:
                raise NotAnswered(f"{tries.url}: {fault}") from fault
            except Failed as fault:
                held = tries.held
                if held and await self.servers.still_there(held):
                    times = f"{self._patience.asked} times, and answered another question"
                    raise NotAnswered(f"{tries.url}: {fault} {times}") from fault
                # It does not answer others either, and is out now: the request goes elsewhere.
            except (Broken, Denied, Busy) as fault:
                raise PoolError(
                    f"{tries.url}: {fault} again and again: what was finished is kept; see what "
                    "the server says, then run it again"
                ) from fault

    def _asked_again(self, tries: "_Tries", state: RetryCallState) -> None:
        self._metrics.retries.inc()
        fault = state.outcome.exception() if state.outcome else None
        _log.info(
            "request will be asked again",
            server=tries.url,
            fault=type(fault).__name__,  # what the server says may quote the prompt
            status=fault.status if isinstance(fault, Fault) else 0,
            attempt=state.attempt_number,
        )

    async def _attempt(self, body: dict[str, object], tries: "_Tries") -> tuple[Answer, int]:
        """One question to one server, which hears of its faults."""
        last = tries.held
        async with self._slots, self.servers.take(last.server if last else None) as held:
            tries.held = held
            started = time.monotonic()
            try:
                answer = await self._ask(held, body)
            except (Broken, Denied) as fault:
                self.servers.lose(held, str(fault))
                raise
            except Busy as fault:
                held.server.put_off(fault.wait_s)
                raise
            except Failed:
                held.server.errors += 1
                if held.server.errors % _LOOK_AFTER == 0:
                    await self.servers.still_there(held)
                raise
        return answer, round(1000 * (time.monotonic() - started))

    async def _ask(self, held: Held, body: dict[str, object]) -> Answer:
        answer = await self._understood(held, body)
        if not answer.text and answer.finish_reason == "stop" and "stop" in body:
            # The model began with a blank line, which ends nothing before the first word.
            whole = {key: value for key, value in body.items() if key != "stop"}
            answer = await self._understood(held, whole)
        return answer

    async def _understood(self, held: Held, body: dict[str, object]) -> Answer:
        values = await held.server.ask(held.client, body)
        try:
            return read_answer(values, self._sampling.stop)
        except Garbage as error:
            raise Failed(str(error)) from error


class _Tries:
    """How often one request has met which kind of fault, and whether that is enough."""

    def __init__(self, patience: Patience) -> None:
        self.held: Held | None = None
        self._met = Counter[type[Fault]]()
        self._limits: dict[type[Fault], int] = {
            Failed: patience.asked,
            Broken: patience.broken,
            Denied: patience.broken,
            Busy: patience.busy,
        }

    @property
    def url(self) -> str:
        """The server that was asked last."""
        return self.held.server.url if self.held else "no server"

    def __call__(self, state: RetryCallState) -> bool:
        """Tenacity's stop: a refusal at once, the rest at its limit."""
        fault = state.outcome.exception() if state.outcome else None
        kind = next((kind for kind in self._limits if isinstance(fault, kind)), Fault)
        self._met[kind] += 1
        return self._met[kind] >= self._limits.get(kind, 1)
