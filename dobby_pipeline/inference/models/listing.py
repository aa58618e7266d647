"""The models on this machine: what each manifest names, what is pulled, and whether it fits.

Not here: manifests (manifests.py), pulling (pull.py) and whether a model is whole (verify.py).
"""

from dataclasses import dataclass
from pathlib import Path

from dobby_pipeline.inference.device import Kind
from dobby_pipeline.inference.models.folder import count_parameters, kv_per_token, read_config
from dobby_pipeline.inference.models.manifests import (
    HubSource,
    Manifest,
    ModelError,
    PathSource,
    WheelSource,
    load_manifest,
    manifest_names,
    weights_folder,
)
from dobby_pipeline.inference.models.pull import is_pulled
from dobby_pipeline.inference.models.record import Record, read_record

_WIDTH = {"cpu": 4, "cuda": 2}
"""Bytes of a number where the weights are unpacked: float32 and bfloat16."""

_KV_WIDTH = {"cpu": 4, "cuda": 2, "metal": 2}
"""Bytes of a number in the KV cache."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """One line of the list of models.

    Attributes:
        source: where it comes from, for a person.
        revision: the one that was fetched, otherwise the one that the manifest asks for.
        size: bytes on the disk, 0 when it is not pulled.
        needs: bytes of memory on this device, for the weights in its number format and the KV
            cache of one session with the longest prompt; None while unknown.
        fits: whether that is within the memory limit; None while unknown.
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
    needs: int | None = None
    fits: bool | None = None
    problem: str = ""


def list_models(kind: Kind | None = None, memory_limit_gb: float = 8.0) -> list[ModelState]:
    """The state of every model that has a manifest, by name; an error in one is told in it.

    Args:
        kind: the device that a model has to fit; None to leave that open.
        memory_limit_gb: in 10^9 bytes.
    """
    return [_state(name, kind, int(memory_limit_gb * 1e9)) for name in manifest_names()]


def fetched_revision(manifest: Manifest) -> str:
    """The revision in use: the commit that was fetched where the manifest names a branch."""
    record = read_record(manifest.name)
    return record.revision if record and is_pulled(manifest) else manifest.revision


def memory_needed(manifest: Manifest, kind: Kind) -> int | None:
    """Bytes of the weights as the device computes with them, and of one session's KV cache.

    Of a model that is not pulled the manifest has to tell; where it does not, this is None. On
    Metal, which computes with the weights as they are stored, that is an upper estimate: a byte
    for eight weights of scales beside them.
    """
    record = read_record(manifest.name) if is_pulled(manifest) else None
    numbers = manifest.kv_per_token
    if record:
        try:
            numbers = kv_per_token(read_config(weights_folder(manifest.name)))
        except KeyError:
            return None
    if not numbers:
        return None
    cache = numbers * _KV_WIDTH[kind] * manifest.prompt_budget
    return cache + _weights_bytes(manifest, kind, record)


def bytes_held(folder: Path, kind: Kind, tokens: int) -> int:
    """Bytes of a pulled model's weights on a device and of so many tokens of KV cache.

    Read from the headers of the files, so that nothing has to be loaded for it.

    Raises:
        ModelError: when the folder has no whole model, or its configuration does not tell.
    """
    try:
        cache = tokens * kv_per_token(read_config(folder)) * _KV_WIDTH[kind]
    except KeyError as error:
        raise ModelError(f"{folder}/config.json: has no {error}: pull it again") from error
    if kind in _WIDTH:
        return count_parameters(folder) * _WIDTH[kind] + cache
    return sum(file.stat().st_size for file in folder.glob("model*.safetensors")) + cache


def _weights_bytes(manifest: Manifest, kind: Kind, record: Record | None) -> int:
    if kind in _WIDTH:
        return manifest.parameters * _WIDTH[kind]
    if record:
        return sum(size for name, size in record.sizes.items() if name.endswith(".safetensors"))
    bits = manifest.bits if manifest.bits >= 16 else manifest.bits + 1
    return manifest.parameters * bits // 8


def _state(name: str, kind: Kind | None, limit: int) -> ModelState:
    try:
        manifest = load_manifest(name)
        record = read_record(name)
        pulled = is_pulled(manifest)
        needs = memory_needed(manifest, kind) if kind else None
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
        needs=needs,
        fits=None if needs is None else needs <= limit,
    )


def _told(manifest: Manifest) -> str:
    match manifest.source:
        case WheelSource(package, version):
            return f"registry: {package} {version}"
        case HubSource(repository, revision):
            return f"hub: {repository} at {revision}"
        case PathSource(path):
            return f"path: {path}"
