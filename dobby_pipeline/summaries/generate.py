"""Summaries made: from the plan through the session pool and the gate into committed batches.

Not here: what needs a summary (plan.py), its prompt (prompts.py), the pool (inference/).
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Protocol

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.inference.requests import Completion, Refusal, Request
from dobby_pipeline.progress import Progress, Report
from dobby_pipeline.quality.gate import PUBLISHED, QUARANTINED, Candidate, judge
from dobby_pipeline.schema.relations import SUMMARY_BODIES
from dobby_pipeline.summaries.plan import Pages, Planned, Recipe, plan
from dobby_pipeline.summaries.prompts import Prompt, outline

MAX_NEW_TOKENS = 60
"""Two sentences of SmolLM2 and of Qwen2.5-Coder end within it; what does not is cut to whole
sentences, and the gate sees that it was."""

MAX_SENTENCES = 2
"""What the prompt asks for. Small models go on, and what they add repeats what they said."""

COMMIT_EVERY = 16
COMMIT_EVERY_S = 2.0
"""A batch is committed when either is reached: a kill costs at most this much work."""

SAMPLES = 6

_SENTENCE_END = re.compile(r"[.!?][\"'`)]*(?=\s+[A-Z`\"'(]|\s*$)")

_CODE = """
keys[path, symbol] <- $keys
?[path, symbol, code, inner] :=
    keys[path, symbol], *source_records{repo: $repo, path, symbol, code, inner}
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


@dataclass
class Tally:
    """What a run has done so far.

    Attributes:
        missing: records within the limit that had no summary.
        left_out: records beyond the limit that had none.
        covered: records that have one now.
        generated: summaries made; fewer than the records covered where code is equal.
        samples: (path, symbol, text) of the first few published summaries.
    """

    records: int = 0
    present: int = 0
    missing: int = 0
    left_out: int = 0
    covered: int = 0
    generated: int = 0
    published: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    samples: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])

    @property
    def records_a_minute(self) -> float:
        """Over the time from the first request to the last summary, loading left out."""
        return 60 * self.generated / self.seconds if self.seconds else 0.0


@dataclass
class SymbolSummaries:
    """The summaries of one repository's symbols, made as they are drained.

    Attributes:
        open_pool: called once, and only if something is missing.
        limit: only the first so many records, in key order, are generated; None for all.
    """

    store: CozoStore
    repo: str
    records: Pages
    recipe: Recipe
    prompt: Prompt
    open_pool: Callable[[], Pool]
    report: Report
    limit: int | None = None
    tally: Tally = field(default_factory=Tally, init=False)
    _waiting: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]], init=False)
    _ready: list[Row] = field(default_factory=list[Row], init=False)
    _uncommitted: dict[str, Row] = field(default_factory=dict[str, Row], init=False)

    def batches(self) -> Iterator[Sequence[Row]]:
        """Rows of `symbol_summaries`, in batches whose bodies are committed before them.

        Raises:
            PoolError: when generation cannot go on; what was yielded until then is kept.
            StoreError: when a batch cannot be committed.
        """
        for page in plan(self.store, self.records, self.recipe):
            yield [_reference(planned) for planned in page if planned.present]
            self._count(page)
        self.tally.covered = self.tally.present
        self._report(f"{self.tally.present} were there")
        if self.tally.missing:
            yield from self._generate()

    def _count(self, page: list[Planned]) -> None:
        for planned in page:
            within = self.limit is None or self.tally.records < self.limit
            self.tally.records += 1
            self.tally.present += planned.present
            self.tally.missing += within and not planned.present
            self.tally.left_out += not within and not planned.present

    def _generate(self) -> Iterator[Sequence[Row]]:
        pool = self.open_pool()
        started = committed_at = time.monotonic()
        for result in pool.generate(self._requests()):
            body = self._body(result, pool.device)
            self._uncommitted[result.request_id] = body
            rows = self._waiting.pop(result.request_id)
            self._ready += rows
            self._tell(body, rows)
            now = time.monotonic()
            self.tally.seconds = now - started
            if len(self._uncommitted) >= COMMIT_EVERY or now - committed_at >= COMMIT_EVERY_S:
                yield self._commit()
                committed_at = now
                self._report(f"{self.tally.records_a_minute:.0f} a minute")
        yield self._commit()

    def _requests(self) -> Iterator[Request]:
        """Requests for what is missing; symbols of equal code share one."""
        index = count()
        for page in plan(self.store, self.records, self.recipe):
            within = [p for p in page if self.limit is None or next(index) < self.limit]
            missing = [p for p in within if not p.present]
            code = self._code(missing)
            requested: set[str] = set()  # since the page was planned, so not seen by the plan
            for planned in missing:
                key, row = planned.summary_key, _reference(planned)
                if key in self._waiting:
                    self._waiting[key].append(row)
                elif key in requested or key in self._uncommitted:
                    self._ready.append(row)
                else:
                    requested.add(key)
                    self._waiting[key] = [row]
                    yield self._request(planned, code.pop((row["path"], row["symbol"])))

    def _request(self, planned: Planned, code: str) -> Request:
        row = planned.row
        prompt = self.prompt.fill(language=row["language"], kind=row["kind"], code=code)
        return Request(planned.summary_key, prompt, self.prompt.system, MAX_NEW_TOKENS)

    def _code(self, missing: list[Planned]) -> dict[tuple[str, str], str]:
        keys = [[p.row["path"], p.row["symbol"]] for p in missing]
        rows = self.store.run("read code", _CODE, {"repo": self.repo, "keys": keys}) if keys else []
        return {(r["path"], r["symbol"]): outline(r["code"], r["inner"]) for r in rows}

    def _body(self, result: Completion | Refusal, device: str) -> Row:
        body: Row = {
            "summary_key": result.request_id,
            "model": self.recipe.model,
            "model_revision": self.recipe.model_revision,
            "prompt_version": self.recipe.prompt_version,
            "device": device,
            "prompt_tokens": result.prompt_tokens,
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        if isinstance(result, Refusal):
            reason = f"{result.reason}: {result.detail}"
            return {**body, **_UNGENERATED, "status": QUARANTINED, "reasons": [reason]}
        text = whole_sentences(result.text, result.finish_reason)
        verdict = judge(Candidate(text, result.finish_reason, self.prompt.instructions))
        return {
            **body,
            "text": text,
            "status": verdict.status,
            "reasons": list(verdict.reasons),
            "origin": "generated",
            "output_tokens": result.output_tokens,
            "ms": result.ms,
            "confidence": result.confidence,
            "finish_reason": result.finish_reason,
        }

    def _tell(self, body: Row, rows: list[Row]) -> None:
        tally = self.tally
        tally.generated += 1
        tally.prompt_tokens += body["prompt_tokens"]
        tally.output_tokens += body["output_tokens"]
        if body["status"] == PUBLISHED:
            tally.published += 1
            if len(tally.samples) < SAMPLES:
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


_UNGENERATED: dict[str, Any] = {
    "text": "",
    "origin": "none",
    "output_tokens": 0,
    "ms": 0.0,
    "confidence": None,
    "finish_reason": "refused",
}


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


def _reference(planned: Planned) -> Row:
    row = planned.row
    columns = ("path", "symbol", "content_hash", "commit", "start_line", "end_line")
    return {**{column: row[column] for column in columns}, "summary_key": planned.summary_key}
