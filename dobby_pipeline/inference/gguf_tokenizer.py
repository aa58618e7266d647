"""The tokenizer in a GGUF file's metadata, written as tokenizer.json and its configuration.

Not here: the weights (gguf.py) and how a chat is put into tokens (chat.py).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dobby_pipeline.inference.manifests import ModelError

_CONTROL, _USER_DEFINED = 3, 4
"""Kinds of token in `tokenizer.ggml.token_type` that are matched as a whole, before merging."""

_ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>")
"""Control tokens that end an answer beside the one that the file names, as in llama.cpp."""


def write_tokenizer(metadata: Mapping[str, Any], folder: Path, source: str) -> list[int]:
    """Write the tokenizer's files and return the ids that end an answer, the file's own first.

    Raises:
        ModelError: when the tokenizer is of another kind or has no chat template.
    """
    if metadata.get("tokenizer.ggml.model") != "gpt2":
        raise ModelError(f"{source}: its tokenizer is not a byte-level BPE, so it is not supported")
    template = metadata.get("tokenizer.chat_template")
    if not template:
        raise ModelError(f"{source}: has no chat template; take an instruction-tuned model")
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    kinds: list[int] = metadata["tokenizer.ggml.token_type"].tolist()
    _write_json(folder / "tokenizer.json", _tokenizer(metadata, tokens, kinds, source))
    named = {
        role: tokens[metadata[key].item()]
        for role, key in (
            ("bos_token", "tokenizer.ggml.bos_token_id"),
            ("eos_token", "tokenizer.ggml.eos_token_id"),
            ("unk_token", "tokenizer.ggml.unknown_token_id"),
            ("pad_token", "tokenizer.ggml.padding_token_id"),
        )
        if key in metadata
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
        "model_max_length": metadata["llama.context_length"].item(),
        **named,
    }
    _write_json(folder / "tokenizer_config.json", settings)
    own = metadata["tokenizer.ggml.eos_token_id"].item()
    controls = {token: i for i, token in enumerate(tokens) if kinds[i] == _CONTROL}
    return [own, *(controls[t] for t in _ENDS if t in controls and controls[t] != own)]


def _tokenizer(
    metadata: Mapping[str, Any], tokens: list[str], kinds: list[int], source: str
) -> dict[str, Any]:
    """The tokenizer in the form of the `tokenizers` library."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    merges = [tuple(merge.split(" ", 1)) for merge in metadata["tokenizer.ggml.merges"]]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    # How text is split before merging is code in llama.cpp, chosen by this name. SmolLM splits
    # digits one by one and then by GPT-2's pattern; equal to llama.cpp on 41 of 41 Python files.
    splits = metadata.get("tokenizer.ggml.pre")
    if splits != "smollm":
        raise ModelError(f"{source}: the pre-tokenizer {splits!r} is not supported: use smollm")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(
        [
            AddedToken(token, special=kind == _CONTROL, normalized=False)
            for token, kind in zip(tokens, kinds, strict=True)
            if kind in (_CONTROL, _USER_DEFINED)
        ]
    )
    return json.loads(tokenizer.to_str())


def _write_json(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")
