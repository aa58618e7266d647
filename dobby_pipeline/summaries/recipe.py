"""What a summary is known by, and which summaries are there already.

Not here: making summaries (answers.py).
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.summaries.prompts import Prompt

PRESENT = """
keys[k] <- $keys
?[summary_key, prompt_version] := keys[summary_key], *summary_bodies{summary_key, prompt_version}
"""

_BODIES = """
keys[summary_key] <- $keys
?[summary_key, text, status, reasons] :=
    keys[summary_key], *summary_bodies{summary_key, text, status, reasons}
"""

_REPAIRED = "+repair-"
"""In the prompt version of what needed a second attempt, before the version of its hints."""


@dataclass(frozen=True)
class Recipe:
    """All that decides a summary's text besides the code.

    Attributes:
        model: a manifest's name.
        model_revision: what the weights are, by hash or revision.
        prompt_version: as in `Prompt.version`.
        sampling: temperature, seed, limits: what the pool calls its sampling key.
    """

    model: str
    model_revision: str
    prompt_version: str
    sampling: str

    def of(self, prompt: Prompt) -> "Recipe":
        """The same with another prompt."""
        return _with_version(self, prompt.version)

    def summary_key(
        self, *, content_hash: str, language: str, kind: str, children: tuple[str, ...] = ()
    ) -> str:
        """SHA-256, in hex, over everything that the model was shown or told.

        The same code in another file, repository or fork has the same key, so it is never
        generated twice.

        Args:
            content_hash: of the code, or of the message that it was shown in.
            language: as in the record.
            kind: as in the record.
            children: what else it was made from, such as the parts of a large symbol or the
                summaries of its callees.
        """
        # One JSON list, put together by hand: of a plan's records most of it is the same.
        shown = ", ".join(map(_quoted, children))
        told = f"{_quoted(content_hash)}, {_word(language)}, {_word(kind)}, [{shown}]"
        return hashlib.sha256(f"[{told}, {self._told}]".encode()).hexdigest()

    @cached_property
    def _told(self) -> str:
        """Its own part of what a key is a hash of."""
        own = (self.prompt_version, self.model, self.model_revision, self.sampling)
        return ", ".join(map(_quoted, own))


_quoted = json.JSONEncoder().encode
_word = lru_cache(maxsize=1024)(_quoted)


@lru_cache(maxsize=256)  # asked for each record, and there are a dozen prompts
def _with_version(recipe: Recipe, version: str) -> Recipe:
    return replace(recipe, prompt_version=version)


def present_keys(store: CozoStore, keys: Iterable[str], repair: str = "") -> set[str]:
    """Those of `keys` that have a summary body: one point look-up a key.

    Args:
        repair: the version of today's repair hints; what other hints gave counts as missing.
            Empty where they do not matter.
    """
    params = {"keys": [[key] for key in keys]}
    with store.held("look up summary_bodies") as held:
        rows = held.values("look up summary_bodies", PRESENT, params)
    return {
        key
        for key, version in rows
        if _REPAIRED not in version or not repair or version.endswith(f"+{repair}")
    }


def bodies_of(store: CozoStore, keys: Iterable[str]) -> dict[str, Row]:
    """Text, status and reasons of the committed answers, by summary key."""
    params = {"keys": [[key] for key in keys]}
    return {row["summary_key"]: row for row in store.run("read summary_bodies", _BODIES, params)}
