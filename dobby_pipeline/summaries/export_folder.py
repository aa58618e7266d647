"""The folder that an export is written to: whole or not at all, and never over foreign files.

Not here: what is written into it.
"""

import json
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dobby_pipeline.errors import UsageError

MARKER = ".dobby-export.json"
"""The file that says that the folder is an export, and what lies in it."""


@contextmanager
def new_folder(target: Path) -> Generator[Path]:
    """A folder beside `target` that takes its place when all went well, and is gone otherwise.

    Raises:
        UsageError: where `target` is something that an export must not replace.
    """
    target = target.expanduser().resolve()
    check_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    partial = target.parent / f".{target.name}.{mark}.part"
    partial.mkdir()
    try:
        yield partial
        _write_marker(partial)
        check_replaceable(target)  # what came while we wrote is not ours either
        _replace(target, partial, target.parent / f".{target.name}.{mark}.old")
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_replaceable(target: Path) -> None:
    """See that nothing is at `target` but an empty folder, or an earlier export and nothing else.

    Raises:
        UsageError: with what is in the way.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"{str(target)!r} is a file: give a folder of the export's own")
    present = {path.name for path in target.iterdir()}
    if not present:
        return
    ours = _read_marker(target / MARKER)
    if ours is None:
        raise UsageError(
            f"{str(target)!r} is not empty and no export of Dobby's: give a folder of the export's "
            "own"
        )
    foreign = sorted(present - ours - {MARKER})
    if foreign:
        raise UsageError(
            f"{str(target)!r} holds {foreign[0]!r}, which is not of the export: move it away, or "
            "give another folder"
        )


def _write_marker(folder: Path) -> None:
    entries = sorted(path.name for path in folder.iterdir())
    text = json.dumps({"made_by": "dobby export", "entries": entries}, indent=1)
    (folder / MARKER).write_text(text + "\n", encoding="utf-8", newline="\n")


def _read_marker(path: Path) -> set[str] | None:
    """What lay in the folder when it was made; None where the marker is not ours."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        return set(read["entries"]) if read["made_by"] == "dobby export" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _replace(target: Path, new: Path, old: Path) -> None:
    """Put `new` at `target`; where that fails, what was there stays there."""
    if not target.exists():
        new.rename(target)
        return
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
