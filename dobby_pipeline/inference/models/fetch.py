"""One file fetched over http, going on where a broken download stopped.

Not here: which file, and whether it is the right one (wheel.py, hub.py, digests.py).
"""

import shutil
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from dobby_pipeline.inference.models.manifests import ModelError

Advance = Callable[[int, int | None], None]
"""Hears how many bytes of a file are there and how many there will be, None while unknown."""

TIMEOUT_S = 30.0
"""For a connection, and between two packets of an answer."""

WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each further attempt; one that brought new bytes starts the row again."""

_CHUNK = 1 << 14
"""Read at a time: what of it had come is lost when a connection breaks."""


class Unreachable(ModelError):
    """The place that has the file did not give it."""


class _Broken(Exception):
    """An attempt ended early and another may bring the rest."""


def fetch(url: str, target: Path, headers: Mapping[str, str], advance: Advance) -> None:
    """Bring a file to `target`, keeping the bytes that are there already.

    Raises:
        Unreachable: when the server refuses, or the connection breaks again and again. What was
            received stays in `target` for the next call.
        OSError: when `target` cannot be written.
    """
    if urlsplit(url).scheme == "file":
        shutil.copyfile(unquote(urlsplit(url).path), target)
        return
    failures = 0
    while True:
        before = _size(target)
        try:
            _attempt(url, target, headers, advance)
        except _Broken as error:
            failures = 1 if _size(target) > before else failures + 1
            if failures > len(WAITS_S):
                raise Unreachable(f"{_shown(url)}: {error}: run it again to go on") from error
            time.sleep(WAITS_S[failures - 1])
        else:
            return


def _attempt(url: str, target: Path, headers: Mapping[str, str], advance: Advance) -> None:
    start = _size(target)
    # Encoded bodies could not be resumed by byte.
    asked = {**headers, "Range": f"bytes={start}-", "Accept-Encoding": "identity"}
    try:
        with requests.get(url, headers=asked, stream=True, timeout=TIMEOUT_S) as answer:
            if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                if _total(answer, 0) == start:
                    return
                target.unlink()
                raise _Broken("the file there has another length now")
            _refuse(url, answer)
            resumed = answer.status_code == HTTPStatus.PARTIAL_CONTENT
            _receive(answer, target, start if resumed else 0, advance)
    except requests.exceptions.SSLError as error:
        raise Unreachable(
            f"{_shown(url)}: its certificate is not trusted: set REQUESTS_CA_BUNDLE to the "
            "certificates of your network"
        ) from error
    except requests.RequestException as error:
        raise _Broken(f"the connection failed ({type(error).__name__})") from error


def _refuse(url: str, answer: requests.Response) -> None:
    status = answer.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise _Broken(f"the server answered {status}")
    if not answer.ok:
        raise Unreachable(f"{_shown(url)}: the server answered {status} {answer.reason}")


def _receive(answer: requests.Response, target: Path, start: int, advance: Advance) -> None:
    total = _total(answer, start)
    with target.open("r+b" if start else "wb") as stream:
        stream.seek(start)
        advance(start, total)
        for chunk in answer.iter_content(_CHUNK):
            stream.write(chunk)
            advance(stream.tell(), total)
        stream.truncate()


def _total(answer: requests.Response, start: int) -> int | None:
    given = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if given.isdecimal():
        return int(given)
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _shown(url: str) -> str:
    """The address without a query, where signed links carry their secrets, or a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
