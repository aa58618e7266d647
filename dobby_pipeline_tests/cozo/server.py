"""`dobby cozo-server` in a process of its own, as its users have it."""

import os
import re
import subprocess
import sys
from pathlib import Path


class CozoServer:
    """The server on a free port, as a context manager; its home may hold a database already."""

    def __init__(self, home: Path, auth: str, *options: object) -> None:
        self.auth = auth
        self._env = {**os.environ, "DOBBY_HOME": str(home), "DOBBY_COZO_AUTH": auth}
        self._options = ["--port", "0", *map(str, options)]

    def __enter__(self) -> "CozoServer":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dobby_pipeline.cli.main", "cozo-server", *self._options],
            env=self._env,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        address = re.search(r"http://\S+", line)
        assert address, line + self.process.stderr.read()
        self.url = address[0]
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Ask it to stop, and wait until it has."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(60)
