"""A server's HTTP replies: JSON objects, or the errors that they stand for."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from harness.backends.openai.arguments import Endpoint
from harness.common import (
    NUMBER_DIGITS,
    HarnessError,
    InputError,
    MachineryError,
    Problem,
    nearest,
)
from harness.common.reading import decoded, parse_json
from harness.common.web import ReplyTooLarge, reason_of


class CallError(Exception):
    """One request got no answer. The text is for people and holds no key."""


class Refused(CallError):
    """The server will not answer this request, however often it is asked (4xx)."""

    def __init__(self, status: int, message: str, parameter: str = "") -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status
        self.message = message
        self.parameter = parameter


class Faulty(CallError):
    """The server is there and fails (5xx, 429, cut connections), after all retries."""


class Slow(CallError):
    """No answer in the time that a request has; asking again would only add to the load."""


class Unreachable(CallError):
    """Nobody answers at this address, after all retries."""


class WebPage(CallError):
    """A page for people came back where JSON belongs: this is another kind of server."""


FIRST_WAIT = 0.5  # seconds; doubled with each try, as the openai client does
LONGEST_WAIT = 30.0
# A server may ask for hours (a quota of the day): that is told, and not waited for.
LONGEST_PROMISE = 120.0


def back_off(tries: int) -> float:
    """Return the seconds before the next try, after `tries` failed ones; half of it is chance.

    Chance keeps requests that failed together from coming back together.
    """
    longest = min(FIRST_WAIT * 2.0 ** min(tries - 1, 10), LONGEST_WAIT)
    return longest * random.uniform(0.5, 1.0)


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3), if it does.

    It is a number of seconds or a date.
    """
    text = (header or "").strip()
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


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
    """Return what every request carries; the key goes nowhere else."""
    return {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}


def read_reply(reply: httpx.Response, endpoint: Endpoint) -> dict[str, Any]:
    """Return the JSON object in a reply; raise `Later` or a `CallError`."""
    status = reply.status_code
    if status in _AGAIN:
        wait = retry_after(reply.headers.get("retry-after"))
        raise Later(Faulty(f"HTTP {status}: {_said(reply, endpoint)[0]}"), wait)
    if not reply.is_success:
        raise Refused(status, *_said(reply, endpoint))
    try:
        value = _parsed(reply)
    except InputError:
        if not reply.content[:_SHOWN].lstrip().startswith(b"<"):
            raise Later(Faulty("the answer is not JSON")) from None
        title = _TITLE.search(reply.text[:_PAGE])
        page = f"a web page: {clean(title[1], endpoint)}" if title else "a web page"
        raise Later(WebPage(page)) from None
    if not isinstance(value, dict):
        raise Faulty("the answer is not a JSON object")
    return value


def read_failure(error: httpx.HTTPError, endpoint: Endpoint, timeout: float) -> CallError | Later:
    """Say what it means that no reply came."""
    said = clean(reason_of(error), endpoint)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Later(Unreachable(said))
    if isinstance(error, ReplyTooLarge):
        return Faulty(said)
    if isinstance(error, httpx.TimeoutException):
        return Slow(f"no answer within {timeout:g} s")
    return Later(Faulty(f"the connection broke: {said}"))


def clean(text: str, endpoint: Endpoint) -> str:
    """Return one short line without the key, which some servers quote."""
    if endpoint.key:
        text = text.replace(endpoint.key, "***")
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."


def _parsed(reply: httpx.Response) -> Any:
    """Return the JSON value of a reply; raises InputError. An answer may be cut within a pair."""
    text = decoded("", reply.content)
    return parse_json(text, "", digits=NUMBER_DIGITS, surrogates=True)


def _said(reply: httpx.Response, endpoint: Endpoint) -> tuple[str, str]:
    """Return the server's own words on an error, and the field that it names."""
    try:
        value = _parsed(reply)
    except InputError:
        value = None
    inner = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(inner, dict):
        text = inner.get("message") or inner.get("detail") or json.dumps(inner)
        return clean(str(text), endpoint), str(inner.get("param") or "")
    return clean(inner if isinstance(inner, str) else reply.reason_phrase, endpoint), ""


AGAIN_LATER = "run the same command again: it goes on where this one stopped"
# Words of servers that do not know a field, or not with this value.
_UNWANTED: tuple[str, ...] = (
    "support",
    "unrecognized",
    "unknown",
    "not permitted",
    "not allowed",
    "unexpected",
    "extra",
    "invalid value",
)


