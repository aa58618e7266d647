"""Several servers as one: who is asked next, and what happens when one is gone.

Not here: the single server (server.py), the pool (pool.py). Everything runs on one event
loop, so that nothing needs a lock.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import httpx2

from dobby_pipeline.inference.metrics import PoolMetrics
from dobby_pipeline.inference.pool import PoolError
from dobby_pipeline.inference.remote.server import Server


class Servers:
    """The servers while connections to them are open."""

    def __init__(self, servers: Sequence[Server], metrics: PoolMetrics) -> None:
        self._servers, self._metrics = servers, metrics
        self._clients: dict[Server, httpx2.AsyncClient] = {}
        self._greeting = {server: anyio.Lock() for server in servers}
        self._changed = anyio.Event()
        self._fault: Exception | None = None
        self._busy_since = self._started = 0.0
        self._answered = False

    @asynccontextmanager
    async def open(self) -> "AsyncGenerator[Servers]":
        """Connect, and keep greeting who is not there; ends with every connection closed."""
        async with AsyncExitStack() as stack:
            for server in self._servers:
                server.begin()
                self._clients[server] = await stack.enter_async_context(server.client())
            async with anyio.create_task_group() as group:
                self._started = time.monotonic()
                for server in self._servers:
                    group.start_soon(self._keep, server)
                yield self
                group.cancel_scope.cancel()

    @asynccontextmanager
    async def take(self, avoid: Server | None = None) -> "AsyncGenerator[Held]":
        """The server with the fewest requests in flight, waited for if need be.

        Args:
            avoid: the one that has just failed: taken only if there is no other.

        Raises:
            PoolError: when there is none to wait for.
        """
        server = await self._wait(avoid)
        if not self._in_flight:
            self._busy_since = time.monotonic()
        server.in_flight += 1
        server.asked += 1
        self._metrics.busy(self._in_flight)
        try:
            yield Held(server, self._clients[server], server.greetings)
        finally:
            server.in_flight -= 1
            self._metrics.busy(self._in_flight)
            if not self._in_flight:
                self._metrics.busy_seconds.inc(time.monotonic() - self._busy_since)

    def lose(self, held: "Held", reason: str) -> None:
        """Take a server out, unless it was greeted since: then the fault is an old one."""
        if held.server.ready and held.server.greetings == held.greeting:
            held.server.lose(reason)
            self._change()

    async def still_there(self, held: "Held") -> bool:
        """Ask the server a question of one token, unless it has been asked since."""
        async with self._greeting[held.server]:
            if held.server.greetings == held.greeting:
                await self._greet(held.server)
        return held.server.ready

    @property
    def _in_flight(self) -> int:
        return sum(server.in_flight for server in self._servers)

    async def _keep(self, server: Server) -> None:
        """Greet a server whenever it is not there, with the pauses that it is owed."""
        try:
            await self._greet_for_ever(server)
        except Exception as error:  # noqa: BLE001 - nobody may wait for a server that nobody greets
            self._fault = error
            self._change()

    async def _greet_for_ever(self, server: Server) -> None:
        while True:
            if server.ready:
                await self._changed.wait()
                continue
            await anyio.sleep(max(0.0, server.until - time.monotonic()))
            async with self._greeting[server]:
                if not server.ready:
                    await self._greet(server)

    async def _greet(self, server: Server) -> None:
        if await server.greet(self._clients[server]) and not self._answered:
            self._answered = True
            self._metrics.load_seconds.inc(time.monotonic() - self._started)
        self._change()

    async def _wait(self, avoid: Server | None) -> Server:
        while True:
            if self._fault:
                raise self._fault
            now = time.monotonic()
            ready = [server for server in self._servers if server.ready]
            free = [server for server in ready if server.until <= now]
            others = [server for server in free if server is not avoid]
            if free:
                return min(others or free, key=lambda server: (server.in_flight, server.asked))
            if all(server.given_up for server in self._servers):
                raise PoolError(self._nobody())
            changed = self._changed
            with anyio.move_on_after(min((s.until - now for s in ready), default=None)):
                await changed.wait()

    def _nobody(self) -> str:
        found = ", ".join(f"{server.url} ({server.reason})" for server in self._servers)
        return f"no server answers: {found}: what was finished is kept; start one and run it again"

    def _change(self) -> None:
        """Wake who waits for a server, or for the loss of one."""
        self._changed.set()
        self._changed = anyio.Event()


class Held:
    """A server that is answering a request.

    Attributes:
        client: the connections to it.
        greeting: the number of its last greeting when the request was sent.
    """

    def __init__(self, server: Server, client: httpx2.AsyncClient, greeting: int) -> None:
        self.server, self.client, self.greeting = server, client, greeting
