"""Takes the pictures of the README: this project's own assets in Dagster's UI, by Chromium.

Run from the repository's root after `make demo`: `.venv/bin/python docs/screenshots.py`.
"""

import os
import sys
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent.parent))

from dobby_pipeline.settings import Settings
from dobby_pipeline_tests.ui import dagster_dev, page

DOCS = Path(__file__).parent


def main() -> None:
    """Serve the database that the settings name, open its asset graph, and picture it."""
    home = Settings.from_env().home
    with dagster_dev(home, os.environ) as address, page(1820, 560) as tab:
        groups = ",".join(f"global@global:{g}" for g in ("schema", "sources", "summaries"))
        tab.goto(f"{address}/asset-groups?expanded={quote(groups, safe='')}")
        tab.get_by_text("symbol_summaries").first.wait_for(timeout=60_000)
        tab.wait_for_timeout(4000)  # statuses and check counts are fetched after the graph
        tab.screenshot(path=DOCS / "asset-graph.png")
    sys.stdout.write(f"{DOCS / 'asset-graph.png'}\n")


if __name__ == "__main__":
    main()
