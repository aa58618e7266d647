"""From `dagster dev` to a page that shows the graph, and what of it is importing our own code.

Run: `.venv/bin/python benchmarks/startup.py`; needs Chromium. Imports are timed in processes of
their own, the best of a few: ours is what `dobby_pipeline.definitions` adds to `dagster` itself.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import ROOT, below, told

sys.path.insert(0, str(ROOT))

from dobby_pipeline_tests.ui import dagster_dev, page

IMPORTS = 5
PATIENCE_MS = 120_000
IMPORT_S = 0.5
PAGE_S = 60
"""Somebody waits for it: a minute is the most."""

SCRIPT = """
import time
import dagster
start = time.perf_counter()
import dobby_pipeline.definitions
print(time.perf_counter() - start)
"""


def own_imports() -> float:
    """Seconds."""
    command = [sys.executable, "-c", SCRIPT]
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        for _ in range(IMPORTS)
    ]
    return min(map(float, runs))


def seen(home: Path) -> float:
    """Seconds from the command to a graph that a person sees; Chromium is there before."""
    with page() as tab:
        start = time.perf_counter()
        with dagster_dev(home, {}) as address:
            tab.goto(f"{address}/asset-groups")
            tab.get_by_text("summaries").first.wait_for(timeout=PATIENCE_MS)
            return time.perf_counter() - start


def main() -> None:
    """Both figures."""
    with tempfile.TemporaryDirectory() as home:
        told(
            below("start of the UI", "own imports", own_imports(), "s", IMPORT_S),
            below("start of the UI", "to the graph", seen(Path(home)), "s", PAGE_S),
        )


if __name__ == "__main__":
    main()
