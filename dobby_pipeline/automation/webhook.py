"""Alerts sent to a webhook: one JSON object by POST, answered within seconds or tried again.

Not here: what is worth an alert (alerts.py).
"""

import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from dobby_pipeline.automation.side_by_side import Lane
from dobby_pipeline.errors import DobbyError

URL_ENV = "DOBBY_ALERT_URL"

ANSWER_S = 8.0
"""For the whole exchange: chat services answer in one second, and a tick has sixty."""


class WebhookError(DobbyError):
    """An alert did not arrive. The text names the host alone: addresses of webhooks are secrets."""


def alert_url(env: Mapping[str, str] | None = None) -> str:
    """The configured webhook, or an empty string.

    Raises:
        WebhookError: when the setting is no http address.
    """
    url = (os.environ if env is None else env).get(URL_ENV, "")
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise WebhookError(f"{URL_ENV} is no http address: give https://HOST/PATH, or unset it")
    return url


def post_alert(url: str, payload: Mapping[str, Any], answer_s: float = ANSWER_S) -> None:
    """Send one alert; an answer of 200 to 299 means that it arrived.

    Args:
        answer_s: seconds for the whole exchange. A library's time limits are for each piece that
            is read, and a server may send a byte now and then for ever.

    Raises:
        WebhookError: when no such answer came in time.
    """
    host = urlsplit(url).hostname

    def post(_: str) -> int:
        with requests.post(
            url, json=payload, timeout=answer_s, allow_redirects=False, stream=True
        ) as answer:
            return answer.status_code

    (look,) = Lane(["post"], post, 1).looks(time.monotonic() + answer_s, 0)
    if not look.ended or isinstance(look.error, requests.Timeout):
        reason = f"no answer within {answer_s:g} s"
    elif look.error is not None:
        reason = type(look.error).__name__
    elif look.result is None or not 200 <= look.result < 300:
        reason = f"status {look.result}"
    else:
        return
    raise WebhookError(f"the webhook at {host} did not take an alert ({reason}): check {URL_ENV}")
