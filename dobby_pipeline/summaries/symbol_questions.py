"""What is asked about symbols: about one as a whole, or about a large one part by part.

A question of a later stage is made from answers of the one before, so each stage is drained and
committed before the next begins. Not here: the prompts (prompts.py), the steps of a large symbol
(large.py), and who asks (answers.py).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.evidence import evidence
from dobby_pipeline.quality.gate import PUBLISHED, Candidate
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.summaries.answers import Answers, Question
from dobby_pipeline.summaries.extracts import symbol_extracts
from dobby_pipeline.summaries.large import LargeSymbol, Step
from dobby_pipeline.summaries.plan import Callees
from dobby_pipeline.summaries.prompts import Prompts, symbol_text
from dobby_pipeline.summaries.recipe import Recipe, bodies_of
from dobby_pipeline.summaries.work import Wanted

LARGE_AT_ONCE = 100
"""Large symbols that go through their stages together. At the end of a stage sessions stand idle
until the last is done, so not one by one; and their answers wait in memory, so not all at once."""

_CODE = """
keys[path, symbol] <- $keys
?[path, symbol, name, kind, language, signature, docstring, code, inner, parts] :=
    keys[path, symbol],
    *source_records{
        repo: $repo, path, symbol, name, kind, language, signature, docstring, code, inner, parts
    }
"""


@dataclass
class SymbolQuestions:
    """One writer's questions about one repository.

    Attributes:
        recipe: the writer's.
        known: the repository's names.
    """

    store: CozoStore
    repo: str
    recipe: Recipe
    prompts: Prompts
    known: KnownNames
    answers: Answers
    _large: dict[str, LargeSymbol] = field(default_factory=dict[str, LargeSymbol], init=False)

    def stages(self, pages: Iterator[list[Wanted[Callees]]]) -> Iterator[Iterator[Question]]:
        """Questions about the records of these pages, each stage to be drained before the next."""
        for page in pages:
            yield self._first_stage(chain([page], pages))
            while self._large:
                large, self._large = list(self._large.values()), {}
                yield self._next_stage(large)

    def _first_stage(self, pages: Iterator[list[Wanted[Callees]]]) -> Iterator[Question]:
        """Symbols as a whole, and the parts of large ones until there are LARGE_AT_ONCE."""
        for page in pages:
            records = read_code(self.store, self.repo, [w.reference for w in page])
            for wanted in page:
                record = records.pop((wanted.reference["path"], wanted.reference["symbol"]))
                if record["parts"]:
                    yield from self._about_parts(wanted, record)
                else:
                    yield self._about_whole(wanted, record)
            if len(self._large) >= LARGE_AT_ONCE:
                return

    def _about_whole(self, wanted: Wanted[Callees], record: Row) -> Question:
        callees = wanted.subject
        return Question(
            key=wanted.summary_key,
            text=whole_text(self.prompts, record, callees),
            prompt=self.prompts.of_kind(record["kind"]),
            about=evidence(record, record["code"], self.known, *callees),
            references=[wanted.reference],
            extracts=symbol_extracts(record),
        )

    def _about_parts(self, wanted: Wanted[Callees], record: Row) -> Iterator[Question]:
        key, reference = wanted.summary_key, wanted.reference
        if key in self._large:
            self._large[key].references.append(reference)
            return
        extracts = symbol_extracts(record)
        code = record.pop("code")
        large = LargeSymbol(key, record, [reference], extracts)
        yield from self._step(large, large.about_parts(self.recipe, self.prompts, code))

    def _next_stage(self, symbols: list[LargeSymbol]) -> Iterator[Question]:
        """What is asked about large symbols when all that was asked about them is answered."""
        for large in symbols:
            yield from self._combine(large, bodies_of(self.store, large.keys))

    def _step(self, large: LargeSymbol, steps: list[Step]) -> Iterator[Question]:
        """Ask what has no answer yet; where all have one, the next step follows at once."""
        said = bodies_of(self.store, large.keys)
        missing = [step for step in steps if step.key not in said]
        if not missing:
            yield from self._combine(large, said)
            return
        self._large[large.summary_key] = large
        for step in missing:
            yield Question(step.key, step.text, step.prompt, self._about(large, step))

    def _combine(self, large: LargeSymbol, said: dict[str, Row]) -> Iterator[Question]:
        """Ask for the symbol's summary, or for those of groups; quarantined ones are left out."""
        texts = {key: said[key]["text"] for key in large.keys if said[key]["status"] == PUBLISHED}
        large.note_left_out([said[key] for key in large.keys if key not in texts])
        if not texts:
            nothing = evidence(large.record, large.record["signature"], self.known)
            self.answers.give_up(large.question("", self.prompts.large, nothing))
            return
        steps = large.about_groups(self.recipe, self.prompts, texts)
        if steps[0].key == large.summary_key:
            about = self._about(large, steps[0])
            yield large.question(steps[0].text, steps[0].prompt, about)
        else:
            yield from self._step(large, steps)

    def _about(self, large: LargeSymbol, step: Step) -> Candidate:
        """The signature, and what was shown: a part of the code, or summaries of parts."""
        return evidence(large.record, large.record["signature"], self.known, step.text)


def read_code(store: CozoStore, repo: str, references: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """What is shown of records, by path and symbol."""
    keys = [[reference["path"], reference["symbol"]] for reference in references]
    rows = store.run("read code", _CODE, {"repo": repo, "keys": keys}) if keys else []
    return {(row["path"], row["symbol"]): row for row in rows}


def whole_text(prompts: Prompts, record: Row, callees: tuple[str, ...]) -> str:
    """The user message about a record that is shown as a whole."""
    return symbol_text(
        prompts.of_kind(record["kind"]),
        language=record["language"],
        kind=record["kind"],
        code=record["code"],
        inner=record["inner"],
        callees=callees,
    )
