"""Roll-ups: one summary from the summaries below it, by way of partial ones where they are many.

Not here: what is below a file or a directory (children.py), and who asks (answers.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.children import Child, child_hash
from dobby_pipeline.quality.gate import PUBLISHED, Candidate
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.summaries.answers import Answers, Question
from dobby_pipeline.summaries.prompts import Prompt
from dobby_pipeline.summaries.recipe import Recipe, bodies_of, present_keys
from dobby_pipeline.summaries.work import Wanted

MAX_CHILDREN = 12
"""Summaries that one prompt shows: of 80 tokens and a name each, some 1,200 tokens. Counted, not
measured, so that a text that changes moves no other from one group to the next."""

OWN_WORDS = "Its authors say:"
"""Before what the authors say about the whole."""

NODES_AT_ONCE = 200
"""Roll-ups with more children than that go through their stages together, so many at a time."""


@dataclass
class Node:
    """One roll-up, on its way to its summary.

    Attributes:
        level: `file` or `repo`, as the gate's limits know them.
        name: for the prompt; empty for a repository, so that forks share its summary.
        children: all that is below, in order.
        content_hash: of all that it is made from.
        recipe: model, prompt and sampling.
        reference: the row that waits for the summary, without key and hash; None where only what
            is above waits.
        extracts: texts that may stand in for it.
        about: what the authors say about the whole; only the last prompt shows it.
        shown: what is combined next: the children, or the partial summaries of groups of them.
    """

    level: str
    name: str
    language: str
    children: Sequence[Child]
    content_hash: str
    prompt: Prompt
    recipe: Recipe
    reference: Row
    extracts: Sequence[str]
    about: str = ""
    shown: list[Child] = field(init=False)
    _groups: list[tuple[str, list[Child]]] = field(
        default_factory=list[tuple[str, list[Child]]], init=False
    )
    _left_out: list[str] = field(default_factory=list[str], init=False)

    def __post_init__(self) -> None:
        self.shown = list(self.children)

    @cached_property
    def summary_key(self) -> str:
        """Of the summary that it should have."""
        return self._key(self.content_hash)

    @property
    def row(self) -> Row:
        """The reference, whole."""
        told = {"summary_key": self.summary_key, "content_hash": self.content_hash}
        return {**self.reference, **told}

    @property
    def is_last_step(self) -> bool:
        """Whether what is shown next fits one prompt."""
        return len(self.shown) <= MAX_CHILDREN

    def question(self, known: KnownNames) -> Question:
        """The question that gives its own summary."""
        return self._question(self.summary_key, self.shown, known, [self.row], self.about)

    def partial_questions(self, known: KnownNames) -> list[Question]:
        """A question for each group of what is shown; a last one that is alone goes on as it is."""
        groups = [
            self.shown[start : start + MAX_CHILDREN]
            for start in range(0, len(self.shown), MAX_CHILDREN)
        ]
        self._groups = [
            (self._key(child_hash(group)) if len(group) > 1 else "", group) for group in groups
        ]
        return [self._question(key, group, known, []) for key, group in self._groups if key]

    @property
    def partial_keys(self) -> list[str]:
        """Of the groups that were asked about last."""
        return [key for key, _ in self._groups if key]

    def combine(self, said: dict[str, Row]) -> None:
        """Put the groups' summaries in the place of what they were made from.

        A group whose summary is quarantined is left out, and the reasons say so.
        """
        self.shown = []
        for key, group in self._groups:
            if not key:
                self.shown += group
            elif said[key]["status"] == PUBLISHED:
                name = f"{group[0].name} to {group[-1].name}"
                self.shown.append(Child(name, said[key]["text"]))
            else:
                self._left_out.append(
                    f"left_out: a group of {len(group)}: {said[key]['reasons'][0]}"
                )
        self._groups = []

    def _key(self, content_hash: str) -> str:
        return self.recipe.of(self.prompt).summary_key(
            content_hash=content_hash,
            language=self.language,
            kind=self.level,
            children=(self.name,),
        )

    def _question(
        self,
        key: str,
        shown: Sequence[Child],
        known: KnownNames,
        references: list[Row],
        about: str = "",
    ) -> Question:
        lines = "\n".join(child.line for child in shown)
        own = f"{OWN_WORDS} {' '.join(about.split())}\n\n" if about else ""
        text = self.prompt.fill(name=self.name, language=self.language, summaries=lines, about=own)
        candidate = Candidate(
            text="",
            language=self.language,
            known_names=known,
            children=(f"{self.name}\n{about}\n{lines}",),
            level=self.level,
            about=about,
        )
        extracts = self.extracts if references else ()
        return Question(key, text, self.prompt, candidate, references, self._left_out, extracts)


@dataclass
class RollUps:
    """One writer's questions about roll-ups."""

    store: CozoStore
    known: KnownNames
    answers: Answers
    _open: list[Node] = field(default_factory=list[Node], init=False)

    def stages(self, pages: Iterator[list[Wanted[Node]]]) -> Iterator[Iterator[Question]]:
        """Questions about nodes that have no summary, each stage to be drained before the next."""
        for page in pages:
            yield self._first_stage(chain([page], pages))
            while self._open:
                waiting, self._open = self._open, []
                yield self._next_stage(waiting)

    def _first_stage(self, pages: Iterator[list[Wanted[Node]]]) -> Iterator[Question]:
        for page in pages:
            for wanted in page:
                yield from self._step(wanted.subject)
            if len(self._open) >= NODES_AT_ONCE:
                return

    def _next_stage(self, waiting: list[Node]) -> Iterator[Question]:
        for node in waiting:
            node.combine(bodies_of(self.store, node.partial_keys))
            yield from self._step(node)

    def _step(self, node: Node) -> Iterator[Question]:
        if not node.shown:
            self.answers.give_up(node.question(self.known))
        elif node.is_last_step:
            yield node.question(self.known)
        else:
            yield from self._partial(node)

    def _partial(self, node: Node) -> Iterator[Question]:
        """Ask about the groups that have no summary; where all have one, go on at once."""
        questions = node.partial_questions(self.known)
        present = present_keys(self.store, node.partial_keys)
        missing = [question for question in questions if question.key not in present]
        if missing:
            self._open.append(node)
            yield from missing
        else:
            node.combine(bodies_of(self.store, node.partial_keys))
            yield from self._step(node)
