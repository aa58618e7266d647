"""RocksDB's write-ahead logs, kept few in a database that processes open by turns.

RocksDB drops a log once the memtable that it stands for was written out while the database was
open, which for a few short operations never comes: every open then replays all logs since the
database was made. After 560 operations and 46 MB of them an open took 90 ms, after a flush 10 ms.

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
MAX_LOG_BYTES = 8 * 2**20
"""What an open replays at most, some 6 ms of either. A flush takes 10 ms of the processor, and 100
and more by the clock where others work. With 32 MB the openings after an ingest of 8,000 records
took 40 ms longer each, with 8 the ingest itself takes as long."""

MEMTABLE_BYTES = 64 * 2**10
"""RocksDB's least. A flush is asked for by filling the memtable, so a small one makes it cheap;
larger transactions are not affected, since one batch is never split."""

MAX_TABLES = 8
TABLE_BYTES = 64 * 2**20
"""The engine begins to merge at four tables, and ends one of a large merge at so many bytes. A
look-up asks each: with 24 of them a plan of 50,000 records took three times as long."""

FLUSH_WAIT_S = 1.0

_OPTIONS = {
    "write_buffer_size": MEMTABLE_BYTES,
    # With the engine's two, a write waits while both are written out. When that fails, on a full
    # disk, the one that waits is now and then never told.
    "max_write_buffer_number": 16,
    # A look-up by summary key decodes a block: of 100,000 summaries it takes 12 to 18 us instead of
    # 28 to 36 with the engine's 16 kB and, at the last level, zstd.
    "block_size": 4096,
    "bottommost_compression": "kLZ4Compression",
    # The engine's cache holds nothing of more than 512 kB, and its index and filter of a table are
    # one block each: beyond some 50,000 records every look-up read them anew, 270 us. In partitions
    # it takes 14.
    "index_type": "kTwoLevelIndexSearch",
    "partition_filters": "true",
    # Level by level, each new table is merged into all of the first level, which takes longer than
    # a process keeps the database open: it was begun by each and ended by none, and the tables
    # piled up. Universal compaction merges tables of like size, and needs some milliseconds.
    "compaction_style": "kCompactionStyleUniversal",
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


def write_options(path: Path) -> bool:
    """Have the engine use _OPTIONS from the next open on; whether it did not yet.

    It reads a file `options` beside its data: its own last options, with ours in them. Called by
    the one that has the database open, so that no other reads half a file. Where it cannot be
    written, on a full disk, opens stay slow.
    """
    target = path / "options"
    written = [target] if target.exists() else sorted((path / "data").glob("OPTIONS-*"))
    if not written:
        return False
    with suppress(OSError):
        before = text = written[-1].read_text()
        for name, value in _OPTIONS.items():
            text = re.sub(rf"(?m)^(\s*{name})=.*$", rf"\g<1>={value}", text)
        if written[-1] == target and text == before:
            return False
        partial = target.with_suffix(".part")
        partial.write_text(text)
        partial.rename(target)
        return True
    return False


def forget_options(path: Path) -> None:
    """Have the engine use its own options at the next open.

    _OPTIONS are for databases that processes open by turns. With their memtable 100,000 rows
    became 60 files instead of 3, and a scan took 2.5 times as long.
    """
    (path / "options").unlink(missing_ok=True)


def flush(path: Path, run: Callable[[str, dict[str, Any], bool], Any]) -> bool:
    """Fill the memtable, so that the engine writes it out, and wait until it has.

    Then the first of the logs goes, within some 3 ms; the others follow when the database is
    closed. Waiting for those took the whole of FLUSH_WAIT_S at every 64th operation. Tables that
    have piled up are merged before it ends, as far as the time allows.

    Args:
        run: the open database's way to run a script: text, parameters, whether it only reads.

    Returns:
        Whether it had within FLUSH_WAIT_S.
    """
    before = set(_logs(path))
    relations = run("::relations", {}, True)
    names = {row[relations["headers"].index("name")] for row in relations["rows"]}
    if "journal_filler" not in names:
        run("{:create journal_filler {key: Int => value: String}}", {}, False)
    run(_FILL, {"key": 0, "value": "-" * 2 * MEMTABLE_BYTES}, False)
    run(_FILL, {"key": 0, "value": ""}, False)  # the write that finds the memtable full
    end = time.monotonic() + FLUSH_WAIT_S
    while True:
        is_written = not before.issubset(_logs(path))
        if (is_written and not _are_many_tables(path)) or time.monotonic() > end:
            return is_written
        time.sleep(0.002)


def _are_many_tables(path: Path) -> bool:
    """Whether the engine has small tables to merge, which it does while the database is open."""
    sizes: list[int] = []
    for table in (path / "data").glob("*.sst"):
        with suppress(FileNotFoundError):  # merged since it was listed
            sizes.append(table.stat().st_size)
    return len(sizes) > MAX_TABLES + sum(sizes) // TABLE_BYTES


def _logs(path: Path) -> list[Path]:
    return list((path / "data").glob("*.log"))
