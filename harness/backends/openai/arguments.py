"""What a user tells about a server, checked before anything is sent.

The key is read from the environment alone, so that it stands in no file, report or shell history;
it is kept out of every text that this package makes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from harness.backends.base import BackendOptions
from harness.common import InputError, Problem, canonical_json, nearest

KEY_VARIABLE = "OPENAI_API_KEY"
# Fields of a request that a user may leave out, for servers that refuse them.
OPTIONAL = ("max_tokens", "seed", "stop", "temperature", "top_p")
# How the most tokens of an answer are called; reasoning models of OpenAI take the second alone.
LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")
_OWN = {*LIMIT_FIELDS, "messages", "model", "n", "prompt", "seed", "stop", "stream", "temperature"}
_OWN |= {"top_p", "top_k", "repetition_penalty", "repeat_penalty"}
_AS_GIVEN = ("in_flight", "limit_field", "retries", "timeout")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is and how it may be asked. `key` is never printed.

    in_flight: requests at the same time; 64 keep a GPU busy on short answers, and most vendors
    allow as many. timeout: seconds for one answer. retries: further tries of one request.
    body: fields that every request gets as well; omit: fields that none gets. revision: tells
    models apart that a server gives the same name.
    """

    url: str
    key: str = field(default="", repr=False)
    key_variable: str = KEY_VARIABLE
    in_flight: int = 64
    timeout: float = 600.0
    retries: int = 5
    body: Mapping[str, Any] = field(default_factory=dict)
    omit: tuple[str, ...] = ()
    limit_field: str = LIMIT_FIELDS[0]
    revision: str = ""
    tokenizer: str = ""

    @property
    def in_key(self) -> dict[str, str]:
        """Settings that answers depend on, for `Environment.extra`."""
        body = {name: canonical_json(value) for name, value in sorted(self.body.items())}
        return {**body, **({"omit": ",".join(sorted(self.omit))} if self.omit else {})}

    @property
    def certified(self) -> bool:
        """Whether certificates count: reading them takes longer than a local server's answer."""
        return not (self.is_local and urlsplit(self.url).scheme == "http")

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, where no proxy belongs in between."""
        host = urlsplit(self.url).hostname or ""
        return host == "localhost" or host == "::1" or host.startswith("127.")


def read_endpoint(options: BackendOptions) -> Endpoint:
    """The server of these options; raises `InputError` for all that is wrong."""
    given = options.engine_args
    problems = [*_url_problems(options.base_url), *_argument_problems(given)]
    if problems:
        raise InputError(*problems)
    variable = given.get("api_key_env", KEY_VARIABLE)
    return Endpoint(
        url=_plain(options.base_url or ""),
        key=_key(variable, required="api_key_env" in given),
        key_variable=variable,
        body=given.get("body", {}),
        omit=tuple(given.get("omit", ())),
        revision=given.get("revision", ""),
        tokenizer=given.get("tokenizer", ""),
        **{name: given[name] for name in _AS_GIVEN if name in given},
    )


def _key(variable: str, *, required: bool) -> str:
    """The key, or an empty text: servers of one's own often want none."""
    key = os.environ.get(variable, "").strip()
    if required and not key:
        raise InputError(
            Problem(
                f"the environment variable {variable} holds no key",
                hint=f"export {variable}=..., or leave api_key_env out",
            )
        )
    if not key.isprintable() or not key.isascii():
        raise InputError(
            Problem(
                f"the key in the environment variable {variable} is no key",
                expected="printable ASCII characters on one line",
            )
        )
    return key


def _plain(url: str) -> str:
    """Without a slash at the end, and without the name of an endpoint that was copied along."""
    short = url.rstrip("/")
    for endpoint in ("/chat/completions", "/completions", "/models"):
        short = short.removesuffix(endpoint)
    return short


def _url_problems(url: str | None) -> Iterator[Problem]:
    wanted = "http://HOST:PORT/v1, as in http://localhost:8000/v1"
    if not url:
        yield Problem(
            "backend 'openai' needs the address of a server", hint=f"add --base-url: {wanted}"
        )
        return
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that are no IPv6 address
        yield Problem("--base-url is no address of a server", expected=wanted)
        return
    if parts.username or parts.password or parts.query:
        yield Problem(
            "--base-url holds a secret or a query, and it is written into reports",
            found=urlunsplit(parts._replace(netloc="...", query="...")),
            expected=wanted,
            hint=f"put the key into the environment variable {KEY_VARIABLE}",
        )
    elif not fits:
        yield Problem("--base-url is no address of a server", found=url, expected=wanted)


def _is_number(value: object, least: float, *, whole: bool) -> bool:
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and value >= least


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "api_key_env": (lambda v: isinstance(v, str) and v.isidentifier(), "the name of a variable"),
    "body": (
        lambda v: isinstance(v, Mapping) and not _OWN & set(v),
        "a mapping of fields that suites and variants do not set",
    ),
    "in_flight": (lambda v: _is_number(v, 1, whole=True), "a number from 1"),
    "limit_field": (lambda v: v in LIMIT_FIELDS, " or ".join(LIMIT_FIELDS)),
    "omit": (
        lambda v: isinstance(v, list | tuple) and all(field in OPTIONAL for field in v),
        f"a list of {', '.join(OPTIONAL)}",
    ),
    "retries": (lambda v: _is_number(v, 0, whole=True), "a number from 0"),
    "revision": (lambda v: isinstance(v, str), "a text"),
    "timeout": (lambda v: _is_number(v, 0.001, whole=False), "seconds"),
    "tokenizer": (lambda v: isinstance(v, str), "a directory, or none"),
}


def _argument_problems(given: Mapping[str, Any]) -> Iterator[Problem]:
    for name, value in given.items():
        if name not in _CHECKS:
            yield Problem(
                f"openai: engine argument {name!r} is not known",
                did_you_mean=nearest(name, _CHECKS),
                hint=f"use one of {', '.join(_CHECKS)}",
            )
        elif not _CHECKS[name][0](value):
            yield Problem(
                f"openai: {name!r} is wrong", found=repr(value), expected=_CHECKS[name][1]
            )
