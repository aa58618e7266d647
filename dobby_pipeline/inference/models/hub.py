"""The files of a repository on the Hugging Face hub, at one commit.

Not here: their download (fetch.py). The same way serves any hub at HF_ENDPOINT.
"""

import fnmatch
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dobby_pipeline.inference.models import golden
from dobby_pipeline.inference.models.digests import git_blob_id, require, sha256
from dobby_pipeline.inference.models.fetch import TIMEOUT_S, Unreachable
from dobby_pipeline.inference.models.manifests import HubSource, ModelError
from dobby_pipeline.inference.models.record import RECORD

_NEEDED = ("*.json", "*.safetensors", "*.jinja", "tokenizer.model", "*.txt", "LICENSE*")
"""What MLX and the tokenizer read, and the licence; not other formats of the same weights."""


def is_needed(name: str) -> bool:
    """Whether a file of a repository is one to fetch; only those at its top are.

    What a pull itself writes beside the weights is never taken from somebody else.
    """
    wanted = any(fnmatch.fnmatch(name, pattern) for pattern in _NEEDED)
    return wanted and "/" not in name and name not in (RECORD, golden.FILE)


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of the repository.

    Attributes:
        sha256: for files in large file storage, otherwise empty.
        blob_id: git's id of the content, for the others.
    """

    name: str
    size: int
    sha256: str
    blob_id: str
    url: str

    def check(self, file: Path) -> None:
        """Raise WrongHash, and remove the file, unless it is what the hub names."""
        if self.sha256:
            require(file, self.name, self.sha256, sha256(file))
        elif self.blob_id:
            require(file, self.name, self.blob_id, git_blob_id(file))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repository at one commit."""

    commit: str
    files: list[HubFile]
    headers: Mapping[str, str]


def snapshot(source: HubSource) -> Snapshot:
    """List the needed files of a repository at the commit that its revision names now.

    Raises:
        Unreachable: when the hub does not answer.
        ModelError: when it has no such repository, revision or files.
    """
    from huggingface_hub import HfApi, constants, errors, get_token

    endpoint = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    api = HfApi(endpoint=endpoint)
    where = f"{source.repository} at {source.revision}"
    try:
        info = api.model_info(
            source.repository, revision=source.revision, files_metadata=True, timeout=TIMEOUT_S
        )
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise ModelError(
            f"the hub {endpoint} has no {where}, or gives it to members only"
        ) from error
    except (errors.HTTPError, OSError) as error:  # pyright: ignore[reportPrivateImportUsage]
        raise Unreachable(_way_out(endpoint, type(error).__name__)) from error
    if not info.sha:
        raise ModelError(f"the hub {endpoint} names no commit for {where}")
    files = [
        HubFile(
            name=file.rfilename,
            size=file.size or 0,
            sha256=file.lfs.sha256 if file.lfs else "",
            blob_id=file.blob_id or "",
            url=f"{endpoint}/{source.repository}/resolve/{info.sha}/{quote(file.rfilename)}",
        )
        for file in info.siblings or []
        # Only the top level, and so no name that leads out of the folder.
        if is_needed(file.rfilename)
    ]
    if not any(file.name.endswith(".safetensors") for file in files):
        raise ModelError(f"{where}: no .safetensors at the top of the repository")
    token = get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Snapshot(info.sha, files, headers)


def _way_out(endpoint: str, reason: str) -> str:
    return (
        f"the hub {endpoint} cannot be reached ({reason}): set HF_ENDPOINT to a mirror, or name a "
        'copy of the model\'s folder in its manifest (source.kind = "path"), or stay with the '
        "embedded model (DOBBY_MODEL unset)"
    )
