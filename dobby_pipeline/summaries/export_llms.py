"""An export by the convention of llmstxt.org: `llms.txt`, which leads a model to the pages.

The pages are those of export_markdown.py, beside it. Not here: how they are written.
"""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from dobby_pipeline.summaries.export_markdown import About, MarkdownTree, Page, said
from dobby_pipeline.summaries.export_rows import FileRows
from dobby_pipeline.summaries.export_text import code, link, prose

LLMS = "llms.txt"


def write_llms(folder: Path, about: About, files: Iterable[FileRows]) -> None:
    """`llms.txt`: name, summary, then the files at the top and a section for each folder there.

    Sections are put aside on the disk as they come, because the files at the top stand first.
    """
    tree = MarkdownTree(folder, about, LLMS)
    top: list[str] = []
    section = ""
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder.parent) as rest:
        for file in files:
            pages = tree.add(file)
            first, slash, _ = file.path.partition("/")
            if not slash:
                top += [_line(page) for page in pages]
                continue
            if first != section or rest.tell() == 0:
                section = first
                rest.write(f"\n## {code(first + '/')}\n\n")
            rest.writelines(_line(page) for page in pages)
        tree.close()
        rest.seek(0)
        with (folder / LLMS).open("w", encoding="utf-8", newline="\n") as written:
            written.write(_head(about))
            written.writelines(["\n## Files\n\n", *top] if top else [])
            shutil.copyfileobj(rest, written)


def _head(about: About) -> str:
    does = said(about.summary) if about.summary else f"What the code of {prose(about.repo)} does."
    note = (
        f"Summaries of the code at commit {code(about.commit)}. Each page names the lines that "
        "it is about."
    )
    return f"# {prose(about.repo)}\n\n> {does}\n\n{note}\n"


def _line(page: Page) -> str:
    name = code(page.path + ("/" if page.names[-1] == "index.md" else ""))
    return f"- {link(name, *page.names)}" + (f": {said(page.row)}" if page.row else "") + "\n"
