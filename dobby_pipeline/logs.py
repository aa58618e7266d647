"""Structured logs: each line an event with its fields, and with the run that it belongs to.

What is logged passes through the standard library's `logging`, so nothing is ever written to
standard output, and whoever listens there (Dagster, a test) hears it too. Never a prompt, code or
a secret: fields are names, numbers and our own words. Not here: progress (progress.py).
"""

import json
import logging
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.contextvars import bind_contextvars, get_contextvars, reset_contextvars

LOG_FILE = "dobby.jsonl"

MOST_BYTES = 10 * 10**6
"""Of the log when a run starts; a larger one becomes `dobby.jsonl.1`, in place of the last such.
A run of 10,000 requests that are all refused writes 3 MB."""

_PACKAGE = "dobby_pipeline"
_FIELDS = "dobby_fields"
_render = structlog.processors.LogfmtRenderer()

Logger = structlog.stdlib.BoundLogger


def logger(name: str) -> Logger:
    """A logger for a module: `log.warning("what happened", model=…, sessions=…)`."""
    return structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            _to_record,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def begin_logs(folder: Path | None, **context: str) -> Callable[[], None]:
    """Write what this package logs, until the returned function is called.

    From INFO on into LOG_FILE in `folder`, a JSON object a line; from WARNING on to standard
    error as well, as `event: key=value …`, where Dagster's compute log finds it.

    Args:
        folder: made if it is not there; None for standard error alone.
        context: fields for each line of this thread and of what it starts, such as `run_id`.
    """
    package = logging.getLogger(_PACKAGE)
    level, handlers = package.level, [_standard_error(), *_file(folder)]
    package.setLevel(logging.INFO)
    for handler in handlers:
        package.addHandler(handler)
    tokens = bind_contextvars(**context)

    def end() -> None:
        reset_contextvars(**tokens)
        package.setLevel(level)
        for handler in handlers:
            package.removeHandler(handler)
            handler.close()

    return end


def _to_record(
    _: Any, __: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:  # structlog's form of a last step
    """An event as the arguments of a `logging` call: a line for people, the fields beside it."""
    name = event.pop("event")
    fields = _render(None, "", dict(event))
    line = f"{name}: {fields}" if fields else name
    return {"msg": line, "extra": {_FIELDS: {"event": name, **event}}}


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        own = getattr(record, _FIELDS, None)
        fields = own or {"event": record.getMessage(), **get_contextvars()}
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"timestamp": at, "level": record.levelname.lower(), "logger": record.name}
        return json.dumps({**head, **fields}, default=str)


class _File(WatchedFileHandler):
    """Follows the file when another process sets it aside; a full disk costs lines, not the run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        return

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class _StandardError(logging.StreamHandler[TextIO]):
    """The standard error of the moment: a progress bar or a test puts its own in place."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _standard_error() -> logging.Handler:
    handler = _StandardError(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    return handler


def _file(folder: Path | None) -> list[logging.Handler]:
    if folder is None:
        return []
    file = folder / LOG_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > MOST_BYTES:
            file.replace(file.with_name(f"{LOG_FILE}.1"))
        handler = _File(file, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        sys.stderr.write(f"dobby: no log is kept in {folder} ({reason}): make it writable\n")
        return []
    handler.setFormatter(_JsonLine())
    return [handler]
