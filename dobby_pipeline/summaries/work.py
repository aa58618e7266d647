"""One run's work on one level of a repository: what has no summary gets one, the rest stays.

Not here: what a level needs (plan.py, files.py, repository.py), what is asked about it
(symbol_questions.py, rollups.py), and how answers are got, judged and committed (answers.py).
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.progress import Progress, Report
from dobby_pipeline.quality.evidence import known_names
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.summaries.answers import Answers, Question
from dobby_pipeline.summaries.budget import Budget
from dobby_pipeline.summaries.prompts import RepairHints
from dobby_pipeline.summaries.recipe import present_keys
from dobby_pipeline.summaries.tally import Tally
from dobby_pipeline.summaries.writers import Writer, Writers

T = TypeVar("T")


class Wanted(NamedTuple, Generic[T]):
    """A summary that should be there.

    A tuple, since a plan makes one for each record.

    Attributes:
        position: among all that the level wants, in key order.
        model: the writer's.
        summary_key: that it is known by today.
        reference: the row that refers to it.
        subject: what it is about, for whoever asks.
    """

    position: int
    model: str
    summary_key: str
    reference: Row
    subject: T


Plan = Callable[[], Iterator[list[Wanted[T]]]]
"""Pages of what is wanted, the same each time it is called."""

Ask = Callable[
    [Writer, Answers, KnownNames, Iterator[list[Wanted[T]]]], Iterator[Iterator[Question]]
]
"""Stages of questions of one writer about the pages; each is drained before the next is pulled."""


@dataclass
class Work:
    """What is the same at every level.

    Attributes:
        stage: the asset's name.
        taken: the positions that a limit leaves (limit.py); None for all.
    """

    stage: str
    store: CozoStore
    repo: str
    writers: Writers
    repair: RepairHints
    report: Report
    budget: Budget = field(default_factory=Budget)
    taken: Container[int] | None = None
    tally: Tally = field(default_factory=Tally, init=False)
    _names: KnownNames | None = field(default=None, init=False)

    def sweep(self, plan: Plan[T], ask: Ask[T]) -> Iterator[Sequence[Row]]:
        """Rows that refer to summaries, in batches whose bodies are committed before them.

        Raises:
            PoolError: when generation cannot go on; what was yielded until then is kept.
            StoreError: when a batch cannot be committed.
        """
        models = list(self.writers.by_model)
        # By position: 0 where nothing is to be done, else one more than the model's number. So
        # what has its summary, or is beyond the limit, is told from what is new at a byte each.
        due = bytearray()
        for page in plan():
            present = self._present(page)
            yield [wanted.reference for wanted in page if wanted.summary_key in present]
            missing = [wanted for wanted in page if wanted.summary_key not in present]
            due.extend(bytes(page[-1].position + 1 - len(due) if page else 0))
            for wanted in self._within(missing):
                due[wanted.position] = 1 + models.index(wanted.model)
            self._count(page, missing)
        self._tell()
        for number, model in enumerate(models, start=1):
            if number in due and not self.budget.is_spent():
                yield from self._write(plan, ask, due, number, self.writers.by_model[model])

    def _within(self, missing: list[Wanted[T]]) -> list[Wanted[T]]:
        return [w for w in missing if self.taken is None or w.position in self.taken]

    def _count(self, page: list[Wanted[T]], missing: list[Wanted[T]]) -> None:
        tally, within = self.tally, len(self._within(missing))
        tally.records += len(page)
        tally.present += len(page) - len(missing)
        tally.covered += len(page) - len(missing)
        tally.missing += within
        tally.left_out += len(missing) - within

    def _write(
        self, plan: Plan[T], ask: Ask[T], due: bytearray, number: int, writer: Writer
    ) -> Iterator[Sequence[Row]]:
        if self._names is None:
            self._names = known_names(self.store, self.repo)
        answers = Answers(self.store, writer, self.repair, self.tally, self.budget, self._tell)
        missing = self._missing(plan, due, number, answers)
        for stage in ask(writer, answers, self._names, missing):
            yield from answers.collect(stage)
            if self.budget.is_spent():
                return

    def _missing(
        self, plan: Plan[T], due: bytearray, number: int, answers: Answers
    ) -> Iterator[list[Wanted[T]]]:
        """What was due and still is, page by page: what is equal shares a summary."""
        for page in plan():
            answers.forget()  # what is committed from here on, these look-ups do not know
            mine = [wanted for wanted in page if due[wanted.position] == number]
            present = self._present(mine)
            answers.add_rows([w.reference for w in mine if w.summary_key in present])
            yield [wanted for wanted in mine if wanted.summary_key not in present]

    def _present(self, page: list[Wanted[T]]) -> set[str]:
        keys = [wanted.summary_key for wanted in page]
        return present_keys(self.store, keys, self.repair.version) if keys else set()

    def _tell(self) -> None:
        tally = self.tally
        rate = f"{tally.records_a_minute:.0f} a minute" if tally.generated else ""
        note = rate or f"{tally.present} were there"
        total = tally.present + tally.missing
        self.report(Progress(self.stage, self.repo, tally.covered, total, "summaries", note))
