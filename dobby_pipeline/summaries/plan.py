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


class Pages(Protocol):
    """Source records, page by page, as the IO manager's stream gives them."""

    def pages(self, columns: tuple[str, ...], page_rows: int) -> Iterator[list[Row]]:
        """Pages of rows with these columns, in key order, of `page_rows` or a little more."""
        ...


Callees = tuple[str, ...]
"""Lines about what a symbol calls, for its prompt."""


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
    _recipes: dict[tuple[str, str, bool], Recipe] = field(
        default_factory=dict[tuple[str, str, bool], Recipe], init=False
    )

    @property
    def layers(self) -> int:
        """How many there are; a layer can be planned when those below it are written."""
        return self._order.layers

    def pages(self, layer: int = 0) -> Iterator[list[Wanted[Callees]]]:
        """The layer's records in key order, page by page.

        Raises:
            StoreError: when the database cannot be read.
        """
        position, order = 0, self._order
        for page in self.records.pages(_COLUMNS, PLAN_ROWS):
            numbered = list(enumerate(page, start=position))
            if order.layers > 1:
                numbered = [(number, row) for number, row in numbered if order.layer(row) == layer]
            position += len(page)
            if numbered:
                yield self._planned(numbered)

    @cached_property
    def _order(self) -> CalleeOrder:
        return callee_order(self.store, self.repo) if self.with_callees else self._flat

    def _planned(self, numbered: list[tuple[int, Row]]) -> list[Wanted[Callees]]:
        rows = [row for _, row in numbered]
        callees = self._order.lines(self.store, self.repo, rows)
        return [
            self._wanted(number, row, callees.get((row["path"], row["symbol"]), ()))
            for number, row in numbered
        ]

    def _wanted(self, number: int, row: Row, callees: Callees) -> Wanted[Callees]:
        kind, language, content_hash = row["kind"], row["language"], row["content_hash"]
        start, end, parts = row["start_line"], row["end_line"], row["parts"]
        callees = () if parts else callees
        subject = Subject("symbol", language, kind, end - start + 1, content_hash)
        recipe = self._recipe(self.writers.choose(subject), kind, is_large=bool(parts))
        key = recipe.summary_key(
            content_hash=content_hash,
            language=language,
            kind=kind,
            children=tuple(f"{first}-{last}" for first, last in parts) if parts else callees,
        )
        reference = {
            "path": row["path"],
            "symbol": row["symbol"],
            "content_hash": content_hash,
            "start_line": start,
            "end_line": end,
            "commit": self.commit,
            "summary_key": key,
        }
        return Wanted(number, recipe.model, key, reference, callees)

    def _recipe(self, model: str, kind: str, *, is_large: bool) -> Recipe:
        """Of a model and a kind: looked for once, and asked for by each record."""
        which = (model, kind, is_large)
        if which not in self._recipes:
            prompt = self.prompts.large if is_large else self.prompts.of_kind(kind)
            self._recipes[which] = self.writers.by_model[model].recipe.of(prompt)
        return self._recipes[which]
