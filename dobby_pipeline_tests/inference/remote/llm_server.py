"""Servers for remote sessions: real `mlx_lm.server` processes, and small ones that misbehave.

Plain functions, so that other rooms' tests can use them too.
"""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import URLError
from urllib.request import urlopen


@dataclass(frozen=True)
class MlxServer:
    """A running `mlx_lm.server`."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def mlx_server(model: Path, home: Path, port: int = 0) -> Iterator[MlxServer]:
    """Serve a model folder by `mlx_lm.server`, until it answers; it ends with the context.

    Args:
        home: of the hub's cache, so that neither the user's models nor the network come in.
    """
    port = port or free_port()
    (home / "hub").mkdir(parents=True, exist_ok=True)
    log = home / f"server-{port}.log"
    command = [sys.executable, "-m", "mlx_lm", "server", "--model", str(model)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
            stdout=out,
            stderr=out,
        )
    server = MlxServer(f"http://127.0.0.1:{port}/v1", process, log)
    try:
        _wait_for(server)
        yield server
    finally:
        server.kill()


def _wait_for(server: MlxServer) -> None:
    deadline = time.monotonic() + 240
    health = server.url.removesuffix("/v1") + "/health"
    while True:
        assert server.process.poll() is None, server.log.read_text()
        assert time.monotonic() < deadline, server.log.read_text()
        try:
            with urlopen(health, timeout=10):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)


Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]] | None
"""Status, body (bytes as they are, anything else as JSON) and headers; None cuts the line."""


@dataclass
class StandIn:
    """A server whose answers the test decides.

    Attributes:
        reply: answers a real question, given its body.
        greet: answers questions of one token.
        models: answers GET /models.
        asked: bodies of the real questions.
        greeted: bodies of the others.
        headers: of every request, names in lower case.
        most: questions in flight at once at most.
        left: questions whose asker was gone when they were answered.
    """

    reply: Callable[[dict[str, Any]], Reply]
    greet: Callable[[dict[str, Any]], Reply] = field(default=lambda _: (200, completion()))
    models: Callable[[], Reply] = field(default=lambda: (200, {"data": [{"id": "tiny"}]}))
    asked: list[dict[str, Any]] = field(default_factory=list)
    greeted: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most: int = 0
    left: int = 0
    url: str = ""
    in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def completion(text: str | None = "Adds.", reason: str = "stop", **more: Any) -> dict[str, Any]:
    """A chat completion as servers write it."""
    choice = {"index": 0, "finish_reason": reason, "message": {"content": text}}
    choice |= {"logprobs": more.pop("logprobs")} if "logprobs" in more else {}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return {"choices": [choice], "usage": usage, **more}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: ClassVar[StandIn]

    def do_GET(self) -> None:
        self._note()
        self._send(self.stand_in.models() if self.path.endswith("/models") else (404, b""))

    def do_POST(self) -> None:
        stand_in = self.stand_in
        self._note()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.endswith("/chat/completions"):
            self._send((404, b"no such page"))
        elif body["max_tokens"] == 1:
            stand_in.greeted.append(body)
            self._send(stand_in.greet(body))
        else:
            with stand_in.lock:
                stand_in.asked.append(body)
                stand_in.in_flight += 1
                stand_in.most = max(stand_in.most, stand_in.in_flight)
            try:
                self._send(stand_in.reply(body))
            finally:
                with stand_in.lock:
                    stand_in.in_flight -= 1

    def _note(self) -> None:
        self.stand_in.headers.append({k.lower(): v for k, v in self.headers.items()})

    def _send(self, reply: Reply) -> None:
        if reply is None:
            self.close_connection = True
            return
        status, body, *headers = reply
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.connection.settimeout(5)
        if self._gone():
            self.stand_in.left += 1
        self.send_response(status)
        given = headers[0] if headers else {}
        for name, value in {"Content-Length": str(len(content)), **given}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _gone(self) -> bool:
        try:
            self.connection.setblocking(False)
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self.connection.settimeout(5)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *args: object) -> None:
        """Say nothing: clients leave here on purpose."""


@contextmanager
def standing_in(reply: Callable[[dict[str, Any]], Reply], **options: Any) -> Iterator[StandIn]:
    """Run a stand-in until the context ends."""
    port = options.pop("port", 0)
    stand_in = StandIn(reply, **options)
    server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"stand_in": stand_in}))
    stand_in.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
