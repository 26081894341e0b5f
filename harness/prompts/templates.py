"""Chat templates: read from a file, named by their hash, rendered as transformers renders them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.common import InputError, Problem, digest


def read_template(path: Path | str) -> str:
    """Read a chat template; raise `InputError` where there is none."""
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        missing = isinstance(error, FileNotFoundError)
        message = "there is no such chat template" if missing else f"cannot be read: {error}"
        raise InputError(
            Problem(message, str(file), expected="a Jinja file, such as chat_template.jinja")
        ) from error
    if not text.strip():
        raise InputError(
            Problem("is an empty chat template", str(file), hint="write one, or leave it out")
        )
    return text


def template_hash(template: str) -> str:
    """Return 16 hexadecimal digits of a chat template's SHA-256."""
    return digest(template, 16)


def render(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    special_tokens: Mapping[str, str],
    *,
    add_generation_prompt: bool,
    tools: Sequence[Mapping[str, Any]] = (),
    arguments: Mapping[str, Any] | None = None,
) -> str:
    """Make the text that transformers' `apply_chat_template` makes without documents.

    `special_tokens` are `bos_token` and the like by name. `strftime_now` gives a fixed
    date. Raises jinja2's `TemplateError`, and what an expression in the template raises. Held to
    transformers 5.19 (utils/chat_template_utils.py) by the tests.
    """
    return _compiled(template).render(
        messages=messages,
        tools=[*tools] or None,
        documents=None,
        add_generation_prompt=add_generation_prompt,
        **{**special_tokens, **(arguments or {})},
    )


class _Generation(Extension):
    """`{% generation %}` marks what a trainer learns from; in a prompt it is what it holds."""

    tags = {"generation"}  # noqa: RUF012 - declared so by jinja2

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_inside"), [], [], body).set_lineno(line)

    def _inside(self, caller: Callable[[], str]) -> str:
        return caller()


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = today
    return environment.from_string(template)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """jinja2's own would escape for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise(message: str) -> None:
    raise TemplateError(message)


# What templates take for today: with the real date, no answer could be found again after midnight.
# Llama's templates have this one where they are told none.
TODAY = datetime(2024, 7, 26)


def today(format: str) -> str:
    """Return the fixed date, for `strftime_now` in templates."""
    return TODAY.strftime(format)
