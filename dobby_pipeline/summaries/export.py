"""A repository's summaries as files: Markdown pages, JSON, or what llmstxt.org asks for.

The same state of the database gives the same bytes: nothing is written of the clock, of this
machine, or of where the export goes. Not here: the formats (export_markdown.py, export_json.py,
export_llms.py).
"""

from pathlib import Path

from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.errors import DobbyError
from dobby_pipeline.quality.counts import snapshot
from dobby_pipeline.sources.registry import Repo
from dobby_pipeline.summaries.export_folder import new_folder
from dobby_pipeline.summaries.export_json import write_document, write_lines
from dobby_pipeline.summaries.export_links import forge_of
from dobby_pipeline.summaries.export_llms import write_llms
from dobby_pipeline.summaries.export_markdown import About, MarkdownTree
from dobby_pipeline.summaries.export_rows import Rows

FORMATS = ("markdown", "json", "jsonl", "llms-txt")


class ExportError(DobbyError):
    """There is nothing to export, or it changed meanwhile."""


def export(
    store: CozoStore, repo: Repo, form: str, target: Path, *, include_quarantined: bool = False
) -> Rows:
    """Write the repository's fresh summaries to the folder `target`, over an earlier export.

    Args:
        form: one of FORMATS.
        include_quarantined: whether to show, marked, what the gate refused.

    Returns:
        What was read, with the counts of what was shown and left out.

    Raises:
        ExportError: when there is no fresh summary, or the repository was read at another commit
            meanwhile; what was at `target` stays.
        UsageError: when `target` holds something else.
        StoreError: when the database cannot be read.
    """
    rows = Rows(store, repo.repo, include_quarantined)
    commit = _commit(store, repo.repo)
    with new_folder(target) as folder:
        if form == "jsonl":
            write_lines(folder, rows.contract())
        else:
            _write(folder, form, _about(repo, commit, rows), rows)
        if not rows.shown.total():
            raise ExportError(_nothing(repo.repo, rows.stale))
        if _commit(store, repo.repo) != commit:
            raise ExportError(
                f"{repo.repo} was read at another commit while it was exported: run the command "
                "again when that run is done"
            )
    return rows


def _about(repo: Repo, commit: str, rows: Rows) -> About:
    return About(repo.repo, commit, forge_of(repo), rows.repository(), rows.directories())


def _commit(store: CozoStore, repo: str) -> str:
    """Of the last ingest; empty before the first."""
    read = snapshot(store, repo)
    return read.commit if read else ""


def _write(folder: Path, form: str, about: About, rows: Rows) -> None:
    if form == "json":
        write_document(folder, about, rows.files())
    elif form == "llms-txt":
        write_llms(folder, about, rows.files())
    else:
        tree = MarkdownTree(folder, about)
        for file in rows.files():
            tree.add(file)
        tree.close()


def _nothing(repo: str, stale: int) -> str:
    there = f"its {stale} are of what was there before" if stale else "none is published yet"
    return (
        f"{repo} has no fresh summary to export ({there}): make them with `dobby summarize {repo}`"
    )
