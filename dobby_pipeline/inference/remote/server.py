"""One OpenAI-compatible server: asking it, greeting it, and whether it can be asked now.

Not here: which of several is asked (servers.py), what is said (wire.py).

A server counts as there when it has answered a question of one token, not when it lists its
models: mlx_lm.server does that when its generation thread is long dead. Since the question has
all the options of a real one, what a server then refuses is refused for its own sake. That is
what lets a 4xx be blamed on the request, and a wrong token or address not on every request.
"""

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import product
from typing import Any

import anyio
import httpx2

from dobby_pipeline.inference.models.manifests import Manifest
from dobby_pipeline.inference.remote.address import TOKEN_ENV, Address
from dobby_pipeline.inference.remote.wire import (
    Garbage,
    body_of,
    names_to_try,
    read_answer,
    retry_after,
    served_names,
    told,
)
from dobby_pipeline.inference.requests import Request, Sampling
from dobby_pipeline.logs import logger

_log = logger(__name__)

_GREETING = Request("greeting", "Say hello.", max_tokens=1)

_CLIENT_ERROR, _SERVER_ERROR = 400, 500

_DENIED = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
)

_NOT_THE_REQUESTS_FAULT = (
    *_DENIED,
    HTTPStatus.NOT_FOUND,  # also mlx_lm.server's answer when its generation thread is dead
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is waited for, in seconds, and how often what is tried.

    Attributes:
        connect_s: for a connection.
        list_s: for the list of models, which a living server has at hand.
        answer_s: for an answer as a whole: the server may load its model first, and has a queue.
        first_pause_s: after the first fault; doubled by each further one, and jittered.
        longest_pause_s: of such pauses.
        longest_wait_s: of the waits that a server asks for.
        first_tries: greetings of a server that never answered, until it counts as given up.
        tries: of one that did: with the pauses some 30 s, enough to be started again.
        asked: times that a request is asked while the answers are errors.
        broken: times that a request is asked while connections break.
        busy: times that a request is put off by busy servers.
    """

    connect_s: float = 10.0
    list_s: float = 30.0
    answer_s: float = 600.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    longest_wait_s: float = 600.0
    first_tries: int = 3
    tries: int = 7
    asked: int = 4
    broken: int = 8
    busy: int = 20


class Fault(Exception):
    """A server did not answer as it should. The text says how, without its address."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


class Denied(Fault):
    """It does not let us in, and will not until somebody changes something."""


class Broken(Fault):
    """There was no connection, or it ended without an answer."""


class Busy(Fault):
    """It answers, but not now.

    Attributes:
        wait_s: how long it asks to be left alone; None where it does not say.
    """

    def __init__(self, reason: str, wait_s: float | None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Failed(Fault):
    """It answered with an error of its own, or with garbage."""


class Refused(Fault):
    """It does not take this request."""


class Server:
    """A server as one pool knows it; what is known outlives the connections.

    Attributes:
        ready: whether it answered the last greeting, and has not failed since.
        greetings: how many it has answered.
        faults: greetings and connections that failed since it last answered.
        errors: answers that were errors since it last answered well.
        in_flight: requests that it is answering.
        asked: requests that it was given in all.
        until: it is left alone until then, by the monotonic clock.
        reason: of the last fault.
        model: the name that it is asked for.
        served: the names that it lists.
    """

    def __init__(
        self,
        address: Address,
        manifest: Manifest,
        sampling: Sampling,
        token: str = "",
        patience: Patience | None = None,
    ) -> None:
        self.url = address.url
        self.ready = False
        self.greetings = self.faults = self.errors = self.in_flight = self.asked = 0
        self.until = 0.0
        self.reason = self.model = ""
        self.served: list[str] = []
        self._address, self._manifest, self._sampling = address, manifest, sampling
        self._token = token
        self._patience = patience or Patience()
        self._logprobs = True
        self._denied = self._lost = False
        self._warned = ""

    def __repr__(self) -> str:
        return f"Server({self.url})"

    @property
    def given_up(self) -> bool:
        """Whether it is not worth waiting for; while another answers it is still tried."""
        tries = self._patience.tries if self.greetings else self._patience.first_tries
        return not self.ready and (self._denied or self.faults >= tries)

    def client(self) -> httpx2.AsyncClient:
        """Connections to it, with its credentials; those in its address go before the token."""
        patience, address = self._patience, self._address
        headers = {"Content-Type": "application/json"}
        basic = (address.user, address.password) if address.user or address.password else None
        if self._token and not basic:
            headers["Authorization"] = f"Bearer {self._token}"
        return httpx2.AsyncClient(
            base_url=self.url,
            headers=headers,
            auth=basic,
            timeout=httpx2.Timeout(patience.answer_s, connect=patience.connect_s, pool=None),
            limits=httpx2.Limits(max_connections=None),
            trust_env=not address.is_local,
        )

    async def ask(self, client: httpx2.AsyncClient, body: Mapping[str, Any]) -> Any:
        """The server's answer to a chat request, parsed but not yet understood.

        Raises:
            Fault: of the kind that says whose fault it is.
        """
        answer = await self._ask(client, body, self.model, self._logprobs)
        self.errors = self.faults = 0
        return answer

    async def greet(self, client: httpx2.AsyncClient) -> bool:
        """Find out what it serves, under which name, and whether it answers now."""
        try:
            await self._find_name(client)
        except Fault as fault:
            self._denied = isinstance(fault, Denied)
            self.lose(str(fault), fault.wait_s if isinstance(fault, Busy) else None)
            return False
        if self._lost:
            _log.info("server answers again", server=self.url)
        self.ready, self._lost, self._denied = True, False, False
        self.greetings += 1
        self.errors = self.faults = 0
        return True

    def begin(self) -> None:
        """Forget what ended with its last connections: it may have been mended since."""
        self.in_flight = self.errors = self.faults = 0
        self.until = 0.0
        self._denied = False

    def lose(self, reason: str, wait_s: float | None = None) -> None:
        """Take it out for a while; the first fault after an answer warns."""
        if not self._lost:
            _log.warning("server left out for now", server=self.url, reason=reason)
        self.ready, self._lost, self.reason = False, True, reason
        self.faults += 1
        self.until = time.monotonic() + self._pause(wait_s)

    def put_off(self, wait_s: float | None) -> None:
        """Leave it alone for as long as it asks."""
        self.faults += 1
        self.until = max(self.until, time.monotonic() + self._pause(wait_s))

    def _pause(self, wait_s: float | None) -> float:
        patience = self._patience
        if wait_s is not None:
            return min(wait_s, patience.longest_wait_s)
        pause = patience.first_pause_s * 2 ** min(self.faults - 1, 16)
        return min(pause, patience.longest_pause_s) * random.uniform(0.5, 1)  # noqa: S311

    async def _find_name(self, client: httpx2.AsyncClient) -> None:
        try:
            values = await self._send(client, "GET", "/models", b"", self._patience.list_s)
        except (Failed, Refused):  # some have no list, or a broken one
            values = None
        self.served = served_names(values)
        names, sure = names_to_try(self._manifest, self.served)
        await self._try_names(client, names)
        if not sure:
            self._warn_of_model()

    async def _try_names(self, client: httpx2.AsyncClient, names: list[str]) -> None:
        """Ask a question of one token under each name, with log-probabilities and without."""
        body = body_of(_GREETING, self._sampling, system_role=True)
        last: Fault | None = None
        for name, logprobs in product(names, (True, False)):
            if last and last.status == HTTPStatus.NOT_FOUND and not logprobs:
                continue  # it does not know the name, with or without
            try:
                read_answer(await self._ask(client, body, name, logprobs), ())
            except Garbage as error:
                raise Failed(str(error)) from error
            except (Failed, Refused) as fault:
                if not _CLIENT_ERROR <= fault.status < _SERVER_ERROR:
                    raise
                last = fault
            else:
                self.model, self._logprobs = name, logprobs
                return
        raise last or Failed("no name to ask for")

    def _warn_of_model(self) -> None:
        listed = ", ".join(self.served[:5]) or "it does not say what"
        if self._warned != listed:
            self._warned = listed
            _log.warning(
                "server serves another name, summaries stand under the manifest's",
                server=self.url,
                serves=listed,
                asked_as=self.model,
                manifest=self._manifest.name,
            )

    async def _ask(
        self, client: httpx2.AsyncClient, body: Mapping[str, Any], model: str, logprobs: bool
    ) -> Any:
        options = {"model": model, "logprobs": True} if logprobs else {"model": model}
        content = json.dumps({**body, **options}).encode()
        limit = self._patience.answer_s
        return await self._send(client, "POST", "/chat/completions", content, limit)

    async def _send(
        self, client: httpx2.AsyncClient, method: str, path: str, content: bytes, limit: float
    ) -> Any:
        try:
            with anyio.fail_after(limit):
                answer = await client.request(method, path, content=content)
        except (TimeoutError, httpx2.TimeoutException, httpx2.RequestError) as error:
            raise Broken(self._broken(error, limit)) from error
        values = _json(answer)
        if answer.status_code == HTTPStatus.OK:
            if values is None:
                raise Failed("an answer that is no JSON")
            return values
        raise self._fault(answer, values)

    def _broken(self, error: Exception, limit: float) -> str:
        if isinstance(error, httpx2.ConnectTimeout):
            return f"no connection within {self._patience.connect_s:g} s"
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return f"no answer within {limit:g} s"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return "its certificate is not trusted (SSL_CERT_FILE names your network's)"
        if isinstance(error, httpx2.ConnectError):
            return "no connection"
        return f"the connection broke ({type(error).__name__})"

    def _fault(self, answer: httpx2.Response, values: Any) -> Fault:
        status = answer.status_code
        wait_s = retry_after(answer.headers)
        secrets = (self._token, self._address.password)
        words = told(values, answer.text, secrets)
        reason = f"answered {status}" + (f" ({words})" if words else "")
        if status == HTTPStatus.TOO_MANY_REQUESTS or (
            status == HTTPStatus.SERVICE_UNAVAILABLE and wait_s is not None
        ):
            return Busy(f"answered {status}", wait_s)
        if status in _DENIED:
            return Denied(f"answered {status}, it wants another {TOKEN_ENV}", status)
        if status in _NOT_THE_REQUESTS_FAULT or not (_CLIENT_ERROR <= status < _SERVER_ERROR):
            return Failed(reason, status)
        return Refused(reason, status)


def _json(answer: httpx2.Response) -> Any:
    """The parsed body, None where it is no JSON."""
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
