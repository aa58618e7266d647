"""Takes the pictures of the README and of docs/operations.md: Dagster's UI, by Chromium.

Run from the repository's root after `make demo`: `.venv/bin/python docs/screenshots.py`. Nothing is
launched or turned on.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent.parent))

from dobby_pipeline.settings import Settings
from dobby_pipeline_tests.ui import dagster_dev, page

if TYPE_CHECKING:
    from playwright.sync_api import Page

DOCS = Path(__file__).parent
GROUPS = ",".join(f"global@global:{group}" for group in ("schema", "sources", "summaries"))
CHECK = "assets/symbol_summaries?view=checks&checkDetail=enough_is_published"
PATIENCE_MS = 60_000
SETTLED_MS = 4_000
"""Statuses, counts and plots are fetched after the page."""


def backfill(tab: "Page") -> None:
    """Open the dialog that launches one over all repositories."""
    tab.get_by_role("button", name="Materialize all").click()
    tab.get_by_role("button", name="All", exact=True).click()


def main() -> None:
    """Serve the database that the settings name, and picture what a newcomer looks for."""
    home = Settings.from_env().home
    with dagster_dev(home, os.environ) as address:
        with page(1820, 560) as tab:
            graph = f"{address}/asset-groups?expanded={quote(GROUPS, safe='')}"
            take(tab, graph, "asset-graph", "symbol_summaries")
        with page(1400, 1000) as tab:
            take(tab, f"{address}/assets/symbol_summaries", "asset-page", "Description")
            take(tab, f"{address}/{CHECK}", "asset-check", "Latest execution")
            tab.goto(f"{address}/locations/dobby/jobs/summarize_repo")
            backfill(tab)
            shoot(tab, "backfill")
        with page(1400, 620) as tab:
            take(tab, f"{address}/locations/dobby/sensors/new_commits", "sensor", "Frequency")


def take(tab: "Page", address: str, name: str, shown: str) -> None:
    """Picture a page once this text is on it."""
    tab.goto(address)
    tab.get_by_text(shown).first.wait_for(timeout=PATIENCE_MS)
    shoot(tab, name)


def shoot(tab: "Page", name: str) -> None:
    """Picture what is seen as docs/NAME.png."""
    tab.wait_for_timeout(SETTLED_MS)
    tab.screenshot(path=DOCS / f"{name}.png")
    sys.stdout.write(f"{DOCS / name}.png\n")


if __name__ == "__main__":
    main()
