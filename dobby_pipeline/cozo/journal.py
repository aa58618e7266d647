"""RocksDB's write-ahead logs, kept few in a database that is opened for one operation at a time.

RocksDB drops a log once the memtable that it stands for was written out while the database was
open, which for short operations never comes: every open then replays all logs since the database
was made. After 560 operations and 46 MB of them an open took 90 ms, after a flush 10 ms.

Not here: opening and closing (store.py).
"""

import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

MAX_LOGS = 64
MAX_LOG_BYTES = 32 * 2**20
"""What an open replays at most: some 6 ms for the first, 30 ms for the second. A flush takes 100 ms
and more, so an ingest that flushed after each MB took 1.5 times as long."""

MEMTABLE_BYTES = 64 * 2**10
"""RocksDB's least. A flush is asked for by filling the memtable, so a small one makes it cheap;
larger transactions are not affected, since one batch is never split."""

FLUSH_WAIT_S = 1.0

_OPTIONS = {
    "write_buffer_size": MEMTABLE_BYTES,
    "keep_log_file_num": 4,  # of the diary that each open begins anew; 1000 by default
}

_FILL = """
{?[key, value] <- [[$key, $value]] :put journal_filler {key => value}}
"""


def needs_flush(path: Path) -> bool:
    """Whether an open of the database at `path` has more to replay than it should."""
    sizes: list[int] = []
    for log in _logs(path):
        with suppress(FileNotFoundError):  # dropped by another process since it was listed
            sizes.append(log.stat().st_size)
    crowded = len(sizes) > MAX_LOGS or sum(sizes) > MAX_LOG_BYTES
    # What is written out needs its space before the logs give theirs back, and an engine whose
    # flush failed serves nothing more.
    return crowded and shutil.disk_usage(path).free > 2 * sum(sizes) + MAX_LOG_BYTES


def write_options(path: Path) -> None:
    """Have the engine use a small memtable from the next open on.

    It reads a file `options` beside its data: its own last options, with ours in them. Called by
    the one that has the database open, so that no other reads half a file. Where it cannot be
    written, on a full disk, opens stay slow.
    """
    target = path / "options"
    written = sorted((path / "data").glob("OPTIONS-*"))
    if target.exists() or not written:
        return
    with suppress(OSError):
        text = written[-1].read_text()
        for name, value in _OPTIONS.items():
            text = re.sub(rf"(?m)^(\s*{name})=.*$", rf"\g<1>={value}", text)
        partial = target.with_suffix(".part")
        partial.write_text(text)
        partial.rename(target)


def flush(path: Path, run: Callable[[str, dict[str, Any], bool], Any]) -> None:
    """Fill the memtable, so that the engine writes it out, and wait until the logs are gone.

    Args:
        run: the open database's way to run a script: text, parameters, whether it only reads.
    """
    before = len(_logs(path))
    relations = run("::relations", {}, True)
    names = {row[relations["headers"].index("name")] for row in relations["rows"]}
    if "journal_filler" not in names:
        run("{:create journal_filler {key: Int => value: String}}", {}, False)
    run(_FILL, {"key": 0, "value": "-" * 2 * MEMTABLE_BYTES}, False)
    run(_FILL, {"key": 0, "value": ""}, False)  # the write that finds the memtable full
    end = time.monotonic() + FLUSH_WAIT_S
    while len(_logs(path)) >= before and time.monotonic() < end:
        time.sleep(0.005)


def _logs(path: Path) -> list[Path]:
    return list((path / "data").glob("*.log"))