def unasked(error: CallError, endpoint: Endpoint) -> HarnessError:
    """Say why nothing can be asked of this server: nobody there, no such API, key refused."""
    if isinstance(error, Refused) and error.status in (401, 403):
        return InputError(_key_refused(error, endpoint))
    if isinstance(error, WebPage):
        return InputError(_another_kind(error, endpoint))
    if isinstance(error, Unreachable):
        return MachineryError(
            Problem(
                f"no server answers at {endpoint.url}",
                found=str(error),
                hint="start it, or correct --base-url",
            )
        )
    return MachineryError(
        Problem(f"the server at {endpoint.url} does not work", found=str(error), hint=AGAIN_LATER)
    )


def unknown_model(name: str, known: Iterable[str], endpoint: Endpoint, option: str) -> Problem:
    """Say that the server serves nothing of this name."""
    names = sorted(known)
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return Problem(
        f"the server at {endpoint.url} serves no model {name!r}",
        found=shown,
        did_you_mean=nearest(name, names),
        hint=f"give a name that it serves as {option}",
    )


def fatal(
    error: CallError, name: str, known: Iterable[str], endpoint: Endpoint, fields: Iterable[str]
) -> HarnessError | None:
    """Return the error that ends a run, or None where only this request is lost.

    name: the model that was asked; fields: the names of what was sent.
    """
    if isinstance(error, Unreachable):
        problem = Problem(
            f"the server at {endpoint.url} is gone",
            found=str(error),
            hint=f"start it, and {AGAIN_LATER}",
        )
        return MachineryError(problem)
    if isinstance(error, WebPage):
        return InputError(_another_kind(error, endpoint))
    if not isinstance(error, Refused):
        return None
    if error.status == 404 and ("model" in error.message.lower() or error.parameter == "model"):
        return InputError(unknown_model(name, known, endpoint, "--model or --adapter NAME=SERVED"))
    if error.status == 404:
        return InputError(
            Problem(
                f"there is no chat API at {endpoint.url}",
                found=str(error),
                expected="an address that ends in /v1, as a rule",
                hint="correct --base-url",
            )
        )
    if error.status in (401, 403):  # they hold for every request: going on would only repeat them
        return InputError(_key_refused(error, endpoint))
    if "tools" in fields and error.status in (400, 422) and "tool" in error.message.lower():
        return InputError(
            Problem(
                f"the server at {endpoint.url} takes no tools",
                found=error.message,
                hint="start it so that it reads calls (vLLM: --enable-auto-tool-choice "
                "--tool-call-parser NAME), or let them be read here: --engine-arg tokenizer=DIR",
            )
        )
    field = _unsupported(error, fields)
    if not field:
        return None
    hints = {
        "max_tokens": "--engine-arg limit_field=max_completion_tokens",
        "seed": "--engine-arg 'omit=[\"seed\"]'",
        "temperature": "--engine-arg 'omit=[\"temperature\"]', or another temperature",
        "top_p": "--engine-arg 'omit=[\"top_p\"]'",
        "response_format": "decoding: free, in the suite",
    }
    return InputError(
        Problem(
            f"the server at {endpoint.url} does not take {field!r} as it was sent",
            found=error.message,
            hint=hints.get(field, f"leave {field} out of the suite's and the variant's sampling"),
        )
    )


def _another_kind(error: WebPage, endpoint: Endpoint) -> Problem:
    is_usual = endpoint.url.endswith("/v1")
    return Problem(
        f"the server at {endpoint.url} does not answer in JSON",
        found=str(error),
        expected="an OpenAI-compatible server; its address usually ends in /v1",
        hint="correct --base-url" if is_usual else f"try --base-url {endpoint.url}/v1",
    )


def _key_refused(error: Refused, endpoint: Endpoint) -> Problem:
    """Leave the server's own words out: some quote a part of the key."""
    found = f"HTTP {error.status} with the key in {endpoint.api_key_env}"
    return Problem(
        f"the server at {endpoint.url} refuses the key",
        found=found if endpoint.key else f"HTTP {error.status} without a key",
        hint=f"put a valid key into the environment variable {endpoint.api_key_env}, or name "
        "another one: --engine-arg api_key_env=NAME",
    )


def _unsupported(error: Refused, fields: Iterable[str]) -> str:
    """Return the field of the request that the server does not take, or an empty string."""
    text = error.message.lower()
    if error.status not in (400, 422) or not any(word in text for word in _UNWANTED):
        return ""
    names = sorted(fields, key=len, reverse=True)
    if error.parameter in names:
        return error.parameter
    quoted = re.split(r"[\s'\"`:,.]+", text)
    return next((name for name in names if name in quoted), "")
