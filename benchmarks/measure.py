"""What the benchmarks share: a contract's line, a child process's time and memory, real code.

Each benchmark is a script: it prints one JSON object a line, `{name, metric, value, unit, peer,
peer_value, ratio, target, met}`, and measures whatever it compares in the same run.
"""

import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CORPORA = ROOT / ".dobby" / "corpora"
# Without its upkeep, which goes on in the background while what follows is measured.
_GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0")


@dataclass(frozen=True)
class Contract:
    """One measured figure and what it should be.

    Attributes:
        peer: what `peer_value` was measured on, empty where nothing is compared.
        ratio: value / peer_value.
        target: in words, such as `<= 10 x peer`.
        met: whether the figure keeps to the target.
    """

    name: str
    metric: str
    value: float
    unit: str
    peer: str
    peer_value: float | None
    target: str
    met: bool

    @property
    def ratio(self) -> float | None:
        """The value as a multiple of the peer's."""
        return self.value / self.peer_value if self.peer_value else None


def told(*contracts: Contract) -> None:
    """Print each contract as a line of JSON."""
    for contract in contracts:
        row = {**asdict(contract), "ratio": contract.ratio}
        order = ("name", "metric", "value", "unit", "peer", "peer_value", "ratio", "target", "met")
        shown = {k: round(v, 4) if isinstance(v := row[k], float) else v for k in order}
        print(json.dumps(shown), flush=True)


def at_most(
    name: str, metric: str, value: float, unit: str, peer: str, peer_value: float, times: float
) -> Contract:
    """A contract that the value is at most `times` the peer's."""
    met = value <= times * peer_value
    return Contract(name, metric, value, unit, peer, peer_value, f"<= {times:g} x peer", met)


def at_least(
    name: str, metric: str, value: float, unit: str, peer: str, peer_value: float, times: float
) -> Contract:
    """A contract that the value is at least `times` the peer's."""
    met = value >= times * peer_value
    return Contract(name, metric, value, unit, peer, peer_value, f">= {times:g} x peer", met)


def below(name: str, metric: str, value: float, unit: str, limit: float) -> Contract:
    """A contract with a fixed limit."""
    return Contract(name, metric, value, unit, "", None, f"< {limit:g} {unit}", value < limit)


def in_child(function: Callable[..., Any], *args: object) -> tuple[Any, float]:
    """Run a module's function in a fresh process.

    Returns:
        Its result, and the peak resident memory in MB: of the process, and for each core as much
        as of its largest child, which is what a pool of processes takes at most.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, function, args))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def _run(sender: Any, function: Callable[..., Any], args: tuple[object, ...]) -> None:
    result = function(*args)
    own, child = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    kilobytes = own + child * (os.cpu_count() or 1)
    peak = kilobytes / 1e6 if sys.platform == "darwin" else kilobytes / 1e3
    sender.send((result, peak))


def needs(there: object, what: str) -> None:
    """End with a line that says what to install, where it is not there."""
    if not there:
        sys.exit(f"{Path(sys.argv[0]).name} needs {what}")


def sdist(package: str, version: str) -> Path:
    """A source release of the package registry, committed into a git repository of its own."""
    folder = CORPORA / f"{package}-{version}"
    if (folder / ".git" / "HEAD").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    downloads = CORPORA / "downloads"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", ":all:", "--dest", str(downloads), f"{package}=={version}"]
    subprocess.run(command, check=True)
    archive = next(downloads.glob(f"{package}-{version}.tar.*"))
    with tarfile.open(archive) as packed:
        packed.extractall(CORPORA, filter="data")
    commit_all(folder)
    return folder


def commit_all(folder: Path) -> None:
    """Make the folder a git repository with one commit of all its files."""
    subprocess.run([*_GIT, "init", "--quiet", "-b", "main"], cwd=folder, check=True)
    subprocess.run([*_GIT, "add", "--all", "--force"], cwd=folder, check=True)
    subprocess.run([*_GIT, "commit", "--quiet", "-m", "import"], cwd=folder, check=True)
