"""What went wrong with a server, for people."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.failures import CallError, Page, Refused, Unreachable
from harness.errors import HarnessError, InputError, MachineryError, Problem, nearest

_AGAIN = "run the same command again: it goes on where this one stopped"
# Answers that hold for every request of a run: going on would only repeat them.
_FOR_ALL = (401, 403, 404)
# Words of servers that do not know a field, or not with this value.
_UNWANTED: tuple[str, ...] = (
    "support",
    "unrecognized",
    "unknown",
    "not permitted",
    "not allowed",
    "unexpected",
)
_UNWANTED += ("extra", "invalid value")


def unasked(error: CallError, endpoint: Endpoint) -> HarnessError:
    """Nothing can be asked of this server: nobody there, no such API, or the key is refused."""
    if isinstance(error, Refused) and error.status in (401, 403):
        return InputError(_key_refused(error, endpoint))
    if isinstance(error, Page):
        return InputError(_another_kind(error, endpoint))
    if isinstance(error, Unreachable):
        return MachineryError(
            Problem(
                f"no server answers at {endpoint.url}",
                found=str(error),
                mend="start it, or correct --base-url",
            )
        )
    return MachineryError(
        Problem(f"the server at {endpoint.url} does not work", found=str(error), mend=_AGAIN)
    )


def unknown_model(name: str, known: Iterable[str], endpoint: Endpoint, option: str) -> Problem:
    """The server serves nothing of this name."""
    names = sorted(known)
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return Problem(
        f"the server at {endpoint.url} serves no model {name!r}",
        found=shown,
        did_you_mean=nearest(name, names),
        mend=f"give a name that it serves as {option}",
    )


def fatal(
    error: CallError, name: str, known: Iterable[str], endpoint: Endpoint, fields: Iterable[str]
) -> HarnessError | None:
    """The error that ends a run, or None where only this request is lost.

    name: the model that was asked; fields: the names of what was sent.
    """
    if isinstance(error, Unreachable):
        problem = Problem(
            f"the server at {endpoint.url} is gone",
            found=str(error),
            mend=f"start it, and {_AGAIN}",
        )
        return MachineryError(problem)
    if isinstance(error, Page):
        return InputError(_another_kind(error, endpoint))
    if not isinstance(error, Refused):
        return None
    if error.status in _FOR_ALL:
        return InputError(_refused(error, name, known, endpoint))
    field = _unsupported(error, fields)
    return InputError(_field_refused(error, field, endpoint)) if field else None


def _refused(error: Refused, name: str, known: Iterable[str], endpoint: Endpoint) -> Problem:
    if error.status == 404:
        if "model" in error.message.lower() or error.parameter == "model":
            return unknown_model(name, known, endpoint, "--model or --adapter NAME=SERVED")
        return Problem(
            f"there is no chat API at {endpoint.url}",
            found=str(error),
            wanted="an address that ends in /v1, as a rule",
            mend="correct --base-url",
        )
    return _key_refused(error, endpoint)


def _another_kind(error: Page, endpoint: Endpoint) -> Problem:
    is_usual = endpoint.url.endswith("/v1")
    return Problem(
        f"the server at {endpoint.url} does not answer in JSON",
        found=str(error),
        wanted="an OpenAI-compatible server; its address usually ends in /v1",
        mend="correct --base-url" if is_usual else f"try --base-url {endpoint.url}/v1",
    )


def _key_refused(error: Refused, endpoint: Endpoint) -> Problem:
    """The server's own words are left out: some quote a part of the key."""
    found = f"HTTP {error.status} with the key in {endpoint.key_variable}"
    return Problem(
        f"the server at {endpoint.url} refuses the key",
        found=found if endpoint.key else f"HTTP {error.status} without a key",
        mend=f"put a valid key into the environment variable {endpoint.key_variable}, or name "
        "another one: --engine-arg api_key_env=NAME",
    )


def _unsupported(error: Refused, fields: Iterable[str]) -> str:
    """The field of the request that the server does not take, or an empty string."""
    text = error.message.lower()
    if error.status not in (400, 422) or not any(word in text for word in _UNWANTED):
        return ""
    names = sorted(fields, key=len, reverse=True)
    if error.parameter in names:
        return error.parameter
    quoted = re.split(r"[\s'\"`:,.]+", text)
    return next((name for name in names if name in quoted), "")


def _field_refused(error: Refused, field: str, endpoint: Endpoint) -> Problem:
    mends = {
        "max_tokens": "--engine-arg limit_field=max_completion_tokens",
        "seed": "--engine-arg 'omit=[\"seed\"]'",
        "temperature": "--engine-arg 'omit=[\"temperature\"]', or another temperature",
        "top_p": "--engine-arg 'omit=[\"top_p\"]'",
        "response_format": "decoding: free, in the suite",
    }
    return Problem(
        f"the server at {endpoint.url} does not take {field!r} as it was sent",
        found=error.message,
        mend=mends.get(field, f"leave {field} out of the suite's and the variant's sampling"),
    )
