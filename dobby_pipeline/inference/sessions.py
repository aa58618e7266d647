"""The sessions: one model, and a row of keys and values for each prompt that is being answered.

Once its prompt is read (reading.py) each session is advanced one token at a time, all of them in
one step. All of it belongs to the one thread that made it, as MLX's streams do. Not here: threads
and queues (worker.py), who may start (admission.py).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dobby_pipeline.inference.admission import Job
from dobby_pipeline.inference.blas_threads import BlasThreads
from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.cpu_network import on_cpu
from dobby_pipeline.inference.device import Kind, import_mlx, wire_memory
from dobby_pipeline.inference.kv_cache import (
    Layer,
    resized,
    resized_layers,
    step_caches,
    write_rows,
)
from dobby_pipeline.inference.reading import Reader, Reading
from dobby_pipeline.inference.requests import Finished, FinishReason, Sampling
from dobby_pipeline.inference.sampling import Chooser, row_key
from dobby_pipeline.inference.stops import Stops
from dobby_pipeline.inference.weights import Model
from dobby_pipeline.inference.work import Work

PREFILL_BETWEEN = {"cpu": 4_096, "metal": 16_384, "cuda": 32_768}
"""Prompt tokens computed at most between two tokens of a running session, so that none starves."""

ATTEND_STEP = {"cpu": 32, "metal": 128, "cuda": 128}
"""A step looks at as many tokens of each row as the longest has, rounded up to a multiple: on a
GPU every length is compiled by itself."""

ROWS_STEP = 16


@dataclass(slots=True)
class _Session:
    """A job in its row.

    Attributes:
        length: tokens of the row that hold keys and values.
        logprob: sum over its tokens.
        text: of its tokens, as far as their pieces tell.
    """

    job: Job
    row: int
    started: float
    tokens: list[int]
    length: int = 0
    logprob: float = 0.0
    text: str = ""


@dataclass(slots=True)
class _Step:
    """A token of each session, asked for and maybe not computed yet.

    Attributes:
        rows: of the sessions when it was asked for.
        tokens, logprobs: [rows].
    """

    sessions: list[_Session]
    rows: list[int]
    tokens: Any
    logprobs: Any


class Sessions:
    """Sessions over one model, advanced one token at a time; `work` is what they have done."""

    def __init__(
        self,
        model: Model,
        chat: Chat,
        kind: Kind,
        sampling: Sampling,
        *,
        sessions: int,
        memory_limit: int,
    ) -> None:
        self.work = Work()
        self._mx = import_mlx()
        own = on_cpu(model.network) if kind == "cpu" else None
        self._network: Any = own or model.network
        self._kind: Kind = kind
        self._most = sessions
        self._sampling = sampling
        self._choose = Chooser(sampling, kind)
        self._stops = Stops(chat, sampling.stop)
        self._reader = Reader(self._network, kind, self.work)
        self._threads = BlasThreads() if kind == "cpu" else None
        self._active: dict[int, _Session] = {}  # by their job's number
        self._running: dict[int, _Session] = {}  # by row
        self._read_since = 0
        self._pending: _Step | None = None
        # All arrays that a step reads and replaces: on a GPU it is compiled over them.
        self._state: dict[str, Any] = {}
        self._changed: set[int] = set()
        self._steps: dict[int, Callable[[], tuple[Any, Any]]] = {}
        wire_memory(kind, memory_limit)

    @property
    def active(self) -> list[Job]:
        """The jobs that have a session."""
        return [session.job for session in self._active.values()]

    def admit(self, jobs: Sequence[Job]) -> None:
        """Give each job a session. There must be room for them."""
        now = time.monotonic()
        taken = {session.row for session in self._active.values()}
        free = (row for row in range(self._most) if row not in taken)
        self._active |= {job.uid: _Session(job, next(free), now, []) for job in jobs}
        self._reader.add(jobs)

    def step(self, *, filling: bool = False) -> list[Finished]:
        """Read a part of the prompts that wait, or compute a token of each session.

        Args:
            filling: whether more jobs will come soon.
        """
        if self._threads:
            self._threads.adjust()
        starving = self._running and self._read_since >= PREFILL_BETWEEN[self._kind]
        if self._reader.waits and not starving:
            count, reading = self._reader.read()
            self._read_since += count
            if reading:
                self._begin(reading)
            return []
        self._read_since = 0
        if not self._running:
            return []
        if not filling and not self._reader.waits:
            self._shrink()
        step = self._asked()
        if self._kind != "cpu":  # where there is nothing to overlap with: numpy has computed it
            step, self._pending = self._pending, step
        finished = self._taken(step) if step else []
        if not self._running:
            self._pending = None
        return finished

    def clear(self) -> None:
        """Drop all sessions."""
        self._active.clear()
        self._running.clear()
        self._reader.clear()
        self._changed.clear()
        self._state.clear()
        self._pending = None

    def close(self) -> None:
        """Free what they hold."""
        self.clear()
        self._reader.close()
        self._steps.clear()

    def _begin(self, reading: Reading) -> None:
        """Have the sessions of a batch that is read write from the next step on."""
        layers, sessions = reading.layers, [self._active[job.uid] for job in reading.jobs]
        self._make_room(layers)
        write_rows(self._state["layers"], [session.row for session in sessions], layers)
        for session in sessions:
            session.length = len(session.job.tokens) - 1
            self._running[session.row] = session
            self._changed.add(session.row)

    def _make_room(self, like: list[Layer]) -> None:
        """Rows for all that have a session, read or not, since each new shape copies what there is.

        Args:
            like: keys and values of each layer, of any size.
        """
        rows = max(session.row for session in self._active.values()) + 1
        capacity = max(like[0][0].shape[2], *(job.length for job in self.active))
        most = max(job.max_tokens for job in self.active)
        have_rows, have, have_most = self._shape() if self._running else (0, 0, 0)
        if not have_rows:
            self._changed.clear()  # rows of arrays that are replaced: MLX writes beyond an end
        if rows > have_rows or capacity > have or most > have_most:
            rows = max(have_rows, min(self._most, -(-rows // ROWS_STEP) * ROWS_STEP))
            shape = rows, max(capacity, have), max(most, have_most)
            self._reshape(list(range(have_rows)), *shape, like=like)

    def _shape(self) -> tuple[int, int, int]:
        """Rows, the tokens that each has room for, and new ones among them at most."""
        keys = self._state["layers"][0][0]
        return keys.shape[0], keys.shape[2], self._state["written"].shape[1]

    def _shrink(self) -> None:
        """Fewer rows, once half of them or more are empty and nobody waits for one."""
        rows, capacity, most = self._shape()
        needed = min(self._most, -(-len(self._running) // ROWS_STEP) * ROWS_STEP)
        if 2 * needed > rows:
            return
        self._update()
        keep = sorted(self._running)
        self._reshape(keep, needed, capacity, most, like=self._state["layers"][:])
        self._running = {new: self._running[row] for new, row in enumerate(keep)}
        for row, session in self._running.items():
            session.row = row

    def _reshape(
        self, keep: list[int], rows: int, capacity: int, most: int, *, like: list[Layer]
    ) -> None:
        mx, state = self._mx, self._state
        layers = state.pop("layers", [])
        state["layers"] = resized_layers(layers, like, keep, rows, capacity)
        for name, width, dtype in (
            ("tokens", (), mx.int32),
            ("lengths", (), mx.int32),
            ("active", (), mx.int32),
            ("made", (), mx.int32),
            ("written", (most,), mx.int32),
            ("random", (2,), mx.uint32),
        ):
            old = state[name] if keep else mx.zeros((0, *width), dtype)
            state[name] = resized(old, keep, (rows, *width))

    def _update(self) -> None:
        """Tell the device which rows have a new session or none."""
        if not self._changed:
            return
        mx, state = self._mx, self._state
        rows = sorted(self._changed)
        index = mx.array(rows)
        begun = [self._running.get(row) for row in rows]
        values = {
            "tokens": [s.job.tokens[-1] if s else 0 for s in begun],
            "lengths": [s.length if s else 0 for s in begun],
            "active": [1 if s else 0 for s in begun],
            "made": [0] * len(rows),
            "random": [row_key(self._sampling.seed, s.job.tokens) if s else (0, 0) for s in begun],
        }
        for name, column in values.items():
            state[name][index] = mx.array(column, state[name].dtype)
        self._changed.clear()

    def _asked(self) -> _Step:
        """Ask for the next token of each running session."""
        self._update()
        sessions = list(self._running.values())
        for session in sessions:
            session.length += 1
        size = ATTEND_STEP[self._kind]
        longest = max(session.length for session in sessions)
        attended = min(-(-longest // size) * size, self._shape()[1])
        tokens, logprobs = self._compiled(attended)()
        self._mx.async_eval(tokens, logprobs, self._state)
        return _Step(sessions, [session.row for session in sessions], tokens, logprobs)

    def _compiled(self, attended: int) -> Callable[[], tuple[Any, Any]]:
        step = self._steps.get(attended)
        if step is None:
            step = partial(self._forward, attended)
            if self._kind != "cpu":
                step = self._mx.compile(step, inputs=self._state, outputs=self._state)
            self._steps[attended] = step
        return step

    def _forward(self, attended: int) -> tuple[Any, Any]:
        """One token of each row, and its log-probability; replaces the state's arrays."""
        mx, state = self._mx, self._state
        lengths, made, active = state["lengths"], state["made"], state["active"]
        caches = step_caches(state["layers"], lengths, active, attended)
        logits = self._network(state["tokens"][:, None], cache=caches)[:, -1]
        random = state["random"] + mx.stack([made, mx.zeros_like(made)], axis=1)
        tokens, logprobs = self._choose(logits, state["written"], made, random.astype(mx.uint32))
        if self._choose.needs_history:
            place = mx.minimum(made, state["written"].shape[1] - 1)[:, None]
            state["written"] = mx.put_along_axis(state["written"], place, tokens[:, None], axis=1)
        state["tokens"] = tokens
        state["lengths"] = lengths + active
        state["made"] = made + active
        return tokens, logprobs

    def _taken(self, step: _Step) -> list[Finished]:
        """Give each session its token; returns those that are done."""
        tokens: list[int] = np.asarray(step.tokens).tolist()
        logprobs: list[float] = np.asarray(step.logprobs).tolist()
        finished: list[Finished] = []
        for session, row in zip(step.sessions, step.rows, strict=True):
            if self._running.get(session.row) is session:  # or it ended one step before
                reason = self._advance(session, tokens[row], logprobs[row])
                if reason:
                    finished.append(self._finished(session, reason))
        return finished

    def _advance(self, session: _Session, token: int, logprob: float) -> FinishReason | None:
        """Add a token to its session; returns why that was the last one."""
        if token in self._stops.tokens:
            return "stop"
        session.tokens.append(token)
        self.work.written += 1
        session.logprob += logprob
        session.text += self._stops.piece(token)
        if self._stops.end(session.text, token):
            return "stop"
        return "length" if len(session.tokens) >= session.job.max_tokens else None

    def _finished(self, session: _Session, reason: FinishReason) -> Finished:
        del self._running[session.row]
        del self._active[session.job.uid]
        self._changed.add(session.row)
        count = len(session.tokens)
        return Finished(
            uid=session.job.uid,
            tokens=session.tokens,
            finish_reason=reason,
            ms=round(1000 * (time.monotonic() - session.started)),
            confidence=session.logprob / count if count else 0.0,
        )
