"""A request as the model's tokens, and the model's tokens as text.

Not here: the model. Only the tokenizer and the chat template are read, so this runs on the
consumer's thread and needs no mlx.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from dobby_pipeline.inference.models.manifests import ModelError
from dobby_pipeline.inference.requests import Turns, messages_of

_MARK = "\ue000{}\ue001"
"""Stands for a message while the template is rendered; private-use characters, so that no
template has them."""


_ARTICLE = {"system": "a", "user": "a", "assistant": "an"}


class Chat:
    """The tokenizer of one model.

    Control tokens count only in the template's own frame: a message is tokenised by itself, with
    none of them known, so that a `<|im_end|>` in code reaches the model as those characters.
    """

    def __init__(self, folder: Path, *, system_role: bool = True) -> None:
        """Read the tokenizer and the chat template of a weights folder.

        Raises:
            ModelError: when one is missing or cannot be used.
        """
        from tokenizers import Tokenizer

        self._folder = folder
        self._system_role = system_role
        try:
            text = (folder / "tokenizer.json").read_text("utf-8")
            self._framed: Any = Tokenizer.from_str(text)
            plain = {**json.loads(text), "added_tokens": [], "post_processor": None}
            self._plain: Any = Tokenizer.from_str(json.dumps(plain))
            self._settings = _json(folder / "tokenizer_config.json")
        except Exception as error:
            raise ModelError(f"{folder}: its tokenizer cannot be read: {error}") from error
        self._template = self._read_template()
        self._around = lru_cache(self._tokens_around)
        self._piece = lru_cache(maxsize=None)(self._decoded_piece)
        self._around("", ())  # a template that cannot be used is told now

    def encode(self, prompt: str, system: str = "", examples: Turns = ()) -> list[int]:
        """Tokens of a whole prompt: the template's frame with the messages in it.

        Raises:
            ModelError: when the template does not take such messages.
        """
        if self._leads_the_prompt(system, examples):
            prompt, system = f"{system}\n\n{prompt}", ""
        before, behind = self._around(system, examples)
        return [*before, *self.encode_text(prompt), *behind]

    def opening(self, system: str = "", examples: Turns = ()) -> int:
        """How many tokens stand before the user's message: all prompts like it begin with them."""
        return len(
            self._around("" if self._leads_the_prompt(system, examples) else system, examples)[0]
        )

    def encode_text(self, text: str) -> list[int]:
        """Tokens of text alone, in which nothing is a control token."""
        return self._plain.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of tokens, control tokens left out."""
        return self._framed.decode(list(tokens), skip_special_tokens=True)

    def piece(self, token: int) -> str:
        """Text of one token; a part of a character comes out as U+FFFD."""
        return self._piece(token)

    @property
    def end_tokens(self) -> list[int]:
        """Tokens that end an answer.

        Raises:
            ModelError: when the model names none, so that no answer would ever end.
        """
        ends: set[int] = set()
        for name in ("config.json", "generation_config.json"):
            given = _json(self._folder / name).get("eos_token_id")
            ends.update(given if isinstance(given, list) else [] if given is None else [given])
        token = self._special("eos_token")
        own = self._framed.token_to_id(token) if token else None
        ends.update([] if own is None else [own])
        if not ends:
            raise ModelError(f"{self._folder}: names no end token (eos_token_id in config.json)")
        return sorted(ends)

    def _decoded_piece(self, token: int) -> str:
        return self._framed.decode([token], skip_special_tokens=True)

    def _leads_the_prompt(self, system: str, examples: Turns) -> bool:
        return bool(system) and not self._system_role and not examples

    def _tokens_around(self, system: str, examples: Turns) -> tuple[list[int], list[int]]:
        """Tokens before the user's message, the other messages among them, and behind it."""
        messages = messages_of("", system, examples, system_role=self._system_role)
        marked = [{**m, "content": _MARK.format(n)} for n, m in enumerate(messages)]
        rendered = self._rendered(marked)
        tokens: list[int] = []
        for message, mark in zip(messages, marked, strict=True):
            before, found, rendered = rendered.partition(mark["content"])
            if not found or mark["content"] in rendered:
                raise ModelError(
                    f"{self._folder}: its chat template does not take "
                    f"{_ARTICLE[message['role']]} {message['role']} message once"
                )
            tokens += [*self._frame_tokens(before), *self.encode_text(message["content"])]
        return tokens, self._frame_tokens(rendered)

    def _frame_tokens(self, text: str) -> list[int]:
        return self._framed.encode(text, add_special_tokens=False).ids

    def _rendered(self, messages: Iterable[Mapping[str, str]]) -> str:
        # As transformers renders it, without importing it: that takes seconds.
        import jinja2
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> None:
            raise jinja2.TemplateError(message)

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )

        def to_json(value: Any, **_: Any) -> str:
            return json.dumps(value, ensure_ascii=False)

        def now(form: str) -> str:
            return datetime.now().astimezone().strftime(form)

        environment.filters["tojson"] = to_json
        names: dict[str, Any] = {"raise_exception": refuse, "strftime_now": now}
        environment.globals.update(names)
        special = {role: self._special(role) for role in ("bos_token", "eos_token", "pad_token")}
        try:
            template = environment.from_string(self._template)
            return template.render(messages=messages, add_generation_prompt=True, **special)
        except jinja2.TemplateError as error:
            raise ModelError(f"{self._folder}: its chat template fails: {error}") from error

    def _read_template(self) -> str:
        file = self._folder / "chat_template.jinja"
        if file.is_file():
            return file.read_text("utf-8")
        template: Any = self._settings.get("chat_template")
        if isinstance(template, list):  # several by name
            template = {entry["name"]: entry["template"] for entry in template}.get("default")
        if not template:
            raise ModelError(
                f"{self._folder}: it has no chat template: take an instruction-tuned model"
            )
        return template

    def _special(self, role: str) -> str:
        token: Any = self._settings.get(role)
        return (token.get("content") if isinstance(token, dict) else token) or ""


def _json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}
