"""A server that speaks the part of Cozo's http protocol that pycozo's client uses."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mnestic import CozoDbPy


class CozoServer:
    """An in-memory database behind `POST /text-query`, as a context manager."""

    def __init__(self, auth: str) -> None:
        database = CozoDbPy("mem", "", "{}")

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.headers["x-cozo-auth"] != auth:
                    self._answer(401, None)
                    return
                try:
                    result = database.run_script(body["script"], body["params"], body["immutable"])
                except Exception as error:
                    refused = error.args[0]
                    answer = refused if isinstance(refused, dict) else {"message": str(refused)}
                    self._answer(400, {**answer, "ok": False})
                else:
                    self._answer(200, {**result, "ok": True})

            def _answer(self, status: int, answer: Any) -> None:
                data = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "CozoServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
