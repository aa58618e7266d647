"""The record beside a model's weights: what was fetched, and each file's hash.

Not here: writing the weights (pull.py). A folder without a record is no pulled model.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dobby_pipeline.inference.models.digests import sha256
from dobby_pipeline.inference.models.manifests import Manifest, ModelError, weights_folder

RECORD = "dobby-model.json"


@dataclass(frozen=True, slots=True)
class Record:
    """What lies in a weights folder.

    Attributes:
        source: of the manifest that it was pulled by.
        revision: the one that was fetched: a commit where the manifest names a branch.
        files: SHA-256 by name of each file in the folder, the record left out.
        sizes: bytes by name.
    """

    name: str
    source: Mapping[str, str | int]
    revision: str
    files: Mapping[str, str]
    sizes: Mapping[str, int]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())


def source_values(manifest: Manifest) -> dict[str, str | int]:
    """The source as it stands in a record."""
    given = {key: value for key, value in asdict(manifest.source).items() if value is not None}
    return {"kind": manifest.source_kind, **given}


def write_record(folder: Path, manifest: Manifest, revision: str) -> None:
    """Hash the folder's files and write its record."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    record = Record(
        name=manifest.name,
        source=source_values(manifest),
        revision=revision,
        files={file.name: sha256(file) for file in files},
        sizes={file.name: file.stat().st_size for file in files},
    )
    (folder / RECORD).write_text(json.dumps(asdict(record), indent=1, sort_keys=True) + "\n")


def read_record(name: str) -> Record | None:
    """The record of a model, or None when it is not pulled.

    Raises:
        ModelError: when the record cannot be read.
    """
    file = weights_folder(name) / RECORD
    try:
        values: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return Record(**values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"model {name}: {file} cannot be read: pull it again") from error
