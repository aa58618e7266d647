"""The models on this machine: what each manifest names, what is pulled, and whether it is whole.

Not here: manifests (manifests.py) and pulling (pull.py).
"""

import math
from dataclasses import dataclass

from dobby_pipeline.inference.digests import sha256
from dobby_pipeline.inference.manifests import (
    HubSource,
    Manifest,
    ModelError,
    PathSource,
    WheelSource,
    load_manifest,
    manifest_names,
    weights_folder,
)
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.pull import is_pulled, require_pulled
from dobby_pipeline.inference.record import read_record
from dobby_pipeline.inference.requests import Completion, Request


@dataclass(frozen=True, slots=True)
class ModelState:
    """One line of the list of models.

    Attributes:
        source: where it comes from, for a person.
        revision: the one that was fetched, otherwise the one that the manifest asks for.
        size: bytes on the disk, 0 when it is not pulled.
        problem: what is wrong with the manifest or the weights' record; then the rest is empty.
    """

    name: str
    description: str = ""
    source: str = ""
    revision: str = ""
    licence: str = ""
    parameters: int = 0
    context: int = 0
    size: int = 0
    pulled: bool = False
    problem: str = ""


def list_models() -> list[ModelState]:
    """The state of every model that has a manifest, by name; an error in one is told in it."""
    return [_state(name) for name in manifest_names()]


def fetched_revision(manifest: Manifest) -> str:
    """The revision in use: the commit that was fetched where the manifest names a branch."""
    record = read_record(manifest.name)
    return record.revision if record and is_pulled(manifest) else manifest.revision


def verify(manifest: Manifest, device: str = "auto") -> Completion:
    """Check every file of a pulled model against its record, and let it answer once.

    Raises:
        ModelError: when it is not pulled, a file is missing or changed, or the answer is none.
    """
    folder = require_pulled(manifest)
    record = read_record(manifest.name)
    for name, expected in record.files.items() if record else ():
        file = folder / name
        got = sha256(file) if file.is_file() else "no file"
        if got != expected:
            raise ModelError(
                f"model {manifest.name}: {file}: wrong hash, expected {expected}, got {got}: "
                f"remove {folder} and pull it again"
            )
    with SessionPool(manifest, sessions=1, device=device) as pool:
        answer = next(pool.generate([Request("verify", "Say hello.", max_tokens=8)]))
    if not isinstance(answer, Completion) or not math.isfinite(answer.confidence):
        raise ModelError(
            f"model {manifest.name}: its files are whole but it computes nothing usable"
        )
    return answer


def _state(name: str) -> ModelState:
    try:
        manifest = load_manifest(name)
        record = read_record(name)
        pulled = is_pulled(manifest)
    except ModelError as error:
        return ModelState(name, problem=str(error))
    return ModelState(
        name=name,
        description=manifest.description,
        source=_told(manifest),
        revision=record.revision if record and pulled else manifest.revision,
        licence=manifest.licence,
        parameters=manifest.parameters,
        context=manifest.context,
        size=record.size if record and weights_folder(name).is_dir() else 0,
        pulled=pulled,
    )


def _told(manifest: Manifest) -> str:
    match manifest.source:
        case WheelSource(package, version):
            return f"registry: {package} {version}"
        case HubSource(repository, revision):
            return f"hub: {repository} at {revision}"
        case PathSource(path):
            return f"path: {path}"
