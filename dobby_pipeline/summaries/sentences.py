"""A model's or author's text cut to its first whole sentences."""

import re

_SENTENCE_END = re.compile(r"[.!?][\"'`)]*(?=\s+[A-Z`\"'(]|\s*$)")


def whole_sentences(text: str, finish_reason: str, most: int) -> str:
    """The first `most` sentences of the first paragraph.

    The sentence that the token limit cut is left out; where it is the only one it stays as it
    is, for the gate to refuse.
    """
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    ends = [match.end() for match in _SENTENCE_END.finditer(paragraph)]
    if len(ends) >= most:
        return paragraph[: ends[most - 1]]
    return paragraph[: ends[-1]] if ends and finish_reason == "length" else paragraph
