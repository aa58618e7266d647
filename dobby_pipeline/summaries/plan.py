"""The work plan: which records have their summary already, and which need one.

Not here: making summaries (generate.py). A plan costs two range scans and one look-up a page,
never the code itself, and holds one page in memory.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.summaries.prompts import Prompt

PLANNED_COLUMNS = (
    "path",
    "symbol",
    "kind",
    "language",
    "content_hash",
    "start_line",
    "end_line",
    "parts",
)

PRESENT = "keys[k] <- $keys ?[summary_key] := keys[summary_key], *summary_bodies{summary_key}"


class Pages(Protocol):
    """Source records, page by page, as the IO manager's stream gives them."""

    def pages(self, columns: tuple[str, ...]) -> Iterator[list[Row]]:
        """Pages of rows with these columns, in key order."""
        ...


@dataclass(frozen=True)
class Recipe:
    """All that decides a summary's text besides the code.

    Attributes:
        model: a manifest's name.
        model_revision: what the weights are, by hash or revision.
        prompt_version: as in `Prompt.version`.
        sampling: temperature, seed, limits: what the pool calls its sampling key.
    """

    model: str
    model_revision: str
    prompt_version: str
    sampling: str

    def of(self, prompt: Prompt) -> "Recipe":
        """The same with another prompt."""
        return replace(self, prompt_version=prompt.version)

    def summary_key(
        self, *, content_hash: str, language: str, kind: str, children: tuple[str, ...] = ()
    ) -> str:
        """SHA-256, in hex, over everything that the model was shown or told.

        The same code in another file, repository or fork has the same key, so it is never
        generated twice.

        Args:
            content_hash: of the code, or of the message that it was shown in.
            language: as in the record.
            kind: as in the record.
            children: what else it was made from, such as the parts of a large symbol.
        """
        parts = [
            content_hash,
            language,
            kind,
            list(children),
            self.prompt_version,
            self.model,
            self.model_revision,
            self.sampling,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Planned:
    """One record's place in the plan.

    Attributes:
        row: the record without its code.
        summary_key: of the summary that it should have.
        present: whether that summary exists.
    """

    row: Row
    summary_key: str
    present: bool


def plan(
    store: CozoStore, records: Pages, recipe: Recipe, large: Recipe
) -> Iterator[list[Planned]]:
    """The records of a partition in key order, each with its key and whether that is there.

    Args:
        store: where the summaries are.
        records: the partition.
        recipe: of a record that is shown as a whole.
        large: of one that is read in parts.
    """
    for page in records.pages(PLANNED_COLUMNS):
        keys = [_key(large if row["parts"] else recipe, row) for row in page]
        present = present_keys(store, keys)
        yield [Planned(row, key, key in present) for row, key in zip(page, keys, strict=True)]


def present_keys(store: CozoStore, keys: list[str]) -> set[str]:
    """Those of `keys` that have a summary body: one point look-up a key."""
    rows = store.run("look up summary_bodies", PRESENT, {"keys": [[key] for key in keys]})
    return {row["summary_key"] for row in rows}


def _key(recipe: Recipe, row: Row) -> str:
    return recipe.summary_key(
        content_hash=row["content_hash"],
        language=row["language"],
        kind=row["kind"],
        children=tuple(f"{start}-{end}" for start, end in row["parts"]),
    )
