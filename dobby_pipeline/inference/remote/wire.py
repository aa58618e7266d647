"""What is said to an OpenAI-compatible server, and what its answer means.

Not here: sending it (server.py). Nothing here does input or output.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from dobby_pipeline.inference.models.manifests import HubSource, Manifest, PathSource, WheelSource
from dobby_pipeline.inference.remote.text import restored
from dobby_pipeline.inference.requests import FinishReason, Request, Sampling, messages_of

OWN_NAME = "default_model"
"""What mlx_lm.server calls the model that it was started with, whatever that is. Servers that
know only their own names answer 404, and the next name is tried."""

_SHOWN = 200
"""Characters of a server's message that are kept."""


class Garbage(Exception):
    """An answer of status 200 that is no chat completion. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One chat completion.

    Attributes:
        text: as the server gave it, up to the first stop text; stripped.
        filtered: whether the server held its text back (`content_filter`).
        prompt_tokens: None where the server does not count.
        output_tokens: the same; servers count the end token or not, as they like.
        confidence: mean log-probability of the tokens, 0 where the server gives none.
    """

    text: str
    finish_reason: FinishReason
    filtered: bool
    prompt_tokens: int | None
    output_tokens: int | None
    confidence: float


def body_of(request: Request, sampling: Sampling, *, system_role: bool) -> dict[str, Any]:
    """A request as the API wants it, all but the model's name and `logprobs`.

    `seed` goes along only where it changes something: mlx_lm.server answers requests that have
    one by one instead of side by side.
    """
    body: dict[str, Any] = {
        "messages": messages_of(
            request.prompt, request.system, request.examples, system_role=system_role
        ),
        "max_tokens": request.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stream": False,
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.temperature:
        body["seed"] = sampling.seed
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    return body


def read_answer(values: Any, stops: Iterable[str]) -> Answer:
    """The meaning of a chat completion.

    A finish reason that is neither `stop` nor an end that the field knows counts as `length`: a
    text whose end is not known to be one is not taken for whole.

    Raises:
        Garbage: when it is none.
    """
    try:
        choice = values["choices"][0]
        content = choice["message"].get("content")
        reason = choice.get("finish_reason")
    except (LookupError, TypeError, AttributeError):
        raise Garbage("an answer without choices[0].message") from None
    if not (content is None or isinstance(content, str)):
        raise Garbage("an answer whose content is no text")
    usage = values.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    logprobs = _logprobs(choice)
    text, stopped = _cut(restored(content or ""), stops)
    ended = stopped or reason in ("stop", "eos", "tool_calls")
    return Answer(
        text=text,
        finish_reason="stop" if ended else "length",
        filtered=reason == "content_filter",
        prompt_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")) or len(logprobs) or None,
        confidence=_mean(logprobs),
    )


def served_names(values: Any) -> list[str]:
    """The names in an answer to GET /models; none where it is something else."""
    data = values.get("data") if isinstance(values, dict) else None
    entries = data if isinstance(data, list) else []
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return [name for name in names if isinstance(name, str) and name]


def names_to_try(manifest: Manifest, served: Sequence[str]) -> tuple[list[str], bool]:
    """The names to ask a server for, the best first, and whether it serves the manifest's model.

    Served under the manifest's own name, its source's (a repository, a file, a folder) or the
    last part of one, without regard to case, to `:` for `-` and to `.gguf`: that one alone.
    Otherwise what the server calls its own, the only one that it serves, the repository that the
    manifest names, and the manifest's name.
    """
    known = {_plain(manifest.name), _plain(_source_name(manifest))}
    matching = [name for name in served if _plain(name) in known]
    if matching:
        return matching[:1], True
    only = list(served) if len(served) == 1 else []
    own = [manifest.source.repository] if isinstance(manifest.source, HubSource) else []
    return list(dict.fromkeys([OWN_NAME, *only, *own, manifest.name])), False


def told(values: Any, text: str, secrets: Iterable[str]) -> str:
    """A server's own words about an error in one short line, without the secrets given."""
    error = values.get("error", values) if isinstance(values, dict) else None
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail")
    line = " ".join((error if isinstance(error, str) else text).split())
    for secret in filter(None, secrets):
        line = line.replace(secret, "***")
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to be left alone for, from `Retry-After` in either form."""
    given = headers.get("retry-after", "").strip()
    try:
        seconds = float(given)
    except ValueError:
        try:
            when = parsedate_to_datetime(given)
        except ValueError:
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _source_name(manifest: Manifest) -> str:
    match manifest.source:
        case HubSource(repository=name) | WheelSource(file=name) | PathSource(path=name):
            return name


def _plain(name: str) -> str:
    last = name.rstrip("/").replace("\\", "/").rpartition("/")[2]
    return last.casefold().removesuffix(".gguf").replace(":", "-")


def _logprobs(choice: Mapping[str, Any]) -> list[float]:
    given = choice.get("logprobs")
    content = given.get("content") if isinstance(given, dict) else None
    entries = content if isinstance(content, list) else []
    values = [entry.get("logprob") for entry in entries if isinstance(entry, dict)]
    return [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _cut(text: str, stops: Iterable[str]) -> tuple[str, bool]:
    """The text up to the first stop text after something was written, and whether there was one."""
    whole = text.strip()
    text = whole
    for stop in stops:
        text = text.partition(stop)[0]
    return text.rstrip(), text != whole
