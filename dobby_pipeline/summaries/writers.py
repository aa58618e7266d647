"""The models of a run, and which of them writes the summary of what.

Not here: the rules that choose (routing.py), and how models are loaded (inference/).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from dobby_pipeline.inference.requests import Completion, Refusal, Request
from dobby_pipeline.summaries.recipe import Recipe


class Pool(Protocol):
    """What generation needs of the session pool."""

    @property
    def device(self) -> str:
        """`metal`, `cuda` or `cpu`."""
        ...

    def generate(self, requests: Iterator[Request]) -> Iterator[Completion | Refusal]:
        """Pull requests as sessions come free and yield what is finished, in any order."""
        ...


@dataclass(frozen=True)
class Writer:
    """A model that writes summaries.

    Attributes:
        recipe: its part in a summary's key; of no prompt yet.
        open_pool: called when something is asked, and not before.
    """

    recipe: Recipe
    open_pool: Callable[[], Pool]


class Subject(NamedTuple):
    """What a summary is to be about, as far as a rule may look at it.

    Attributes:
        level: `symbol`, `file` or `repo`; directories are of the level `repo`.
        language: as in records; of a file or repository, that of most of its records.
        kind: as in records; `file`, `directory` or `repo` above them.
        lines: of the code; 0 where it is not known.
        content_hash: of what is summarised.
    """

    level: str
    language: str
    kind: str
    lines: int
    content_hash: str


@dataclass(frozen=True)
class Writers:
    """The writers of a run by model name.

    Attributes:
        choose: the name of the model for a subject, one of `by_model`.
    """

    by_model: Mapping[str, Writer]
    choose: Callable[[Subject], str]

    def of(self, subject: Subject) -> Writer:
        """The writer of a subject's summary."""
        return self.by_model[self.choose(subject)]


def one_writer(writer: Writer) -> Writers:
    """A run with one model."""
    return Writers({writer.recipe.model: writer}, lambda _: writer.recipe.model)
