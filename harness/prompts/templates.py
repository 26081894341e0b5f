"""Chat templates: read from a file, named by their hash, rendered as transformers renders them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypedDict, Unpack

from jinja2 import Template, nodes, pass_context
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.runtime import Context

from harness.common import InputError, Problem, digest, from_home
from harness.common.bounded_jinja import (
    BUDGET,
    READING_METHODS,
    TEXT_METHODS,
    UNBOUNDED,
    BoundedEnvironment,
    LimitError,
    RenderBudget,
)
from harness.common.reading import MAX_CONFIG, read_text

MAX_TEMPLATE = 100_000  # characters; the longest of today's have 40,000
MAX_INPUT = 2_000_000_000  # characters of messages, tools and arguments; nobody has so many
WORK = 2_000_000  # characters that a template may make or look at of itself
PASSES = 40  # and so often all of its input
MAX_TEXT, MOST_COPIES = 300_000, 20  # of a prompt beside its input, and how often that may stand


def read_template(path: Path | str) -> str:
    """Read a chat template; raise `InputError` where there is none."""
    file = from_home(path)
    try:
        text = read_text(file, "the chat template", limit=MAX_CONFIG)
    except InputError as error:
        missing = isinstance(error.__cause__, FileNotFoundError)
        message = "there is no such chat template" if missing else error.problems[0].message
        expected = "a Jinja file, such as chat_template.jinja"
        raise InputError(replace(error.problems[0], message=message, expected=expected)) from None
    if not text.strip():
        raise InputError(
            Problem("is an empty chat template", str(file), hint="write one, or leave it out")
        )
    return text


def template_variables(template: str) -> frozenset[str]:
    """Return the names that a chat template, one that can be rendered, takes from outside."""
    return frozenset(find_undeclared_variables(_JINJA.parse(template)) - _JINJA.globals.keys())


def template_hash(template: str) -> str:
    """Return 16 hexadecimal digits of a chat template's SHA-256."""
    return digest(template, 16)


class Asked(TypedDict, total=False):
    """How a conversation is rendered.

    Without `add_generation_prompt` it ends with its last message; with it, where an answer begins,
    or within the last message where that is the assistant's: then it is one to go on with.
    `arguments` are variables of the template; `work` is what it may do besides its input.
    """

    add_generation_prompt: bool
    tools: Sequence[Mapping[str, Any]]
    arguments: Mapping[str, Any]
    work: int


_GOES_ON = "CONTINUE_FINAL_MESSAGE_TAG "  # with its space, as in transformers


def render(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    special_tokens: Mapping[str, Any],
    **asked: Unpack[Asked],
) -> str:
    """Make the text that transformers' `apply_chat_template` makes without documents.

    `special_tokens` are `bos_token` and the like by name. `strftime_now` gives a fixed date. Raises
    jinja2's `TemplateError`, and what an expression in the template raises. Held to transformers
    5.19 (utils/chat_template_utils.py) by the tests.
    """
    generates = asked.get("add_generation_prompt", True)
    last = messages[-1] if messages and continues(messages[-1]["role"], generates) else None
    if last is not None:
        messages = [*messages[:-1], {**last, "content": last["content"] + _GOES_ON}]
    variables = {
        "messages": messages,
        "tools": [*asked.get("tools", ())] or None,
        "documents": None,
        "add_generation_prompt": generates and last is None,
        **special_tokens,
        **asked.get("arguments", {}),
    }
    whole = RenderBudget(MAX_INPUT)
    whole.weigh(variables)
    size = MAX_INPUT - whole.left
    budget = RenderBudget(asked.get("work", WORK) + PASSES * size)
    text = _compiled(template).render({**variables, BUDGET: budget})
    if len(text) > MAX_TEXT + MOST_COPIES * size:
        raise LimitError(f"the template makes {len(text)} characters of {size}")
    if last is None:
        return text
    tag = _GOES_ON.strip()
    if tag not in text or last["content"].strip() not in text:
        raise TemplateError("the answer to go on with does not stand in the prompt as it is")
    before, _, after = text.rpartition(tag)
    return before if after.startswith(" ") else before.rstrip()


def continues(last_role: str, add_generation_prompt: bool) -> bool:
    """Return whether a prompt ends within its last message: an answer to go on with."""
    return add_generation_prompt and last_role == "assistant"


class _Generation(Extension):
    """`{% generation %}` marks what a trainer learns from; in a prompt it is what it holds."""

    tags = {"generation"}  # noqa: RUF012 - declared so by jinja2

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_inside"), [], [], body).set_lineno(line)

    def _inside(self, caller: Callable[[], str]) -> str:
        return caller()


class ChatEnvironment(BoundedEnvironment):
    """Jinja as chat templates take it: with macros, formats and all filters that have a bound."""

    methods: ClassVar = {
        **READING_METHODS,
        str: TEXT_METHODS
        | {
            *("center", "format", "format_map", "isascii", "isdecimal", "isidentifier"),
            *("isprintable", "istitle", "join", "ljust", "replace", "rindex", "rjust", "zfill"),
        },
        dict: frozenset({"copy", "get", "items", "keys", "values"}),
        list: frozenset({"copy", "count", "index"}),
        float: frozenset({"is_integer"}),
        int: frozenset({"bit_length"}),
    }
    formats = True

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, loopcontrols],
            finalize=_said,
        )
        self.filters["tojson"] = _to_json
        self.globals["raise_exception"] = _raise
        self.globals["strftime_now"] = today
        self.count_filters(UNBOUNDED)


@pass_context
def _said(context: Context, value: Any) -> Any:
    return context.parent[BUDGET].weigh(value)


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    if len(template) > MAX_TEMPLATE:
        raise LimitError(f"a template has {MAX_TEMPLATE} characters at most, not {len(template)}")
    code = _JINJA.compile(_JINJA.bounded(template))
    return Template.from_code(_JINJA, code, _JINJA.make_globals(None))


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


_JINJA = ChatEnvironment()
