"""Control tokens in a message, made plain text for a server whose tokenizer knows them.

Not here: the pool on this machine, which tokenises messages with no control token known
(chat.py) and needs none of this.

A server renders its chat template with the messages in it and tokenises the whole: a
`<|im_end|>` in code would end the user's message there, and what follows could pass for an
instruction or for the model's own words. No option of the API says otherwise. So a WORD JOINER
(U+2060, no width, and kept by Unicode normalisation) is put after the first character of each
control token: to a reader it is the same text, to a tokenizer it is no token any more. On the
way back the joiners are taken out of the answer.
"""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

JOINER = "\u2060"

_SHAPES = (
    r"<[|｜][^<>\s]{1,60}?[|｜]>",  # ChatML, Llama 3, Phi; DeepSeek with full-width bars
    r"</?s>",
    r"<</?SYS>>",
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]",
    r"</?(?:bos|eos|pad|unk|mask|think|tool_call|tool_response|start_of_turn|end_of_turn)>",
    r"<(?:start_of_image|end_of_image|fim_prefix|fim_middle|fim_suffix|file_sep)>",
)
"""Of the control tokens of the families in use. They count whether or not the model's own are
known, because a server may serve another model than the manifest names."""


def neutraliser(folder: Path | None) -> Callable[[str], str]:
    """A function that makes the control tokens in a text plain.

    Args:
        folder: of the model's tokenizer.json, whose added tokens are made plain too; None where
            it is not on this machine.
    """
    known = [re.escape(token) for token in _added_tokens(folder)] if folder else []
    # Looked ahead, so that tokens that overlap are each found.
    found = re.compile(f"(?=(?:{'|'.join([*known, *_SHAPES])}))(.)", re.DOTALL)

    def neutralised(text: str) -> str:
        return found.sub(rf"\1{JOINER}", text)

    return neutralised


def restored(text: str) -> str:
    """A text of the model without the joiners that it copied from its prompt."""
    return text.replace(JOINER, "")


def _added_tokens(folder: Path) -> Iterable[str]:
    """Those that are longer than a character and no mere white space.

    A token of one character cannot be split, and runs of spaces are added by some tokenizers
    only to save tokens.
    """
    values = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    tokens = {str(token["content"]) for token in values.get("added_tokens", ())}
    return sorted(token for token in tokens if len(token) > 1 and token.strip())
