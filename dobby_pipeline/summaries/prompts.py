"""Prompts: the templates under prompts/, and a record filled into them.

Not here: chat markers and tokens, which are the model's (inference/). A template is a text
file with $names; its version is made from its bytes, so an edit shows in every summary key.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

Spans = Sequence[Sequence[int]]

_FOLDER = Path(__file__).parent / "prompts"


@dataclass(frozen=True)
class Prompt:
    """A template for one level.

    Attributes:
        version: level and the first 12 hex digits of the SHA-256 of both texts.
        system: the system message.
        user: the user message with $names.
    """

    version: str
    system: str
    user: str

    def fill(self, **values: object) -> str:
        """The user message with a value for each of its $names. No value is itself expanded."""
        return Template(self.user).substitute(values)

    @property
    def instructions(self) -> str:
        """The prompt's own words, which a summary must not repeat."""
        names = Template(self.user).get_identifiers()
        return f"{self.system}\n{self.fill(**dict.fromkeys(names, ''))}"


@dataclass(frozen=True)
class Prompts:
    """All that is asked about symbols.

    Attributes:
        symbol: about one that is shown as a whole; $language, $kind and $code.
        part: about a part of a large one; $part, $parts, $language, $kind, $name, $signature
            and $code.
        parts: about a large one, from what was said about its parts; $language, $kind,
            $signature and $summaries.
    """

    symbol: Prompt
    part: Prompt
    parts: Prompt

    @property
    def large(self) -> Prompt:
        """`parts`, where it gives a large symbol's own summary: the parts' prompt decides too."""
        return replace(self.parts, version=f"{self.part.version}+{self.parts.version}")


def load_prompt(level: str) -> Prompt:
    """The prompt of a level, such as `symbol`."""
    system, user = (
        (_FOLDER / f"{level}.{role}.txt").read_text("utf-8").strip() for role in ("system", "user")
    )
    digest = hashlib.sha256(f"{system}\0{user}".encode()).hexdigest()
    return Prompt(f"{level}-{digest[:12]}", system, user)


def load_prompts() -> Prompts:
    """The prompts about symbols."""
    return Prompts(load_prompt("symbol"), load_prompt("part"), load_prompt("parts"))


def outline(code: str, inner: Spans) -> str:
    """The code with each nested body replaced by an ellipsis: they have summaries of their own.

    Args:
        code: a record's code.
        inner: [start, end) character offsets into `code`, in order, not overlapping.
    """
    pieces: list[str] = []
    position = 0
    for start, end in inner:
        pieces += [code[position:start], "..."]
        position = end
    return "".join([*pieces, code[position:]])


def part_outline(code: str, inner: Spans, part: Sequence[int]) -> str:
    """The outline of one part; the parts' outlines together are the outline of the whole.

    Args:
        code: a record's code.
        inner: as in `outline`.
        part: [start, end) character offsets into `code`, neither of them within a nested body.
    """
    first, last = part
    own = [(start - first, end - first) for start, end in inner if first <= start < last]
    return outline(code[first:last], own)
