"""The summaries of a repository's symbols, made as they are drained.

Not here: which symbols there are and what their summaries are known by (plan.py), and what is the
same at every level (work.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.summaries.answers import Answers, Question
from dobby_pipeline.summaries.plan import Callees, SymbolPlan
from dobby_pipeline.summaries.symbol_questions import SymbolQuestions
from dobby_pipeline.summaries.work import Wanted, Work
from dobby_pipeline.summaries.writers import Writer


@dataclass
class SymbolSummaries:
    """One run's work on the symbols of one repository."""

    plan: SymbolPlan
    work: Work

    def batches(self) -> Iterator[Sequence[Row]]:
        """Rows of `symbol_summaries`; callees before callers where prompts carry them.

        Raises:
            PoolError: when generation cannot go on; what was yielded until then is kept.
            StoreError: when a batch cannot be committed.
        """
        for layer in range(self.plan.layers):
            yield from self.work.sweep(partial(self.plan.pages, layer), self._stages)

    def _stages(
        self,
        writer: Writer,
        answers: Answers,
        known: KnownNames,
        pages: Iterator[list[Wanted[Callees]]],
    ) -> Iterator[Iterator[Question]]:
        plan = self.plan
        questions = SymbolQuestions(
            plan.store, plan.repo, writer.recipe, plan.prompts, known, answers
        )
        return questions.stages(pages)
