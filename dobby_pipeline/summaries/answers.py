"""Questions answered: through the session pool and the gate into committed bodies.

An answer that the gate refuses gets a second attempt that is told why; if that fails as well, an
extractive summary stands in. Not here: what is asked (symbol_questions.py, rollups.py).
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.inference.requests import Completion, PoolError, Refusal, Request
from dobby_pipeline.quality.gate import PUBLISHED, QUARANTINED, Candidate, judge, judge_extract
from dobby_pipeline.schema.relations import SUMMARY_BODIES
from dobby_pipeline.summaries.budget import Budget
from dobby_pipeline.summaries.prompts import Prompt, RepairHints
from dobby_pipeline.summaries.sentences import whole_sentences
from dobby_pipeline.summaries.tally import Tally
from dobby_pipeline.summaries.writers import Pool, Writer

COMMIT_EVERY = 16
COMMIT_EVERY_S = 2.0
"""A batch is committed when either is reached: a kill costs at most this much work."""

COMMIT_PAUSE_S = 0.25
"""Between two commits at least. A commit is two operations, for the bodies and for the rows that
refer to them, which take 20 to 60 ms: a GPU that makes 700 summaries a second would wait for two of
them at every 16th."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked once, however many rows wait for the answer.

    Attributes:
        key: summary key of the answer.
        text: the user message.
        prompt: what the text was filled into.
        about: what the gate holds the answer against, without the answer.
        references: rows that wait for the answer; none where it is only a step to another.
        notes: what the answer's reasons say besides the gate's.
        extracts: texts that may stand in for the answer, the best first.
    """

    key: str
    text: str
    prompt: Prompt
    about: Candidate
    references: list[Row] = field(default_factory=list[Row])
    notes: Sequence[str] = ()
    extracts: Sequence[str] = ()


@dataclass
class Answers:
    """One writer's answers in one run.

    Attributes:
        budget: of tokens and time, for all writers of a run.
        tell: called at each commit.
    """

    store: CozoStore
    writer: Writer
    repair: RepairHints
    tally: Tally
    budget: Budget
    tell: Callable[[], None]
    _pool: Pool | None = field(default=None, init=False)
    _committed_at: float = field(default=0.0, init=False)
    _waiting: dict[str, Question] = field(default_factory=dict[str, Question], init=False)
    _refused: dict[str, Row] = field(default_factory=dict[str, Row], init=False)
    _again: deque[Request] = field(default_factory=deque[Request], init=False)
    _answered: set[str] = field(default_factory=set[str], init=False)
    _ready: list[Row] = field(default_factory=list[Row], init=False)
    _uncommitted: dict[str, Row] = field(default_factory=dict[str, Row], init=False)

    def collect(self, questions: Iterator[Question]) -> Iterator[list[Row]]:
        """Ask all; yield the rows that waited for an answer once its body is committed.

        Questions are pulled as sessions come free. Where the budget ends, the rest of them is not
        pulled, and what is under way is finished.

        Raises:
            PoolError: when generation cannot go on; what was finished is yielded before.
            StoreError: when a batch cannot be committed.
        """
        first = next(questions, None)
        if first is not None:
            yield from self._collect(chain([first], questions))
        yield self._commit()

    def forget(self) -> None:
        """What is committed now is known to the plans that are made from here on."""
        self._answered = set(self._uncommitted)

    def _keep(self, body: Row, references: list[Row]) -> None:
        """Hold a body and the rows that refer to it until the next commit."""
        self._uncommitted[body["summary_key"]] = body
        self._answered.add(body["summary_key"])
        self._ready += references
        self.tally.count(body, references)

    def add_rows(self, rows: list[Row]) -> None:
        """Rows whose bodies are there already, to be yielded with the next batch."""
        self._ready += rows

    def give_up(self, question: Question) -> None:
        """Keep what can be said without asking; the question's notes tell why it is not asked."""
        body = self._unanswered(question.key, question.prompt, list(question.notes))
        self._keep(self._stand_in(body, question), question.references)

    def _unanswered(self, key: str, prompt: Prompt, reasons: list[str]) -> Row:
        """The body of a summary for which the model said nothing."""
        return {
            **self._provenance(key, prompt.version),
            "text": "",
            "status": QUARANTINED,
            "reasons": reasons,
            "origin": "none",
            "prompt_tokens": 0,
            "output_tokens": 0,
            "ms": 0.0,
            "confidence": None,
            "finish_reason": "refused",
        }

    def _stand_in(self, body: Row, question: Question) -> Row:
        """The first extract that the gate lets pass, or the body as it is."""
        for text in question.extracts:
            candidate = question.about.saying(text, "stop", "")
            if judge_extract(candidate).status == PUBLISHED:
                told = {"text": text, "status": PUBLISHED, "origin": "extractive"}
                return {**body, **told, "confidence": None}
        return body

    def _collect(self, questions: Iterator[Question]) -> Iterator[list[Row]]:
        pool = self._open()
        try:
            while True:
                for result in pool.generate(self._requests(questions)):
                    self._take(result)
                    if self._is_due():
                        yield self._commit()
                if not self._again:
                    return
        except PoolError:
            yield self._commit()  # what was finished is kept
            raise

    def _open(self) -> Pool:
        if self._pool is None:
            self._pool = self.writer.open_pool()
            self._committed_at = time.monotonic()
            self.tally.begin()
        return self._pool

    def _requests(self, questions: Iterator[Question]) -> Iterator[Request]:
        """Second attempts first, so that they run beside the first ones of others."""
        while True:
            if self._again:
                yield self._again.popleft()
            elif self.budget.is_spent() or (question := next(questions, None)) is None:
                return
            elif not self._is_known(question):
                self._waiting[question.key] = question
                yield _request(question, question.text)

    def _is_known(self, question: Question) -> bool:
        """Whether it was asked already: then its rows wait with the others."""
        if question.key in self._waiting:
            self._waiting[question.key].references.extend(question.references)
        elif question.key in self._answered:
            self._ready += question.references
        else:
            return False
        return True

    def _take(self, result: Completion | Refusal) -> None:
        question = self._waiting[result.request_id]
        body = self._body(result, question)
        first = self._refused.pop(question.key, None)
        if first:
            body = self._after(first, body)
        elif body["status"] == QUARANTINED and isinstance(result, Completion):
            self._refused[question.key] = body
            hints = self.repair.about(body["reasons"])
            self._again.append(_request(question, f"{question.text}\n\n{hints}"))
            return
        del self._waiting[question.key]
        if body["status"] == QUARANTINED:
            body = self._stand_in(body, question)
        body["reasons"] += question.notes
        self._keep(body, question.references)

    def _body(self, result: Completion | Refusal, question: Question) -> Row:
        prompt = question.prompt
        if isinstance(result, Refusal):
            body = self._unanswered(question.key, prompt, [f"{result.reason}: {result.detail}"])
            return {**body, "prompt_tokens": result.prompt_tokens}
        text = whole_sentences(result.text, result.finish_reason, prompt.sentences)
        said = question.about.saying(
            text, result.finish_reason, prompt.instructions, prompt.answers
        )
        verdict = judge(said)
        return {
            **self._provenance(question.key, prompt.version),
            "text": text,
            "status": verdict.status,
            "reasons": list(verdict.reasons),
            "origin": "generated",
            "prompt_tokens": result.prompt_tokens,
            "output_tokens": result.output_tokens,
            "ms": result.ms,
            "confidence": result.confidence,
            "finish_reason": result.finish_reason,
        }

    def _after(self, first: Row, second: Row) -> Row:
        """The second attempt's body, with what both cost; why both failed, if both did."""
        told = [] if second["status"] == PUBLISHED else first["reasons"]
        again = [f"second attempt: {reason}" for reason in second["reasons"]]
        return {
            **second,
            "prompt_version": f"{first['prompt_version']}+{self.repair.version}",
            "reasons": [*told, *again],
            **{field: first[field] + second[field] for field in _COSTS},
        }

    def _provenance(self, key: str, prompt_version: str) -> Row:
        return {
            "summary_key": key,
            "model": self.writer.recipe.model,
            "model_revision": self.writer.recipe.model_revision,
            "prompt_version": prompt_version,
            "device": self._open().device,
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }

    def _is_due(self) -> bool:
        """Whether enough is finished, or enough time has passed, for a commit."""
        self.tally.tick()
        waited = time.monotonic() - self._committed_at
        full = len(self._uncommitted) >= COMMIT_EVERY and waited >= COMMIT_PAUSE_S
        return full or waited >= COMMIT_EVERY_S

    def _commit(self) -> list[Row]:
        """Commit the bodies, then hand out the rows that refer to them."""
        if self._uncommitted:
            params = {"rows": SUMMARY_BODIES.rows(self._uncommitted.values())}
            self.store.run("write summary_bodies", SUMMARY_BODIES.put(), params, write=True)
        rows = self._ready
        self._uncommitted, self._ready = {}, []
        self.tally.covered += len(rows)
        self._committed_at = time.monotonic()
        self.tell()
        return rows


_COSTS = ("prompt_tokens", "output_tokens", "ms")


def _request(question: Question, text: str) -> Request:
    prompt = question.prompt
    return Request(question.key, text, prompt.system, prompt.max_tokens, prompt.examples)
