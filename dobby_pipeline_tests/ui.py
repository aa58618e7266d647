"""Dagster's UI as a user has it: `dagster dev` in a process of its own, and Chromium on it.

Not here: what is clicked. Used by the browser tests and by docs/screenshots.py.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from dobby_pipeline.settings import project_file
from dobby_pipeline_tests.conftest import unmeasured

if TYPE_CHECKING:
    from playwright.sync_api import Page

START_TIMEOUT_S = 120

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Chromium's path, if the machine has one."""
    return (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )


@contextlib.contextmanager
def dagster_dev(home: Path, env: Mapping[str, str]) -> Iterator[str]:
    """Run `dagster dev` on this project's workspace; yields the UI's address."""
    dagster_home = home / "dagster"
    dagster_home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(project_file("dagster.yaml"), dagster_home / "dagster.yaml")
    port = _free_port()
    command = [
        str(Path(sys.executable).parent / "dagster"),
        *("dev", "-w", str(project_file("workspace.yaml")), "-h", "127.0.0.1", "-p", str(port)),
    ]
    with (home / "dagster-dev.log").open("w") as log:
        process = subprocess.Popen(
            command,
            env={
                **unmeasured(),
                "DOBBY_HOME": str(home),
                "DAGSTER_HOME": str(dagster_home),
                **env,
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, f"http://127.0.0.1:{port}/server_info", home / "dagster-dev.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextlib.contextmanager
def page(width: int = 1400, height: int = 800) -> Iterator["Page"]:
    """A page of a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        try:
            yield browser.new_page(
                viewport={"width": width, "height": height}, device_scale_factor=1.5
            )
        finally:
            browser.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"dagster dev ended: {log.read_text()[-2000:]}")
        with contextlib.suppress(requests.RequestException):
            if requests.get(address, timeout=2).ok:
                return
        time.sleep(0.3)
    raise RuntimeError(f"dagster dev did not answer: {log.read_text()[-2000:]}")
