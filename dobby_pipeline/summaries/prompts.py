"""Prompts: the templates under prompts/, and a record filled into them.

Not here: chat markers and tokens, which are the model's (inference/), and the facts that a prompt
shows (code_facts.py). A template is a text file with $names; its version is made from its bytes,
so an edit shows in the keys of the summaries that are made with it, and of no others.

A file is named LEVEL.ROLE.txt; or LEVEL.KIND.ROLE.txt for one kind of symbol, LEVEL.types.ROLE.txt
for all kinds that define a type: the most special one there is counts. The role is `system` or
`user`. In LEVEL.examples.toml, or LEVEL.KIND.examples.toml, stand code and good answers about it:
the model gets them as turns before its own.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from string import Template

from dobby_pipeline.inference.requests import Turns
from dobby_pipeline.sources.records import KINDS
from dobby_pipeline.summaries.code_facts import FACTS_VERSION, TYPE_KINDS, read_code_facts

Spans = Sequence[Sequence[int]]

_LENGTHS = {"symbol": (60, 2), "file": (90, 3), "directory": (90, 3), "repo": (90, 3)}
"""Tokens and sentences of an answer by level, as the prompts ask for. Two sentences of SmolLM2 and
of Qwen2.5-Coder on a symbol end within 60 tokens; a list of what a file or repository is for takes
more. Other levels are as long as a symbol's."""

_FOLDER = Path(__file__).parent / "prompts"
_TICKS = re.compile("`+")


@dataclass(frozen=True)
class Prompt:
    """A template for one level.

    Attributes:
        version: the name of its file and the first 12 hex digits of the SHA-256 of all the rest,
            and of how facts are told where it shows them.
        system: the system message.
        user: the user message with $names.
        examples: user messages and answers, in the model's own turns before that.
        max_tokens: of an answer; what does not end within them is cut to whole sentences, and the
            gate sees that it was.
        sentences: that are kept of an answer. Small models go on, and what they add repeats what
            they said.
    """

    version: str
    system: str
    user: str
    max_tokens: int
    sentences: int
    examples: Turns = ()

    def fill(self, **values: object) -> str:
        """The user message with a value for each of its $names. No value is itself expanded.

        $fence needs none: it is a code fence that no value can close, because it is longer than
        every run of backticks in them.
        """
        return Template(self.user).substitute({"fence": _fence(values.values()), **values})

    @cached_property
    def instructions(self) -> str:
        """The prompt's own words, which a summary must not repeat."""
        turns = (text for turn in self.examples for text in turn)
        return "\n".join([self.system, *turns, self.bare])

    @property
    def answers(self) -> tuple[str, ...]:
        """Those of the examples, which are about other code."""
        return tuple(answer for _, answer in self.examples)

    @property
    def bare(self) -> str:
        """The user message with nothing filled in."""
        names = set(Template(self.user).get_identifiers()) - {"fence"}
        return self.fill(**dict.fromkeys(names, ""))


@dataclass(frozen=True)
class RepairHints:
    """What a second attempt is told about the first.

    Attributes:
        version: `repair-` and the first 12 hex digits of the SHA-256 of the hints' file.
        hints: a sentence for each rule of the gate, by the rule's name.
    """

    version: str
    hints: Mapping[str, str]

    def about(self, reasons: Iterable[str]) -> str:
        """The hints for a verdict's reasons, each once, in their order; empty where none is known.

        Args:
            reasons: each begins with its rule's name and a colon. Nothing else of them is told to
                the model: they quote what it must not say again.
        """
        rules = dict.fromkeys(reason.partition(":")[0] for reason in reasons)
        return " ".join(self.hints[rule] for rule in rules if rule in self.hints)


@dataclass(frozen=True)
class Prompts:
    """All that is asked.

    Attributes:
        symbol: about one that is shown as a whole; $title, such as "the python method `take`",
            $subject, such as "`take`", or "this method" where it has no name, $language, $kind,
            $code and $facts, lines that tell what is known about the code.
        part: about a part of a large one; $part, $parts, $language, $kind, $name, $signature
            and $code.
        parts: about a large one, from what was said about its parts; $language, $kind,
            $signature and $summaries.
        file: about a file, from what was said about its symbols; $name, $language, $summaries
            and $about, what its authors say, which is empty or a paragraph of its own.
        directory: about a directory, from its files and directories; $name, $summaries and $about.
        repo: about a repository, from the same; $summaries and $about.
        repair: what is added for a second attempt.
        kinds: instead of `symbol`, by kind.
    """

    symbol: Prompt
    part: Prompt
    parts: Prompt
    file: Prompt
    directory: Prompt
    repo: Prompt
    repair: RepairHints
    kinds: Mapping[str, Prompt] = field(default_factory=dict[str, Prompt])

    def of_kind(self, kind: str) -> Prompt:
        """About a symbol of this kind that is shown as a whole."""
        return self.kinds.get(kind, self.symbol)

    @property
    def large(self) -> Prompt:
        """`parts`, where it gives a large symbol's own summary: the parts' prompt decides too."""
        return replace(self.parts, version=f"{self.part.version}+{self.parts.version}")


