"""A server's HTTP replies: JSON objects, or the error that they stand for."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.failures import CallError, Faulty, Page, Refused, Slow, Unreachable
from harness.backends.openai.pacing import retry_after

# "Not now": too early, too many, and what gateways say of a server that restarts.
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_SHOWN = 300  # characters of a server's own words
_PAGE = 10_000  # characters of a page in which its title is looked for
_TITLE = re.compile(r"<title[^<>]{0,100}>([^<]{1,300})", re.IGNORECASE)


class Later(Exception):
    """Asking again may help; `wait` is what the server asked for, in seconds."""

    def __init__(self, error: CallError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


def headers(endpoint: Endpoint) -> dict[str, str]:
    """What every request carries; the key goes nowhere else."""
    return {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}


def read_reply(reply: httpx.Response, endpoint: Endpoint) -> dict[str, Any]:
    """The JSON object in a reply; raises `Later` or a `CallError`."""
    status = reply.status_code
    if status in _AGAIN:
        wait = retry_after(reply.headers.get("retry-after"))
        raise Later(Faulty(f"HTTP {status}: {_said(reply, endpoint)[0]}"), wait)
    if not reply.is_success:
        raise Refused(status, *_said(reply, endpoint))
    try:
        value = json.loads(reply.content)
    except (ValueError, RecursionError):
        raise Later(_no_json(reply, endpoint)) from None
    if not isinstance(value, dict):
        raise Faulty("the answer is not a JSON object")
    return value


def read_failure(error: httpx.HTTPError, endpoint: Endpoint, timeout: float) -> CallError | Later:
    """What it means that no reply came."""
    said = clean(str(error), endpoint) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Later(Unreachable(said))
    if isinstance(error, httpx.TimeoutException):
        return Slow(f"no answer within {timeout:g} s")
    return Later(Faulty(f"the connection broke: {said}"))


def clean(text: str, endpoint: Endpoint) -> str:
    """One short line without the key, which some servers quote."""
    if endpoint.key:
        text = text.replace(endpoint.key, "***")
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."


def _no_json(reply: httpx.Response, endpoint: Endpoint) -> CallError:
    if not reply.content[:_SHOWN].lstrip().startswith(b"<"):
        return Faulty("the answer is not JSON")
    title = _TITLE.search(reply.text[:_PAGE])
    return Page(f"a web page: {clean(title[1], endpoint)}" if title else "a web page")


def _said(reply: httpx.Response, endpoint: Endpoint) -> tuple[str, str]:
    """The server's own words on an error, and the field that it names."""
    try:
        value = json.loads(reply.content)
    except (ValueError, RecursionError):
        value = None
    inner = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(inner, dict):
        text = inner.get("message") or inner.get("detail") or json.dumps(inner)
        return clean(str(text), endpoint), str(inner.get("param") or "")
    return clean(inner if isinstance(inner, str) else reply.reason_phrase, endpoint), ""
