"""Local stand-ins for what a pull talks to: a file server that can fail, a hub, a wheel index."""

import hashlib
import http.server
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class StandIn:
    """A server over a folder.

    Attributes:
        pages: answers by path, beside the folder's files.
        break_after: bytes of a body after which the connection is cut; once for each number.
        refuse_with: statuses to answer with first, one request each.
        pause_s: slept after each 4 kB of a body.
        ranges: False to ignore Range headers, as simple servers do.
        requested: (path, Range header) of every request.
    """

    folder: Path
    pages: dict[str, bytes] = field(default_factory=dict)
    break_after: list[int] = field(default_factory=list)
    refuse_with: list[int] = field(default_factory=list)
    pause_s: float = 0.0
    ranges: bool = True
    requested: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def starts(self, name: str) -> list[int]:
        """Where each request for a file began."""
        asked = [given for path, given in self.requested if path.endswith(f"/{name}")]
        return [int(given.removeprefix("bytes=").rstrip("-") or 0) for given in asked]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: ClassVar[StandIn]

    def do_GET(self) -> None:
        server = self.stand_in
        path = self.path.partition("?")[0]
        server.requested.append((path, self.headers.get("Range", "")))
        if path not in server.pages and server.refuse_with:
            self._answer(server.refuse_with.pop(0), b"", {})
        elif path in server.pages:
            kind = "application/json" if path.startswith("/api") else "text/html"
            self._answer(200, server.pages[path], {"Content-Type": kind})
        else:
            self._file(server.folder / Path(path).name)

    def _file(self, file: Path) -> None:
        if not file.is_file():
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            return
        body = file.read_bytes()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if not self.stand_in.ranges or not self.headers.get("Range"):
            self._answer(200, body, {})
        elif start >= len(body):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
        else:
            given = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self._answer(206, body[start:], {"Content-Range": given})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = None
        if len(body) > 1000 and self.stand_in.break_after:
            cut = self.stand_in.break_after.pop(0)
        for start in range(0, len(body[:cut]), 4096):
            self.wfile.write(body[:cut][start : start + 4096])
            time.sleep(self.stand_in.pause_s)
        if cut is not None:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *args: object) -> None:
        """Say nothing: clients are killed here on purpose."""


@contextmanager
def serving(folder: Path) -> Iterator[StandIn]:
    """Serve a folder's files by name, whatever folder the address names."""
    stand_in = StandIn(folder)
    handler = type("Handler", (_Handler,), {"stand_in": stand_in})
    server = _Server(("127.0.0.1", 0), handler)
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def be_hub(server: StandIn, repository: str, revision: str = "main") -> None:
    """Let the server answer as the hub does for a repository of its folder's files."""
    siblings = []
    for file in sorted(server.folder.iterdir()):
        body = file.read_bytes()
        entry: dict[str, object] = {"rfilename": file.name, "size": len(body)}
        entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        if file.suffix == ".safetensors":
            digest = hashlib.sha256(body).hexdigest()
            entry["lfs"] = {"sha256": digest, "size": len(body), "pointerSize": 134}
        siblings.append(entry)
    siblings.append({"rfilename": "onnx/model.safetensors", "size": 9, "blobId": "x"})
    siblings.append({"rfilename": "pytorch_model.bin", "size": 9, "blobId": "x"})
    info = {"id": repository, "sha": COMMIT, "siblings": siblings}
    page = f"/api/models/{repository}/revision/{revision}"
    server.pages[page] = json.dumps(info).encode()


def be_index(server: StandIn, package: str, version: str, inside: dict[str, Path]) -> Path:
    """Let the server answer as a wheel index does, with one wheel that holds the given files."""
    stem = f"{package.replace('-', '_')}-{version}"
    wheel = server.folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, file in inside.items():
            archive.write(file, name)
        metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        archive.writestr(f"{stem}.dist-info/METADATA", metadata + "Requires-Dist: never-there\n")
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    link = f'<a href="{server.url}/files/{wheel.name}#sha256={digest}">{wheel.name}</a>'
    server.pages[f"/simple/{package}/"] = f"<html><body>{link}</body></html>".encode()
    return wheel
