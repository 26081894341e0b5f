"""Jinja in suites: sandboxed, strict, rendered once.

A string that is exactly one `{{ expression }}` keeps the value's type. What a value contains is
never rendered again, so a row of data that holds `{{` stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.errors import nearest

MAX_CHARACTERS = 4_000_000  # of one rendered text: far above any prompt, far below trouble
_MARKS = ("{{", "{%", "{#")
_ONE_EXPRESSION = re.compile(r"\s*\{\{((?:(?!\{\{|\}\}|\{%).)*)\}\}\s*", re.DOTALL)
# They make much out of little: '{:>999999999}'.format(1), 'x'.ljust(10**9).
_GROWING = {"format", "format_map", "ljust", "rjust", "center", "zfill", "expandtabs"}
_GROWING_FILTERS = ("center", "format", "indent", "wordwrap")


class TemplateError(Exception):
    """A template that cannot be rendered."""

    def __init__(self, message: str, did_you_mean: str = "", known: str = "") -> None:
        super().__init__(message)
        self.message, self.did_you_mean, self.known = message, did_you_mean, known


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with nothing that makes a huge text out of a small one."""

    intercepted_binops = frozenset(["*", "**"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """`*` and `**` on small numbers only."""
        numbers = all(isinstance(v, int | float) and abs(v) < 10**6 for v in (left, right))
        if not numbers or (operator == "**" and abs(right) > 64):
            raise SecurityError(f"{operator!r} is for numbers below a million")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No methods that pad a text to any width."""
        return attr not in _GROWING and super().is_safe_attribute(obj, attr, value)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = _Sandbox(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.globals.clear()
    for name in _GROWING_FILTERS:
        environment.filters.pop(name)
    return environment


_JINJA = _environment()


def render(value: Any, variables: Mapping[str, Any]) -> Any:
    """A text rendered with these variables; any other value as it is. Raises TemplateError."""
    if not isinstance(value, str) or not any(mark in value for mark in _MARKS):
        return value
    single = _ONE_EXPRESSION.fullmatch(value)
    try:
        if single:
            return _defined(_expression(single[1])(**variables))
        return _bounded(_template(value).generate(**variables))
    except UndefinedError as error:
        raise _undefined(error, variables) from None
    except TemplateSyntaxError as error:
        raise TemplateError(f"broken template: {error.message}") from None
    except RecursionError:
        raise TemplateError("broken template: nested too deeply") from None
    except TemplateError:
        raise
    except (
        Exception
    ) as error:  # a template is a program of the user's: what it raises is their fault
        raise TemplateError(f"the template cannot be rendered: {error}") from None


def render_all(
    value: Any,
    variables: Mapping[str, Any],
    failed: Callable[[tuple[str | int, ...], TemplateError], None],
    loc: tuple[str | int, ...] = (),
) -> Any:
    """Render every text in nested lists and mappings; faults go to `failed` with their place."""
    if isinstance(value, dict):
        return {k: render_all(v, variables, failed, (*loc, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [render_all(v, variables, failed, (*loc, i)) for i, v in enumerate(value)]
    try:
        return render(value, variables)
    except TemplateError as error:
        failed(loc, error)
        return value


@lru_cache(maxsize=2000)  # every row of a data file uses the same few
def _expression(text: str) -> Callable[..., Any]:
    return _JINJA.compile_expression(text, undefined_to_none=False)


@lru_cache(maxsize=2000)
def _template(text: str) -> Template:
    return _JINJA.from_string(text)


def _defined(value: Any) -> Any:
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    return value


def _bounded(parts: Any) -> str:
    text, size = [], 0
    for part in parts:
        size += len(part)
        if size > MAX_CHARACTERS:
            raise TemplateError(f"the rendered text is longer than {MAX_CHARACTERS} characters")
        text.append(part)
    return "".join(text)


def _undefined(error: UndefinedError, variables: Mapping[str, Any]) -> TemplateError:
    name = re.search(r"'([^']+)' is undefined|has no attribute '([^']+)'", error.message or "")
    word = (name[1] or name[2]) if name else ""
    known = sorted(variables) if name and name[1] else sorted(_attributes(variables))
    return TemplateError(
        f"template variable {word!r} is not defined" if word else f"{error.message}",
        nearest(word, known),
        ", ".join(known),
    )


def _attributes(variables: Mapping[str, Any]) -> set[str]:
    """Keys of mappings among the variables: those of a row."""
    return {str(key) for v in variables.values() if isinstance(v, Mapping) for key in v}
