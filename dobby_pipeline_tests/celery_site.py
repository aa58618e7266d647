"""Several machines on one: Redis, the Cozo server and Celery workers, each a process of its own.

Not here: what runs on them. Used by the tests and by benchmarks/scaling.py.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dobby_pipeline.settings import project_file
from dobby_pipeline_tests.conftest import unmeasured
from dobby_pipeline_tests.cozo.server import CozoServer
from dobby_pipeline_tests.inference.remote.llm_server import free_port

BIN = Path(sys.executable).parent
WAIT_S = 120


@dataclass
class Redis:
    """Redis as it is deployed: what is queued is on the disk."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "appendonly": "yes"}
        command = [item for key, value in options.items() for item in (f"--{key}", str(value))]
        self.process = subprocess.Popen(["redis-server", *command], stdout=subprocess.DEVNULL)
        until(lambda: self.ask("PING") == "PONG")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(30)

    def ask(self, *command: str) -> str:
        """What `redis-cli` prints."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *command], capture_output=True, text=True
        )
        return done.stdout.strip()


@dataclass(frozen=True)
class Site:
    """The machines, and what they are told by their environment."""

    home: Path
    redis: Redis
    cozo: CozoServer
    env: dict[str, str]

    @contextmanager
    def worker(self, queue: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A Celery worker with one step at a time, as docs/scaling.md has it."""
        log = self.log(queue)
        config = self.env["DOBBY_CELERY_CONFIG"]
        command = [BIN / "dagster-celery", "worker", "start", "-A", "dagster_celery.app"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, "-y", config, "-q", queue, "-n", queue, "--", "--concurrency", "1"],
                env=self.env,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
            try:
                until(lambda: " ready." in log.read_text() or process.poll() is not None)
                assert process.poll() is None, log.read_text()
                yield process
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def log(self, queue: str) -> Path:
        """Where the worker of that queue writes what it does."""
        return self.home / f"worker-{queue}.log"

    def run(self, job: str, repo: str) -> "subprocess.Popen[str]":
        """Start a run as Dagster's launcher does: a process that hands out the steps."""
        command = [sys.executable, "-m", "dagster", "job", "execute"]
        return subprocess.Popen(
            [
                *command,
                "-m",
                "dobby_pipeline.definitions",
                "-j",
                job,
                "--tags",
                f'{{"dagster/partition": "{repo}"}}',
            ],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def dobby(self, *args: object) -> str:
        """What the command prints, on one of the machines."""
        done = subprocess.run(
            [sys.executable, "-m", "dobby_pipeline.cli.main", *map(str, args)],
            env=self.env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def site(folder: Path, env: dict[str, str]) -> Iterator[Site]:
    """Redis and the Cozo server, without workers yet."""
    home = folder / "home"
    dagster_home = home / "dagster"
    dagster_home.mkdir(parents=True)
    shutil.copyfile(project_file("dagster.yaml"), dagster_home / "dagster.yaml")
    redis = Redis(folder / "redis", free_port())
    with ExitStack() as stack:
        redis.start()
        stack.callback(redis.stop)
        cozo = stack.enter_context(CozoServer(folder / "database", "a token"))
        told = {
            **unmeasured(),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "DOBBY_HOME": str(home),
            "DAGSTER_HOME": str(dagster_home),
            "DOBBY_COZO_URL": cozo.url,
            "DOBBY_COZO_AUTH": cozo.auth,
            "DOBBY_BROKER_URL": redis.url,
            "DOBBY_CELERY_CONFIG": str(project_file("deploy") / "celery.yaml"),
            **env,
        }
        yield Site(home, redis, cozo, told)


def until(condition) -> None:
    """Wait for it, within a bound that only a hang exceeds."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)
