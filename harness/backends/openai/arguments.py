"""What a user tells about a server, checked before anything is sent.

The key is read from the environment alone, so that it stands in no file, report or shell history;
it is kept out of every text that this package makes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from harness.backends.arguments import (
    EngineArgument,
    argument_problems,
    number_from,
    text,
    whole_from,
)
from harness.backends.base import BackendOptions
from harness.common import InputError, Problem, canonical_json

KEY_VARIABLE = "OPENAI_API_KEY"
# Fields of a request that a user may leave out, for servers that refuse them.
OPTIONAL = ("max_tokens", "seed", "stop", "temperature", "top_p")
# How the most tokens of an answer are called; reasoning models of OpenAI take the second alone.
LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")
_OWN = {*LIMIT_FIELDS, "messages", "model", "n", "prompt", "seed", "stop", "stream", "temperature"}
_OWN |= {"top_p", "top_k", "repetition_penalty", "repeat_penalty"}

# One entry each; a value that fits goes into the field of `Endpoint` that has its name.
ARGUMENTS = (
    EngineArgument("api_key_env", lambda v: text(v) and v.isidentifier(), "the name of a variable"),
    EngineArgument(
        "body",
        lambda v: isinstance(v, Mapping) and not _OWN & set(v),
        "a mapping of fields that suites and variants do not set",
    ),
    EngineArgument("in_flight", whole_from(1), "a number from 1"),
    EngineArgument("limit_field", lambda v: v in LIMIT_FIELDS, " or ".join(LIMIT_FIELDS)),
    EngineArgument(
        "omit",
        lambda v: isinstance(v, list | tuple) and all(field in OPTIONAL for field in v),
        f"a list of {', '.join(OPTIONAL)}",
    ),
    EngineArgument("retries", whole_from(0), "a number from 0"),
    EngineArgument("revision", text, "a text"),
    EngineArgument("timeout", number_from(0.001), "seconds"),
    EngineArgument("tokenizer", text, "a directory, or none"),
)


TEMPLATE_ARGS = "chat_template_kwargs"  # what servers call arguments of the chat template


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
    api_key_env: str = KEY_VARIABLE
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
        """Return the settings that answers depend on, for `Environment.extra`."""
        body = {name: canonical_json(value) for name, value in sorted(self.body.items())}
        return {**body, **({"omit": ",".join(sorted(self.omit))} if self.omit else {})}

    def template_args(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return `body.chat_template_kwargs` with what is told; `InputError` if they clash."""
        own = self.body.get(TEMPLATE_ARGS) or {}
        for name in own.keys() & told.keys():
            if own[name] != told[name]:
                raise InputError(
                    Problem(
                        f"chat_template_args and body.{TEMPLATE_ARGS} contradict each other",
                        found=f"{name} is {told[name]!r} and {own[name]!r}",
                        hint=f"leave {TEMPLATE_ARGS} out of body",
                    )
                )
        return {**own, **told}

    @property
    def certified(self) -> bool:
        """Return whether certificates count: reading them takes longer than a local answer."""
        return not (self.is_local and urlsplit(self.url).scheme == "http")

    @property
    def is_local(self) -> bool:
        """Return whether the server is on this machine, where no proxy belongs in between."""
        host = urlsplit(self.url).hostname or ""
        return host == "localhost" or host == "::1" or host.startswith("127.")


def read_endpoint(options: BackendOptions) -> Endpoint:
    """Return the server of these options; raise `InputError` for all that is wrong."""
    given = options.engine_args
    problems = [
        *_url_problems(options.base_url),
        *argument_problems("openai", given, ARGUMENTS),
    ]
    if problems:
        raise InputError(*problems)
    # Without a slash at the end, and without the name of an endpoint that was copied along.
    url = (options.base_url or "").rstrip("/")
    for endpoint in ("/chat/completions", "/completions", "/models"):
        url = url.removesuffix(endpoint)
    # An empty key will do: servers of one's own often want none.
    variable = given.get("api_key_env", KEY_VARIABLE)
    key = os.environ.get(variable, "").strip()
    if "api_key_env" in given and not key:
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
    return Endpoint(**{**given, "url": url, "key": key, "omit": tuple(given.get("omit", ()))})


def _url_problems(url: str | None) -> Iterator[Problem]:
    expected = "http://HOST:PORT/v1, as in http://localhost:8000/v1"
    if not url:
        yield Problem(
            "backend 'openai' needs the address of a server", hint=f"add --base-url: {expected}"
        )
        return
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that are no IPv6 address
        yield Problem("--base-url is no address of a server", expected=expected)
        return
    if parts.username or parts.password or parts.query:
        yield Problem(
            "--base-url holds a secret or a query, and it is written into reports",
            found=urlunsplit(parts._replace(netloc="...", query="...")),
            expected=expected,
            hint=f"put the key into the environment variable {KEY_VARIABLE}",
        )
    elif not fits:
        yield Problem("--base-url is no address of a server", found=url, expected=expected)
