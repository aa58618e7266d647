"""Summaries made: from the plan through the session pool and the gate into committed batches.

Not here: what needs a summary (plan.py), the prompts (prompts.py), what is asked about a large
symbol (large.py), the pool (inference/).

A large symbol is asked about in several stages: its parts, then all of them together. A question
of a later stage is made from answers of the one before, so each stage is drained and committed
before the next begins.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Protocol

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.inference.requests import Completion, PoolError, Refusal, Request
from dobby_pipeline.progress import Progress, Report
from dobby_pipeline.quality.evidence import evidence, known_names
from dobby_pipeline.quality.gate import PUBLISHED, QUARANTINED, Candidate, judge
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.schema.relations import SUMMARY_BODIES
from dobby_pipeline.summaries.large import LargeSymbol, Question
from dobby_pipeline.summaries.plan import Pages, Planned, Recipe, plan
from dobby_pipeline.summaries.prompts import Prompt, Prompts, outline
from dobby_pipeline.summaries.tally import SAMPLES, Tally

MAX_NEW_TOKENS = 60
"""Two sentences of SmolLM2 and of Qwen2.5-Coder end within it; what does not is cut to whole
sentences, and the gate sees that it was."""

MAX_SENTENCES = 2
"""What the prompt asks for. Small models go on, and what they add repeats what they said."""

COMMIT_EVERY = 16
COMMIT_EVERY_S = 2.0
"""A batch is committed when either is reached: a kill costs at most this much work."""

LARGE_AT_ONCE = 100
"""Large symbols that go through their stages together. At the end of a stage sessions stand idle
until the last is done, so not one by one; and their answers wait in memory, so not all at once."""

_SENTENCE_END = re.compile(r"[.!?][\"'`)]*(?=\s+[A-Z`\"'(]|\s*$)")

_CODE = """
keys[path, symbol] <- $keys
?[path, symbol, name, kind, language, signature, code, inner, parts] :=
    keys[path, symbol],
    *source_records{
        repo: $repo, path, symbol, name, kind, language, signature, code, inner, parts
    }
"""

_SAID = """
keys[summary_key] <- $keys
?[summary_key, text, status, reasons] :=
    keys[summary_key], *summary_bodies{summary_key, text, status, reasons}
