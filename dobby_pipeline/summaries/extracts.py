"""Extractive summaries: what stands in where no model's summary passed the gate.

Each is taken from what is stored, says no more than that, and is marked as extractive. Not here:
whether it may be served (quality/gate.py).
"""

from collections.abc import Mapping, Sequence

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.quality.language_names import proper_name
from dobby_pipeline.summaries.sentences import whole_sentences

MAX_SIGNATURE = 200
"""Characters of a signature that are repeated."""

MIN_WORDS = 3
"""Words of a docstring that say something: of `Run.` the signature says more."""

MAX_NAMES = 8
"""Names that a list says before it says how many more there are."""


def symbol_extracts(record: Row) -> list[str]:
    """The first sentences of the docstring or leading comment, and the signature.

    Args:
        record: a row of `source_records` with docstring, signature, symbol, kind and language.
    """
    extracts = own_words(record["docstring"])
    signature = " ".join(record["signature"].split())
    what = f"{proper_name(record['language'])} {record['kind']}".strip()
    name = f"`{record['symbol']}` is {_article(what)} {what}"
    if signature and "`" not in signature and len(signature) <= MAX_SIGNATURE:
        extracts.append(f"{name}, declared as `{signature}`.")
    return [*extracts, f"{name}."]


def own_words(doc: str) -> list[str]:
    """The first two sentences that the authors wrote about it; none where they say nothing."""
    said = whole_sentences(doc, "stop", 2)
    whole = said if said[-1:] in ".!?" else f"{said}."
    return [whole] if len(said.split()) >= MIN_WORDS else []


def file_extract(language: str, names: Mapping[str, Sequence[str]]) -> str:
    """What a file holds.

    Args:
        language: of the file.
        names: its outermost symbols by kind, such as `function`.
    """
    lists = [f"the {_plural(kind, names[kind])} {_listed(names[kind])}" for kind in sorted(names)]
    held = "; ".join(lists) or "no symbols"
    return f"A {proper_name(language)} file that holds {held}."


def folder_extract(kind: str, names: Sequence[str]) -> str:
    """What a directory or repository holds: the names of its files and directories."""
    return f"A {kind} that holds {_listed(names) or 'no code that is summarised'}."


def _article(what: str) -> str:
    return "an" if what[:1].lower() in "aeiou" else "a"


def _plural(kind: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return kind
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _listed(names: Sequence[str]) -> str:
    shown = [f"`{name}`" for name in names[:MAX_NAMES] if "`" not in name]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
