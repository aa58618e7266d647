"""The tokenizer in a GGUF file's metadata, written as tokenizer.json and its configuration.

Not here: the weights (gguf.py) and how a chat is put into tokens (chat.py).
"""

import json
from pathlib import Path
from typing import Any

from dobby_pipeline.inference.models.gguf_file import GgufFile

_CONTROL, _USER_DEFINED = 3, 4
"""Kinds of token in `tokenizer.ggml.token_type` that are matched as a whole, before merging."""

_ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>")
"""Control tokens that end an answer beside the one that the file names, as in llama.cpp."""


_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How GPT-4 and its kin split text; what they differ in is how many digits go together."""


def write_tokenizer(gguf: GgufFile, folder: Path) -> list[int]:
    """Write the tokenizer's files and return the ids that end an answer, the file's own first.

    Raises:
        ModelError: when the tokenizer is of another kind or has no chat template.
        KeyError: when the metadata lack a part of it.
    """
    metadata = gguf.metadata
    if metadata.get("tokenizer.ggml.model") != "gpt2":
        raise gguf.error("its tokenizer is not a byte-level BPE, so it is not supported")
    template = metadata.get("tokenizer.chat_template")
    if not template:
        raise gguf.error("has no chat template; take an instruction-tuned model")
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    kinds: list[int] = metadata["tokenizer.ggml.token_type"]
    _write_json(folder / "tokenizer.json", _tokenizer(gguf, tokens, kinds))
    named = {
        role: tokens[metadata[key]]
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
        "model_max_length": metadata[f"{metadata['general.architecture']}.context_length"],
        **named,
    }
    _write_json(folder / "tokenizer_config.json", settings)
    own: int = metadata["tokenizer.ggml.eos_token_id"]
    controls = {token: i for i, token in enumerate(tokens) if kinds[i] == _CONTROL}
    return [own, *(controls[t] for t in _ENDS if t in controls and controls[t] != own)]


def _tokenizer(gguf: GgufFile, tokens: list[str], kinds: list[int]) -> dict[str, Any]:
    """The tokenizer in the form of the `tokenizers` library."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers import Regex as Pattern

    merges = [tuple(merge.split(" ", 1)) for merge in gguf.metadata["tokenizer.ggml.merges"]]
    vocabulary = {token: i for i, token in enumerate(tokens)}

    def split(first: Any) -> Any:
        bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        return pre_tokenizers.Sequence([first, bytewise])

    def words(digits: str) -> Any:
        return split(pre_tokenizers.Split(Pattern(_WORDS % digits), "isolated"))

    # How text is split before merging is code in llama.cpp, chosen by this name.
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    splitters = {
        # Equal to llama.cpp on 41 of 41 Python files.
        "smollm": lambda: pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), gpt2]
        ),
        "gpt-2": lambda: gpt2,
        # Equal to a BPE of its own over qwen.tiktoken, Qwen's vocabulary, on 127 of 127 files.
        "qwen2": lambda: words(r"\p{N}"),
        "llama-bpe": lambda: words(r"\p{N}{1,3}"),
    }
    name = gguf.metadata.get("tokenizer.ggml.pre")
    if name not in splitters:
        known = ", ".join(splitters)
        raise gguf.error(f"the pre-tokenizer {name!r} is not supported: use one of {known}")
    # Llama 3 takes a word that is a token as it is, even where no merges lead to it.
    whole = name == "llama-bpe"
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=whole))
    tokenizer.pre_tokenizer = splitters[name]()
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
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
