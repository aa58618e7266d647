"""A pulled model verified: its files, what it computes, and that it answers.

Not here: what its source says (golden.py).
"""

import math
from dataclasses import dataclass
from pathlib import Path

from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.models.comparison import device_scores, require_same
from dobby_pipeline.inference.models.digests import sha256
from dobby_pipeline.inference.models.golden import TEXT, Golden, likeliest, read_golden
from dobby_pipeline.inference.models.manifests import Manifest, ModelError, PathSource
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.models.pull import require_pulled
from dobby_pipeline.inference.models.record import read_record
from dobby_pipeline.inference.requests import Completion, Request


@dataclass(frozen=True, slots=True)
class Verified:
    """What held.

    Attributes:
        files: that have their hashes.
        golden: tokens that the device and the source agree on; None where the source's were not
            recorded, because the reference does not know the architecture.
        answer: to a short question.
    """

    files: int
    golden: int | None
    answer: Completion


def verify(manifest: Manifest, device: str = "auto", memory_limit_gb: float = 8.0) -> Verified:
    """Check every file of a pulled model against its hash, then what the model computes.

    Its scores on this device have to be finite, and its golden tokens those of the source.

    Raises:
        ModelError: when it is not pulled, or anything differs.
    """
    folder = require_pulled(manifest)
    files = _check_files(manifest, folder)
    with SessionPool(manifest, sessions=1, device=device, memory_limit_gb=memory_limit_gb) as pool:
        answer = next(pool.generate([Request("verify", "Say hello.", max_tokens=8)]))
    if not isinstance(answer, Completion) or not math.isfinite(answer.confidence):
        raise ModelError(
            f"model {manifest.name}: its files are whole but it computes nothing usable"
        )
    return Verified(files, _check_scores(manifest, folder, device), answer)


def _check_files(manifest: Manifest, folder: Path) -> int:
    record = read_record(manifest.name)
    files = dict(record.files) if record else {}
    source = manifest.source
    converted = isinstance(source, PathSource) and source.quantize is not None
    for name, expected in files.items():
        file = folder / name
        got = sha256(file) if file.is_file() else "no file"
        if got != expected:
            raise ModelError(
                f"model {manifest.name}: {file}: wrong hash, expected {expected}, got {got}: "
                f"remove {folder} and pull it again"
            )
        # Of a file that was converted the manifest names the source, which is not here.
        named = expected if converted else manifest.files.get(name, expected)
        if named != expected:
            raise ModelError(
                f"model {manifest.name}: {name}: wrong hash, the manifest {manifest.file} names "
                f"{named} and {expected} was pulled: correct the manifest or pull it again"
            )
    return len(files)


def _check_scores(manifest: Manifest, folder: Path, device: str) -> int | None:
    import numpy as np

    golden = read_golden(folder)
    chat = Chat(folder, system_role=manifest.system_role)
    prompt = chat.encode_text(golden.text if golden else TEXT)
    if golden and prompt != golden.prompt:
        raise ModelError(
            f"model {manifest.name}: its tokenizer splits the golden text otherwise than when it "
            f"was pulled: reinstall this project's dependencies, or pull the model again"
        )
    scores = device_scores(folder, device, prompt)
    if not np.isfinite(scores).all():
        raise ModelError(f"model {manifest.name}: its scores are not all finite on this device")
    return _check_golden(manifest, golden, likeliest(scores))


def _check_golden(manifest: Manifest, golden: Golden | None, tokens: list[int]) -> int | None:
    if golden is None:
        return None
    require_same(manifest, golden, tokens, "its scores on this device")
    return len(golden.places)
