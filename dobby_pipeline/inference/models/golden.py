"""Golden tokens: what a model's source says next after each token of a fixed text.

Not here: how it is computed (reference.py) and when (pull.py, listing.py). They are recorded from
the source when a model is pulled or converted, by other means than MLX, and lie with the weights:
so whatever goes wrong between the source and this machine's device shows as another token.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.models.reference import Weights, next_scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "golden.json"

TEXT = '''\
def parse_version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version such as '3.11.2', or raise ValueError."""
    parts = text.strip().split(".")
    if not all(part.isdigit() for part in parts):
        raise ValueError(f"not a version: {text!r}")
    return tuple(int(part) for part in parts)

# Three sentences about the café: it opens at 8, closes at 17, and costs 42 €.
'''
"""Code and prose, digits and letters beyond ASCII; 107 tokens of Qwen2.5."""

MARGINS = {4: 3.0}
"""A token counts where its score is so far above the next one's, by the bits that the weights were
quantised to on the way. Of Qwen2.5-Coder-0.5B 4 bits changed tokens with margins up to 0.84 (the
scores by 0.62 on the average), and 39 of 107 have 3."""

MARGIN = 1.0
"""The same for 8 bits and for bfloat16: they moved no score by more than 0.48, so no two by more
than 0.96, and changed a token with a margin of 0.04. 76 of 107 have 1."""


@dataclass(frozen=True, slots=True)
class Golden:
    """The tokens that a source gives.

    Attributes:
        text: that is read.
        prompt: its tokens.
        tokens: the likeliest token after each of them.
        margins: how far its score is above the second's.
        margin: the least margin that counts.
    """

    text: str
    prompt: list[int]
    tokens: list[int]
    margins: list[float]
    margin: float

    @property
    def places(self) -> list[int]:
        """The places that count."""
        return [place for place, margin in enumerate(self.margins) if margin >= self.margin]

    def differing(self, tokens: Sequence[int]) -> list[int]:
        """The places that count and have another token in `tokens`."""
        return [place for place in self.places if tokens[place] != self.tokens[place]]


def golden_of(weights: Weights, chat: Chat, bits: int | None = None) -> Golden:
    """Compute the tokens from a source, whose weights are quantised to `bits` afterwards."""
    import numpy as np

    prompt = chat.encode_text(TEXT)
    scores = next_scores(weights, prompt)
    second, first = np.sort(scores, axis=1)[:, -2:].T
    margins = [round(float(margin), 4) for margin in first - second]
    margin = MARGINS.get(bits or 0, MARGIN)
    return Golden(TEXT, prompt, likeliest(scores), margins, margin)


def likeliest(scores: "NDArray[np.float32]") -> list[int]:
    """The token with the highest score in each row."""
    return scores.argmax(axis=1).tolist()


def write_golden(folder: Path, golden: Golden) -> None:
    """Put the tokens beside the weights."""
    (folder / FILE).write_text(json.dumps(asdict(golden), ensure_ascii=False) + "\n", "utf-8")


def read_golden(folder: Path) -> Golden | None:
    """The tokens beside the weights, or None where none were recorded."""
    file = folder / FILE
    if not file.is_file():
        return None
    values: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return Golden(**values)
