"""`dobby models convert`: a model on this machine described by a manifest, and pulled by it.

Not here: how a GGUF file (gguf.py) or a folder (folder.py) is converted. The manifest that is
written is one like those shipped: it names the source, its hashes and how it was converted, so
that the same model can be made again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.models.digests import sha256
from dobby_pipeline.inference.models.folder import (
    count_parameters,
    kv_per_token,
    model_type,
    read_config,
    stored_bits,
)
from dobby_pipeline.inference.models.gguf import architecture_of
from dobby_pipeline.inference.models.gguf_file import GgufFile
from dobby_pipeline.inference.models.manifests import (
    Manifest,
    ModelError,
    PathSource,
    load_manifest,
    manifest_names,
    manifest_text,
    require_name,
    weights_root,
)
from dobby_pipeline.inference.models.pull import PullProgress, Report, pull

PROMPT_BUDGET = 6144
"""Tokens of a prompt at most in a manifest that is written here, as in the one of the code model
that is shipped; three quarters of a smaller context."""

UNKNOWN = "unknown"
"""The licence of a source that names none."""


def convert_model(
    source: Path,
    name: str,
    quantize: int | None = None,
    report: Report = lambda _: None,
    licence: str = "",
) -> Manifest:
    """Convert a GGUF file or a folder of safetensors, and write the manifest of the model.

    Args:
        source: a .gguf file of the llama or qwen2 family, or a folder as the hub has it.
        name: of the new model.
        quantize: bits of a weight, 4 or 8; None to keep them (a GGUF file's that MLX cannot
            multiply are unpacked to bfloat16).
        licence: of the model, where the source does not name it.

    Raises:
        ModelError: when the name is taken, or the source cannot be converted; no manifest and no
            weights are left then.
    """
    require_name(name)
    if name in manifest_names():
        file = load_manifest(name).file
        raise ModelError(
            f"model {name}: there is a manifest {file}: remove it or give another name"
        )
    source = source.expanduser().absolute()
    if source.is_file() and source.suffix == ".gguf":
        manifest = _of_gguf(source, name, report)
    elif source.is_dir():
        manifest = _of_folder(source, name, report)
    else:
        raise ModelError(f"{source}: give a .gguf file or a folder with safetensors")
    digest = revision_of(manifest.files)
    revision = f"{digest}-{quantize}bit" if quantize else digest
    manifest = replace(
        manifest,
        source=PathSource(str(source), revision, quantize),
        licence=licence if licence and manifest.licence == UNKNOWN else manifest.licence,
    )
    folder = pull(manifest, report)
    manifest = replace(
        manifest,
        bits=stored_bits(read_config(folder)),
        system_role=_takes_system(folder),
    )
    _write(manifest)
    return manifest


def revision_of(files: Mapping[str, str]) -> str:
    """Twelve hex digits that stand for all the files' hashes: the revision of a local source."""
    told = "".join(f"{name} {digest}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _of_gguf(source: Path, name: str, report: Report) -> Manifest:
    gguf = GgufFile(source)
    kind = architecture_of(gguf)
    about = gguf.metadata
    try:
        layers, width = about[f"{kind}.block_count"], about[f"{kind}.embedding_length"]
        heads, context = about[f"{kind}.attention.head_count"], about[f"{kind}.context_length"]
    except KeyError as error:
        raise gguf.error(f"has no {error}, so it cannot be converted") from error
    shape = {
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": about.get(f"{kind}.attention.head_count_kv"),
        "head_dim": about.get(f"{kind}.attention.key_length"),
        "hidden_size": width,
    }
    return _manifest(
        name,
        description=f"{about.get('general.name', source.stem)}, from {source.name}",
        licence=str(about.get("general.license", UNKNOWN)),
        architecture=kind,
        parameters=sum(tensor.size for tensor in gguf.tensors.values()),
        context=context,
        kv=kv_per_token(shape),
        files={source.name: _hashed(source, report)},
    )


def _of_folder(source: Path, name: str, report: Report) -> Manifest:
    kind = model_type(source)
    config: dict[str, Any] = read_config(source)
    text: dict[str, Any] = config.get("text_config") or config
    try:
        context, kv = text["max_position_embeddings"], kv_per_token(text)
    except KeyError as error:
        raise ModelError(f"{source / 'config.json'}: has no {error}") from error
    files = [source / "config.json", *sorted(source.glob("model*.safetensors"))]
    return _manifest(
        name,
        description=f"{source.name}, from a folder",
        licence=_licence(source / "README.md"),
        architecture=kind,
        parameters=count_parameters(source),
        context=context,
        kv=kv,
        files={file.name: _hashed(file, report) for file in files},
    )


def _manifest(
    name: str,
    *,
    description: str,
    licence: str,
    architecture: str,
    parameters: int,
    context: int,
    kv: int,
    files: Mapping[str, str],
) -> Manifest:
    return Manifest(
        name=name,
        file=weights_root() / f"{name}.toml",
        description=description,
        licence=licence,
        architecture=architecture,
        parameters=parameters,
        context=context,
        prompt_budget=min(PROMPT_BUDGET, context * 3 // 4),
        source=PathSource(""),
        system_role=True,
        files=files,
        kv_per_token=kv,
    )


def _licence(readme: Path) -> str:
    """The licence in the front matter of a model card."""
    if not readme.is_file():
        return UNKNOWN
    lines = readme.read_text("utf-8", errors="replace").splitlines()
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("license:"))
    return next(found, "") or UNKNOWN


def _takes_system(folder: Path) -> bool:
    try:
        Chat(folder).encode("question", "instruction")
    except ModelError:
        return False
    return True


def _hashed(file: Path, report: Report) -> str:
    total = file.stat().st_size
    return sha256(file, lambda done: report(PullProgress("checking", file.name, done, total)))


def _write(manifest: Manifest) -> None:
    """By one rename: a manifest that is there is whole."""
    new = manifest.file.with_name(f".{manifest.file.name}.new")
    new.write_text(manifest_text(manifest), "utf-8")
    new.replace(manifest.file)
