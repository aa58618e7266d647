"""Large symbols: what is asked about their parts, and how the answers become one summary.

Not here: where the parts begin (sources/parts.py), and who asks and keeps the answers
(symbols.py).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.quality.gate import Candidate
from dobby_pipeline.summaries.answers import Question
from dobby_pipeline.summaries.prompts import Prompt, Prompts, part_outline
from dobby_pipeline.summaries.recipe import Recipe

MAX_SUMMARIES_BYTES = 4_000
"""Of the summaries that are put together at once, in UTF-8: some 900 tokens of English. Where
there are more, each group of so many becomes one, and then the groups' summaries are."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is asked about a part, or about several summaries.

    Attributes:
        key: summary key of the answer.
        text: the user message.
        prompt: what the text was filled into.
    """

    key: str
    text: str
    prompt: Prompt


@dataclass
class LargeSymbol:
    """A symbol that is read in parts, on its way to a summary.

    Attributes:
        summary_key: of the summary that it should have.
        record: its row of `source_records`; the code is not kept.
        references: rows that wait for the summary: symbols of equal code share it.
        keys: of what was asked last: the parts' summaries, later those of groups of them.
        extracts: texts that may stand in for the summary.
        left_out: why summaries were left out: nothing is dropped without a word.
    """

    summary_key: str
    record: Row
    references: list[Row]
    extracts: Sequence[str]
    keys: list[str] = field(default_factory=list[str])
    left_out: list[str] = field(default_factory=list[str])

    def about_parts(self, recipe: Recipe, prompts: Prompts, code: str) -> list[Step]:
        """The question about each part, in order; their keys are remembered."""
        record = self.record
        questions = [
            self._question(
                recipe,
                prompts.part,
                prompts.part.fill(
                    part=number,
                    parts=len(record["parts"]),
                    language=record["language"],
                    kind=record["kind"],
                    name=record["name"],
                    signature=record["signature"],
                    code=part_outline(code, record["inner"], part),
                ),
            )
            for number, part in enumerate(record["parts"], start=1)
        ]
        self.keys = [question.key for question in questions]
        return questions

    def question(self, text: str, prompt: Prompt, about: Candidate) -> Question:
        """The question that gives the symbol's own summary."""
        return Question(
            self.summary_key, text, prompt, about, self.references, self.left_out, self.extracts
        )

    def note_left_out(self, bodies: list[Row]) -> None:
        """Remember the quarantined summaries among those that were asked for last."""
        if bodies:
            why = bodies[0]["reasons"][0]
            self.left_out.append(
                f"left_out: {len(bodies)} of {len(self.keys)} parts, such as {why}"
            )

    def about_groups(
        self, recipe: Recipe, prompts: Prompts, summaries: dict[str, str]
    ) -> list[Step]:
        """The question that gives the symbol's own summary, or one for each group of summaries.

        Args:
            recipe: model and sampling.
            prompts: all of them.
            summaries: what was said so far by key, in order; not empty.
        """
        groups = _groups(list(summaries.items()))
        if len(groups) == 1:
            return [Step(self.summary_key, self._combine(prompts, groups[0]), prompts.large)]
        questions: list[Step] = []
        self.keys = []
        for group in groups:
            if len(group) == 1:  # the last one, when it is left alone, goes on as it is
                self.keys.append(group[0][0])
                continue
            text = self._combine(prompts, group)
            questions.append(self._question(recipe, prompts.parts, text))
            self.keys.append(questions[-1].key)
        return questions

    def _combine(self, prompts: Prompts, group: list[tuple[str, str]]) -> str:
        lines = [f"{number}. {text}" for number, (_, text) in enumerate(group, start=1)]
        return prompts.parts.fill(
            language=self.record["language"],
            kind=self.record["kind"],
            signature=self.record["signature"],
            summaries="\n".join(lines),
        )

    def _question(self, recipe: Recipe, prompt: Prompt, text: str) -> Step:
        key = recipe.of(prompt).summary_key(
            content_hash=hashlib.sha256(text.encode()).hexdigest(),
            language=self.record["language"],
            kind=self.record["kind"],
        )
        return Step(key, text, prompt)


def _groups(summaries: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """The summaries in order, in groups of MAX_SUMMARIES_BYTES at most, but of two at least.

    Two always fit: the longest summary is as long as MAX_NEW_TOKENS allows.
    """
    groups: list[list[tuple[str, str]]] = [[]]
    size = 0
    for key, text in summaries:
        size += len(text.encode())
        if size > MAX_SUMMARIES_BYTES and len(groups[-1]) > 1:
            groups.append([])
            size = len(text.encode())
        groups[-1].append((key, text))
    return groups