"""


class Pool(Protocol):
    """What generation needs of the session pool."""

    @property
    def device(self) -> str:
        """`metal`, `cuda` or `cpu`."""
        ...

    def generate(self, requests: Iterator[Request]) -> Iterator[Completion | Refusal]:
        """Pull requests as sessions come free and yield what is finished, in any order."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that is under way.

    Attributes:
        references: rows that wait for the answer; none for a part.
        notes: what the answer's reasons say besides the gate's.
        about: what the gate holds the answer against, without the answer.
    """

    prompt: Prompt
    references: list[Row]
    notes: list[str]
    about: Candidate


@dataclass
class SymbolSummaries:
    """The summaries of one repository's symbols, made as they are drained.

    Attributes:
        commit: that the records were read at.
        recipe: of a symbol that is shown as a whole.
        open_pool: called once, and only if something is missing.
        limit: only the first so many records, in key order, are generated; None for all.
    """

    store: CozoStore
    repo: str
    commit: str
    records: Pages
    recipe: Recipe
    prompts: Prompts
    open_pool: Callable[[], Pool]
    report: Report
    limit: int | None = None
    tally: Tally = field(default_factory=Tally, init=False)
    _device: str = field(default="", init=False)
    _known: KnownNames = field(default_factory=KnownNames, init=False)
    # A byte for each record: whether it had its summary, or was beyond the limit, when counted.
    _passed_over: bytearray = field(default_factory=bytearray, init=False)
    _waiting: dict[str, _Asked] = field(default_factory=dict[str, _Asked], init=False)
    _answered: set[str] = field(default_factory=set[str], init=False)
    _large: dict[str, LargeSymbol] = field(default_factory=dict[str, LargeSymbol], init=False)
    _ready: list[Row] = field(default_factory=list[Row], init=False)
    _uncommitted: dict[str, Row] = field(default_factory=dict[str, Row], init=False)

    def batches(self) -> Iterator[Sequence[Row]]:
        """Rows of `symbol_summaries`, in batches whose bodies are committed before them.

        Raises:
            PoolError: when generation cannot go on; what was yielded until then is kept.
            StoreError: when a batch cannot be committed.
        """
        for page in self._plan():
            yield [self._reference(planned) for planned in page if planned.present]
            self._count(page)
        self.tally.covered = self.tally.present
        self._report(f"{self.tally.present} were there")
        if self.tally.missing:
            yield from self._generate()

    def _plan(self) -> Iterator[list[Planned]]:
        large = self.recipe.of(self.prompts.large)
        return plan(self.store, self.records, self.recipe, large)

    def _count(self, page: list[Planned]) -> None:
        for planned in page:
            within = self.limit is None or self.tally.records < self.limit
            self.tally.records += 1
            self.tally.present += planned.present
            self.tally.missing += within and not planned.present
            self.tally.left_out += not within and not planned.present
            self._passed_over.append(planned.present or not within)

    def _generate(self) -> Iterator[Sequence[Row]]:
        pool = self.open_pool()
        self._device = pool.device
        self._known = known_names(self.store, self.repo)
        started = committed_at = time.monotonic()
        try:
            for requests in self._stages():
                for result in pool.generate(requests):
                    self._take(result)
                    now = time.monotonic()
                    self.tally.seconds = now - started
                    is_full = len(self._uncommitted) >= COMMIT_EVERY
                    if is_full or now - committed_at >= COMMIT_EVERY_S:
                        yield self._commit()
                        committed_at = now
                        self._report(f"{self.tally.records_a_minute:.0f} a minute")
                yield self._commit()
        except PoolError:
            yield self._commit()  # what was finished is kept
            raise
        yield self._commit()

    def _stages(self) -> Iterator[Iterator[Request]]:
        """Requests for what is missing, each stage to be drained before the next is pulled."""
        pages = self._missing()
        for page in pages:
            yield self._first_stage(chain([page], pages))
            while self._large:
                large, self._large = list(self._large.values()), {}
                yield self._next_stage(large)

    def _missing(self) -> Iterator[list[Planned]]:
        """The records that were missing when they were counted and still are, page by page.

        Symbols of equal code share a summary, so that some have got theirs since.
        """
        passed_over = iter(self._passed_over)
        for page in self._plan():
            self._answered = set(self._uncommitted)  # later than that, the plan does not know
            missing = [planned for planned in page if not next(passed_over, False)]
            self._ready += [self._reference(planned) for planned in missing if planned.present]
            yield [planned for planned in missing if not planned.present]

    def _first_stage(self, pages: Iterator[list[Planned]]) -> Iterator[Request]:
        """Symbols as a whole, and the parts of large ones until there are LARGE_AT_ONCE."""
        for page in pages:
            records = self._records(page)
            for planned in page:
                key, reference = planned.summary_key, self._reference(planned)
                if key in self._waiting:
                    self._waiting[key].references.append(reference)
                elif key in self._large:
                    self._large[key].references.append(reference)
                elif key in self._answered:
                    self._ready.append(reference)
                else:
                    record = records.pop((reference["path"], reference["symbol"]))
                    yield from self._ask_about(key, record, reference)
            if len(self._large) >= LARGE_AT_ONCE:
                return

    def _ask_about(self, key: str, record: Row, reference: Row) -> Iterator[Request]:
        code = record.pop("code")
        if record["parts"]:
            large = LargeSymbol(key, record, [reference])
            questions = large.about_parts(self.recipe, self.prompts, code)
            yield from self._ask_level(large, questions)
        else:
            prompt = self.prompts.symbol
            text = prompt.fill(
                language=record["language"],
                kind=record["kind"],
                code=outline(code, record["inner"]),
            )
            about = evidence(record, code, self._known)
            yield self._ask(Question(key, text, prompt), [reference], about)

    def _next_stage(self, symbols: list[LargeSymbol]) -> Iterator[Request]:
        """What is asked about large symbols when all that was asked about them is answered."""
        for large in symbols:
            yield from self._combine(large, self._said(large.keys))

    def _ask_level(self, large: LargeSymbol, questions: list[Question]) -> Iterator[Request]:
        """Ask what has no answer yet; where all have one, the next level follows at once."""
        said = self._said(large.keys)
        missing = [question for question in questions if question.key not in said]
        if not missing:
            yield from self._combine(large, said)
            return
        self._large[large.summary_key] = large
        for question in missing:
            if question.key not in self._waiting and question.key not in self._answered:
                yield self._ask(question, [], self._about(large, question))

    def _combine(self, large: LargeSymbol, said: dict[str, Row]) -> Iterator[Request]:
        """Ask for the symbol's summary, or for those of groups; quarantined ones are left out."""
        texts = {key: said[key]["text"] for key in large.keys if said[key]["status"] == PUBLISHED}
        large.note_left_out([said[key] for key in large.keys if key not in texts])
        if not texts:
            self._keep(
                self._unanswered(large.summary_key, self.prompts.large, large.left_out),
                large.references,
            )
            return
        questions = large.about_groups(self.recipe, self.prompts, texts)
        if questions[0].key == large.summary_key:
            about = self._about(large, questions[0])
            yield self._ask(questions[0], large.references, about, large.left_out)
        else:
            yield from self._ask_level(large, questions)

    def _reference(self, planned: Planned) -> Row:
        row = planned.row
        columns = ("path", "symbol", "content_hash", "start_line", "end_line")
        kept = {column: row[column] for column in columns}
        return {**kept, "commit": self.commit, "summary_key": planned.summary_key}

    def _about(self, large: LargeSymbol, question: Question) -> Candidate:
        """The signature, and what was shown: a part of the code, or summaries of parts."""
        return evidence(large.record, large.record["signature"], self._known, question.text)

    def _ask(
        self, question: Question, references: list[Row], about: Candidate, notes: Sequence[str] = ()
    ) -> Request:
        self._waiting[question.key] = _Asked(question.prompt, references, list(notes), about)
        return Request(question.key, question.text, question.prompt.system, MAX_NEW_TOKENS)

    def _records(self, page: list[Planned]) -> dict[tuple[str, str], Row]:
        keys = [[p.row["path"], p.row["symbol"]] for p in page]
        rows = self.store.run("read code", _CODE, {"repo": self.repo, "keys": keys}) if keys else []
        return {(row["path"], row["symbol"]): row for row in rows}

    def _said(self, keys: list[str]) -> dict[str, Row]:
        """The committed answers by key."""
        params = {"keys": [[key] for key in keys]}
        return {row["summary_key"]: row for row in self.store.run("read parts", _SAID, params)}

    def _take(self, result: Completion | Refusal) -> None:
        asked = self._waiting.pop(result.request_id)
        self._keep(self._body(result, asked), asked.references)

    def _keep(self, body: Row, references: list[Row]) -> None:
        """Hold a body and the rows that refer to it until the next commit."""
        self._uncommitted[body["summary_key"]] = body
        self._answered.add(body["summary_key"])
        self._ready += references
        self._tell(body, references)

    def _body(self, result: Completion | Refusal, asked: _Asked) -> Row:
        if isinstance(result, Refusal):
            reasons = [f"{result.reason}: {result.detail}", *asked.notes]
            body = self._unanswered(result.request_id, asked.prompt, reasons)
            return {**body, "prompt_tokens": result.prompt_tokens}
        text = whole_sentences(result.text, result.finish_reason)
        said = asked.about.saying(text, result.finish_reason, asked.prompt.instructions)
        verdict = judge(said)
        return {
            **self._provenance(result.request_id, asked.prompt),
            "text": text,
            "status": verdict.status,
            "reasons": [*verdict.reasons, *asked.notes],
            "origin": "generated",
            "prompt_tokens": result.prompt_tokens,
            "output_tokens": result.output_tokens,
            "ms": result.ms,
            "confidence": result.confidence,
            "finish_reason": result.finish_reason,
        }

    def _unanswered(self, key: str, prompt: Prompt, reasons: list[str]) -> Row:
        """The body of a summary for which the model said nothing."""
        return {
            **self._provenance(key, prompt),
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

    def _provenance(self, key: str, prompt: Prompt) -> Row:
        return {
            "summary_key": key,
            "model": self.recipe.model,
            "model_revision": self.recipe.model_revision,
            "prompt_version": prompt.version,
            "device": self._device,
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }

    def _tell(self, body: Row, rows: list[Row]) -> None:
        tally = self.tally
        tally.generated += 1
        tally.prompt_tokens += body["prompt_tokens"]
        tally.output_tokens += body["output_tokens"]
        tally.parts += not rows
        if body["status"] == PUBLISHED:
            tally.published += 1
            if rows and len(tally.samples) < SAMPLES:
                tally.samples.append((rows[0]["path"], rows[0]["symbol"], body["text"]))

    def _commit(self) -> list[Row]:
        """Commit the bodies, then hand out the rows that refer to them."""
        if self._uncommitted:
            params = {"rows": SUMMARY_BODIES.rows(self._uncommitted.values())}
            self.store.run("write summary_bodies", SUMMARY_BODIES.put(), params, write=True)
        rows = self._ready
        self._uncommitted, self._ready = {}, []
        self.tally.covered += len(rows)
        return rows

    def _report(self, note: str) -> None:
        done, total = self.tally.covered, self.tally.present + self.tally.missing
        self.report(Progress("symbol_summaries", self.repo, done, total, "summaries", note))


def whole_sentences(text: str, finish_reason: str) -> str:
    """The first MAX_SENTENCES sentences of the first paragraph.

    The sentence that the token limit cut is left out; where it is the only one it stays as it
    is, for the gate to refuse.
    """
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    ends = [match.end() for match in _SENTENCE_END.finditer(paragraph)]
    if len(ends) >= MAX_SENTENCES:
        return paragraph[: ends[MAX_SENTENCES - 1]]
    return paragraph[: ends[-1]] if ends and finish_reason == "length" else paragraph
