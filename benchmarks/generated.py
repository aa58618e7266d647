"""A repository of any number of functions, and all that the flow makes of it, without a model.

Not here: what is measured on it (planning.py, large.py). The repository is a real one, read by the
product's own ingest; what stands in is the model alone, at the session pool's border.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest import ingest
from measure import commit_all

REPO = "bench"
FILLED = "filled"
"""The run that wrote everything."""

LEVELS = ("symbol", "file", "repo")
RECORDS_A_FILE = 10
FILES_A_FOLDER = 50
FOLDERS_A_PACKAGE = 20


def write_repository(folder: Path, records: int) -> None:
    """Commit so many functions, each with code of its own and a call of another one."""
    for first in range(0, records, RECORDS_A_FILE):
        number = first // RECORDS_A_FILE
        inner = number // FILES_A_FOLDER
        file = folder / f"p{inner // FOLDERS_A_PACKAGE:02}" / f"d{inner:03}" / f"f{number:05}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        last = min(first + RECORDS_A_FILE, records)
        file.write_text("\n\n".join(_function(index, records) for index in range(first, last)))
    commit_all(folder)


def _function(index: int, records: int) -> str:
    return (
        f"def count_{index}(values, start):\n"
        f'    """Counts what is above {index}."""\n'
        f"    total = start\n"
        f"    for value in values:\n"
        f"        if value > {index}:\n"
        f"            total += value\n"
        f"    return count_{(index * 7 + 1) % records}(values, total)\n"
    )


@dataclass
class Levels:
    """The work on the repository in the store at `home`, level by level.

    The levels above are planned from what is stored of those below, so each is to be made when
    the ones before are written.

    Attributes:
        work: makes a level's work of its stage's name.
    """

    home: Path
    work: Callable[..., Any]

    def __post_init__(self) -> None:
        from dobby_pipeline.cozo.store import CozoStore
        from dobby_pipeline.quality.counts import snapshot
        from dobby_pipeline.summaries.prompts import load_prompts
        from dobby_pipeline.summaries.recipe import Recipe
        from dobby_pipeline.summaries.writers import Writer, one_writer

        self.store, self.prompts = CozoStore(self.home), load_prompts()
        read = snapshot(self.store, REPO)
        self.commit = read.commit if read else ""
        self.writers = one_writer(Writer(Recipe("stand-in", "1", "", "greedy"), _no_pool))

    def batches(self, level: str) -> tuple[Any, Iterator[Any]]:
        """The relation of `symbol`, `file` or `repo`, and the batches to be written to it."""
        from dobby_pipeline.cozo.io_manager import PartitionStream
        from dobby_pipeline.quality.children import read_tree
        from dobby_pipeline.schema import relations
        from dobby_pipeline.summaries.files import FileSummaries
        from dobby_pipeline.summaries.plan import SymbolPlan
        from dobby_pipeline.summaries.repository import RepoSummary
        from dobby_pipeline.summaries.symbols import SymbolSummaries

        store, prompts, commit = self.store, self.prompts, self.commit
        work = self.work(level, store, REPO, self.writers, prompts.repair, lambda _: None)
        if level == "symbol":
            records = PartitionStream(store, relations.SOURCE_RECORDS, [REPO])
            plan = SymbolPlan(store, REPO, records, self.writers, prompts, commit)
            return relations.SYMBOL_SUMMARIES, SymbolSummaries(plan, work).batches()
        if level == "file":
            return relations.FILE_SUMMARIES, FileSummaries(work, prompts, commit).batches()
        tree = read_tree(store, REPO, FILLED)
        return relations.REPO_SUMMARIES, RepoSummary(work, prompts, tree, commit).batches()


def _no_pool() -> Any:
    raise AssertionError("a model was asked for, and there should be nothing to generate")


def fill(folder: Path, home: Path) -> None:
    """Ingest the repository, and store a summary of everything that its plans ask for."""
    from dobby_pipeline.cozo.partition import write_partition
    from dobby_pipeline.schema.relations import SUMMARY_BODIES
    from dobby_pipeline.summaries.work import Work

    class Filling(Work):
        """In place of asking a model."""

        def sweep(self, plan: Any, ask: Any) -> Iterator[Any]:  # noqa: ARG002
            for page in plan():
                rows = SUMMARY_BODIES.rows(_body(wanted.summary_key) for wanted in page)
                self.store.run("fill", SUMMARY_BODIES.put(), {"rows": rows}, write=True)
                yield [wanted.reference for wanted in page]

    ingest(folder, home, FILLED, REPO)
    levels = Levels(home, Filling)
    for level in LEVELS:
        relation, batches = levels.batches(level)
        write_partition(levels.store, relation, REPO, FILLED, batches)


def _body(key: str) -> dict[str, Any]:
    return {
        "summary_key": key,
        "text": f"It counts the values above a limit for its caller, case {key[:12]}.",
        "status": "published",
        "reasons": [],
        "origin": "generated",
        "model": "stand-in",
        "model_revision": "1",
        "prompt_version": "made",
        "device": "cpu",
        "prompt_tokens": 100,
        "output_tokens": 12,
        "ms": 1.0,
        "confidence": -0.1,
        "finish_reason": "stop",
        "created_at": "2026-01-01T00:00:00.000+00:00",
    }
