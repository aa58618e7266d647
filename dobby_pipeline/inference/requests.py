"""What goes into the session pool and what comes out of it.

Not here: how it is generated (pool.py). Nothing here needs mlx, so that whoever only names a
request or a sampling does not load a model runtime.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

from dobby_pipeline.errors import DobbyError


class PoolError(DobbyError):
    """Generation cannot go on. What was yielded before is whole."""


FinishReason = Literal["stop", "length"]


Turns = tuple[tuple[str, str], ...]
"""Messages of a user, each with the assistant's answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt.

    Attributes:
        request_id: the caller's own; comes back with the result.
        prompt: the user message.
        system: the system message, or empty for the one that the model's template brings.
        max_tokens: new tokens at most, 1 or more.
        examples: turns between the two: what was asked before, and how it was answered.
    """

    request_id: str
    prompt: str
    system: str = ""
    max_tokens: int = 60
    examples: Turns = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote.

    Attributes:
        text: without the end token and what follows a stop text; stripped.
        finish_reason: `stop` at an end token or a stop text, `length` at max_tokens.
        prompt_tokens: of the whole prompt, chat frame included.
        output_tokens: sampled tokens, the end token left out.
        ms: milliseconds from admission to a session until the last token.
        confidence: mean natural log-probability of the output tokens, 0 when there are none.
    """

    request_id: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    output_tokens: int
    ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that is done, before its tokens are text.

    `uid` is the job's within its pool.

    Attributes:
        tokens: sampled ones, the end token left out.
    """

    uid: int
    tokens: list[int]
    finish_reason: FinishReason
    ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was not given to the model. Nothing is ever cut to make it fit.

    Attributes:
        reason: `prompt_too_long`, `empty_prompt`, `not_tokenised`, or `server_refused`: a remote
            server that answers others does not answer this one.
        detail: for a person, such as `5,310 tokens, limit 2,048`.
        prompt_tokens: of the whole prompt; 0 when it was empty.
    """

    request_id: str
    reason: Literal["prompt_too_long", "empty_prompt", "not_tokenised", "server_refused"]
    detail: str
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool has done since it was made.

    Attributes:
        requests: completed ones.
        refused: requests that were not given to the model.
        seconds: spent computing, the loading of the weights left out.
        load_seconds: spent loading them.
        peak_memory_bytes: of MLX: weights, KV cache and temporaries.
        peak_sessions: most that ran at once.
        fallbacks: times that generation went on with fewer sessions, or on the CPU.
        prefill_seconds: of `seconds`, reading prompts; not known of servers.
        decode_seconds: of `seconds`, writing; not known of servers.
        prefix_hits: prompts whose beginning had been read before.
        retries: times that a server was asked again.
    """

    requests: int
    refused: int
    prompt_tokens: int
    output_tokens: int
    seconds: float
    load_seconds: float
    peak_memory_bytes: int
    peak_sessions: int
    fallbacks: int = 0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    prefix_hits: int = 0
    retries: int = 0

    def since(self, before: "PoolStats") -> "PoolStats":
        """What was done after `before`; the peaks stay those of the whole time."""
        counted = [f.name for f in fields(self) if not f.name.startswith("peak_")]
        return replace(self, **{n: getattr(self, n) - getattr(before, n) for n in counted})


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, and which texts end a summary.

    Attributes:
        temperature: 0 takes the most likely token.
        top_p: the smallest set of tokens whose probabilities reach this; 1 for all of them.
        top_k: only so many of the likeliest; 0 for all of them.
        repetition_penalty: divides the logits of tokens that were written; 1 for none.
        no_repeat_ngram: no run of so many tokens is written twice; 0 for no such rule.
        seed: of the random numbers, used when the temperature is above 0.
        stop: texts that end the output once something has been written; a blank line by default.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ("\n\n",)

    @property
    def key(self) -> str:
        """A stable text of all that changes the output: part of a summary's key."""
        stops = ",".join(text.encode().hex() for text in self.stop)
        choice = "greedy"
        if self.temperature:
            choice = f"t={self.temperature:g}/p={self.top_p:g}/k={self.top_k}/seed={self.seed}"
        if self.repetition_penalty != 1:
            choice += f"/r={self.repetition_penalty:g}"
        if self.no_repeat_ngram:
            choice += f"/n={self.no_repeat_ngram}"
        return f"{choice}/stop={stops}"


DEFAULT_SAMPLING = Sampling()


def messages_of(
    prompt: str, system: str, examples: Turns = (), *, system_role: bool
) -> list[dict[str, str]]:
    """The chat messages of a prompt; without the role the system message leads the first user's."""
    users, answers = [*(user for user, _ in examples), prompt], [answer for _, answer in examples]
    if system and not system_role:
        users[0], system = f"{system}\n\n{users[0]}", ""
    messages = [{"role": "system", "content": system}] if system else []
    for number, user in enumerate(users):
        messages.append({"role": "user", "content": user})
        if number < len(answers):
            messages.append({"role": "assistant", "content": answers[number]})
    return messages