def load_prompt(level: str, kind: str = "", folder: Path | None = None) -> Prompt:
    """The prompt of a level, such as `symbol`, or what is special about a kind.

    Args:
        level: the first part of its files' names.
        kind: of a symbol; empty for what is said to all.
        folder: another one than Dobby's own.
    """
    folder = folder or _FOLDER
    name, user = _text(folder, level, kind, "user")
    _, system = _text(folder, level, kind, "system")
    max_tokens, sentences = _LENGTHS.get(level, _LENGTHS["symbol"])
    bare = Prompt(name, system, user, max_tokens, sentences)
    examples = tuple(_example(bare, table) for table in _tables(folder, level, kind))
    whole = [system, user, str(max_tokens), str(sentences), *chain.from_iterable(examples)]
    whole += [FACTS_VERSION] if "facts" in Template(user).get_identifiers() else []
    digest = hashlib.sha256("\0".join(whole).encode()).hexdigest()
    return replace(bare, version=f"{name}-{digest[:12]}", examples=examples)


def load_repair_hints() -> RepairHints:
    """The sentences of repair.toml."""
    text = (_FOLDER / "repair.toml").read_text("utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return RepairHints(f"repair-{digest[:12]}", tomllib.loads(text))


def load_prompts() -> Prompts:
    """All prompts."""
    symbol = load_prompt("symbol")
    kinds = {kind: load_prompt("symbol", kind) for kind in sorted(KINDS)}
    return Prompts(
        symbol=symbol,
        part=load_prompt("part"),
        parts=load_prompt("parts"),
        file=load_prompt("file"),
        directory=load_prompt("directory"),
        repo=load_prompt("repo"),
        repair=load_repair_hints(),
        kinds={kind: prompt for kind, prompt in kinds.items() if prompt != symbol},
    )


def symbol_text(
    prompt: Prompt,
    *,
    language: str,
    kind: str,
    code: str,
    inner: Spans = (),
    callees: Iterable[str] = (),
) -> str:
    """The user message about a symbol that is shown as a whole.

    Args:
        prompt: of its kind.
        language: as in the record.
        kind: as in the record.
        code: the record's.
        inner: as in `outline`.
        callees: lines about what it calls.
    """
    facts = read_code_facts(language, kind, code)
    return prompt.fill(
        language=language,
        kind=kind,
        title=f"the {language} {kind} `{facts.name}`" if facts.name else f"a {language} {kind}",
        subject=f"`{facts.name}`" if facts.name else f"this {kind}",
        facts="".join(f"{line}\n" for line in (*facts.lines, *callees)),
        code=outline(code, inner),
    )


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


def _text(folder: Path, level: str, kind: str, role: str) -> tuple[str, str]:
    """The most special file's name, without the role, and its text."""
    found = _most_special(folder, level, kind, f"{role}.txt")
    return found, (folder / f"{found}.{role}.txt").read_text("utf-8").strip()


def _tables(folder: Path, level: str, kind: str) -> list[dict[str, str]]:
    """The examples; none where there is no file of them."""
    file = folder / f"{_most_special(folder, level, kind, 'examples.toml')}.examples.toml"
    return tomllib.loads(file.read_text("utf-8"))["example"] if file.is_file() else []


def _example(prompt: Prompt, table: Mapping[str, str]) -> tuple[str, str]:
    code = table["code"].rstrip("\n")
    asked = symbol_text(prompt, language=table["language"], kind=table["kind"], code=code)
    return asked, table["answer"]


def _most_special(folder: Path, level: str, kind: str, ending: str) -> str:
    names = [f"{level}.{kind}"] if kind else []
    names += [f"{level}.types"] if kind in TYPE_KINDS else []
    return next((name for name in names if (folder / f"{name}.{ending}").is_file()), level)


def _fence(values: Iterable[object]) -> str:
    """Backticks: one more than the longest run of them in the values, and three at least."""
    longest = max((len(run) for value in values for run in _TICKS.findall(str(value))), default=0)
    return "`" * max(3, longest + 1)
