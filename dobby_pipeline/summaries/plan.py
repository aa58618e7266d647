"""The plan for a repository's symbols: each record's summary key.

Not here: making summaries (symbols.py). A plan costs two range scans, never the code itself, and
holds one page in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from dobby_pipeline.cozo.partition import PLAN_ROWS
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.summaries.callees import CalleeOrder, callee_order
from dobby_pipeline.summaries.prompts import Prompts
from dobby_pipeline.summaries.recipe import Recipe
from dobby_pipeline.summaries.work import Wanted
from dobby_pipeline.summaries.writers import Subject, Writers

_COLUMNS = (
    "path",
    "symbol",
    "kind",
    "language",
    "content_hash",
    "start_line",
    "end_line",
    "parts",
)


_REFERENCE = ("path", "symbol", "content_hash", "start_line", "end_line")


class Pages(Protocol):
    """Source records, page by page, as the IO manager's stream gives them."""

    def pages(self, columns: tuple[str, ...], page_rows: int) -> Iterator[list[Row]]:
        """Pages of rows with these columns, in key order, of `page_rows` or a little more."""
        ...


@dataclass(frozen=True, slots=True)
class Planned:
    """A record as the plan sees it.

    Attributes:
        row: the record without its code.
        callees: lines about what it calls, for its prompt.
    """

    row: Row
    callees: tuple[str, ...]


@dataclass
class SymbolPlan:
    """What each record's summary would be known by today.

    Attributes:
        commit: that the records were read at.
        with_callees: whether a prompt carries the summaries of what the symbol calls. Then an
            edit that changes a summary makes those of its callers anew.
    """

    store: CozoStore
    repo: str
    records: Pages
    writers: Writers
    prompts: Prompts
    commit: str
    with_callees: bool = False
    _flat: CalleeOrder = field(default_factory=CalleeOrder, init=False)

    @property
    def layers(self) -> int:
        """How many there are; a layer can be planned when those below it are written."""
        return self._order.layers

    def pages(self, layer: int = 0) -> Iterator[list[Wanted[Planned]]]:
        """The layer's records in key order, page by page.

        Raises:
            StoreError: when the database cannot be read.
        """
        position = 0
        for page in self.records.pages(_COLUMNS, PLAN_ROWS):
            numbered = [
                (number, row)
                for number, row in enumerate(page, start=position)
                if self._order.layer(row) == layer
            ]
            position += len(page)
            if numbered:
                yield self._planned(numbered)

    @cached_property
    def _order(self) -> CalleeOrder:
        return callee_order(self.store, self.repo) if self.with_callees else self._flat

    def _planned(self, numbered: list[tuple[int, Row]]) -> list[Wanted[Planned]]:
        callees = self._order.lines(self.store, self.repo, [row for _, row in numbered])
        return [
            self._wanted(number, row, callees.get((row["path"], row["symbol"]), ()))
            for number, row in numbered
        ]

    def _wanted(self, number: int, row: Row, callees: tuple[str, ...]) -> Wanted[Planned]:
        recipe = self._recipe(row)
        callees = () if row["parts"] else callees
        key = recipe.summary_key(
            content_hash=row["content_hash"],
            language=row["language"],
            kind=row["kind"],
            children=(*(f"{start}-{end}" for start, end in row["parts"]), *callees),
        )
        reference = {column: row[column] for column in _REFERENCE}
        reference |= {"commit": self.commit, "summary_key": key}
        return Wanted(number, recipe.model, key, reference, Planned(row, callees))

    def _recipe(self, row: Row) -> Recipe:
        lines = row["end_line"] - row["start_line"] + 1
        subject = Subject("symbol", row["language"], row["kind"], lines, row["content_hash"])
        prompt = self.prompts.large if row["parts"] else self.prompts.of_kind(row["kind"])
        return self.writers.of(subject).recipe.of(prompt)
