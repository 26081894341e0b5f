"""Templates in suites, rendered once.

A string that is exactly one `{{ expression }}` keeps the value's type, inside checks; elsewhere the
result is a text. What a value contains is never rendered again, so a row of data that holds `{{`
stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.runtime import Undefined

from harness.common import nearest, shown
from harness.common.bounded_jinja import BUDGET, RenderBudget
from harness.suites.sandbox import MAX_WORK, MissingNameError, Sandbox, kind

Loc = tuple[str | int, ...]
_MARKS = ("{{", "{%", "{#")
_RESULT = "result"
_RAW = "text that only looks like a template stands between {% raw %} and {% endraw %}"


class TemplateError(Exception):
    """A template that cannot be rendered. `row_key`: the key that the row has not."""

    def __init__(
        self,
        message: str,
        *,
        found: str = "",
        did_you_mean: str = "",
        hint: str = "",
        row_key: str = "",
    ) -> None:
        super().__init__(message)
        self.message, self.found, self.did_you_mean = message, found, did_you_mean
        self.hint, self.row_key = hint, row_key


Failed = Callable[[Loc, TemplateError], None]


def is_template(text: str) -> bool:
    """Return whether there is anything to render."""
    return "{" in text and any(mark in text for mark in _MARKS)


def render_text(text: str, variables: Mapping[str, Any]) -> str:
    """Return the text with its templates filled in. Raises TemplateError."""
    if not is_template(text):
        return text
    if (found := _looked_up(text, variables)) is not None:
        return found
    rendered: str = _run(_template(text), text, variables)
    return rendered


def render_value(text: str, variables: Mapping[str, Any]) -> Any:
    """As `render_text`; one expression alone keeps its type. Raises TemplateError."""
    if not is_template(text):
        return text
    if (found := _looked_up(text, variables)) is not None:
        return found
    expression = _expression(text)
    if expression is None:
        return render_text(text, variables)
    return _run(expression, text, variables)


def render_below(
    value: Any, variables: Mapping[str, Any], failed: Failed, loc: Loc, keep_types: bool = True
) -> Any:
    """Render every text in nested lists and mappings; faults go to `failed` with their place."""
    if isinstance(value, str):
        if not is_template(value):
            return value
        try:
            return (render_value if keep_types else render_text)(value, variables)
        except TemplateError as error:
            failed(loc, error)
            return value
    if isinstance(value, dict):
        return {
            key: render_below(item, variables, failed, (*loc, key), keep_types)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            render_below(item, variables, failed, (*loc, index), keep_types)
            for index, item in enumerate(value)
        ]
    return value


_JINJA = Sandbox()


_MOST_PARTS = 20  # of a template that is looked through: those of rows have few


def _looked_up(text: str, variables: Mapping[str, Any]) -> str | None:
    """Return a template's text where it only puts texts of its variables in; None for any other.

    Most templates of rows do no more. What the budget would stop, or an error would tell, is left
    to Jinja; a text that is made here is the one that it would make.
    """
    said = []
    for part in _parts(text):
        value: Any = part
        if isinstance(part, tuple):
            value = variables
            for key in part:
                if type(value) is not dict or key not in value:
                    return None
                value = value[key]
            if type(value) is not str:
                return None
        said.append(value)
    whole = "".join(said)
    # Half of a surrogate pair is no text, and what is ASCII alone has none.
    return whole if said and len(whole) < MAX_WORK and whole.isascii() else None


@lru_cache(maxsize=4096)  # every row of a data file uses the same few
def _parts(text: str) -> tuple[str | tuple[str, ...], ...]:
    """Return the texts of a template and the ways to its values; none where it has more."""
    try:
        body = _JINJA.parse(text).body
    except (TemplateSyntaxError, RecursionError):
        return ()
    parts: list[str | tuple[str, ...]] = []
    for output in body:
        for node in output.nodes if isinstance(output, nodes.Output) else (output,):
            way: tuple[str, ...] = ()
            while isinstance(node, nodes.Getattr) and len(way) < _MOST_PARTS:
                way, node = (node.attr, *way), node.node
            if isinstance(node, nodes.Name) and node.name != "self":  # that is Jinja's own
                parts.append((node.name, *way))
            elif isinstance(node, nodes.TemplateData):
                parts.append(node.data)
            else:
                return ()
    return tuple(parts) if len(parts) < _MOST_PARTS else ()


@lru_cache(maxsize=4096)
def _template(text: str) -> Template:
    return _compiled(_parsed(text), text)


@lru_cache(maxsize=4096)
def _expression(text: str) -> Template | None:
    """Return the template as one expression; None where it is anything else."""
    tree = _parsed(text)
    output = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(output, nodes.Output) or len(output.nodes) != 1:
        return None
    if isinstance(output.nodes[0], nodes.TemplateData):
        return None
    name = nodes.Name(_RESULT, "store", lineno=1)
    assign = nodes.Assign(name, output.nodes[0], lineno=1)
    expression = nodes.Template([assign], lineno=1)
    expression.set_environment(_JINJA)
    return _compiled(expression, text)


def _parsed(text: str) -> nodes.Template:
    try:
        return _JINJA.read(text)
    except TemplateSyntaxError as error:
        lines = text.splitlines()
        line = lines[error.lineno - 1] if 0 < error.lineno <= len(lines) else text
        message = f"broken template: {_said(error)}"
        raise TemplateError(message, found=shown(line.strip()), hint=_RAW) from None
    except RecursionError:
        raise TemplateError("broken template: too many levels") from None


def _compiled(tree: nodes.Template, text: str) -> Template:
    try:
        code = _JINJA.compile(tree)
    except (RecursionError, MemoryError, SyntaxError, TemplateSyntaxError, ValueError) as error:
        message = f"broken template: {_said(error)}"
        raise TemplateError(message, found=shown(text)) from None
    return Template.from_code(_JINJA, code, _JINJA.make_globals(None))


def _run(template: Template, text: str, variables: Mapping[str, Any]) -> Any:
    """Return the value of an expression, or the text."""
    budget = RenderBudget(MAX_WORK)
    context = template.new_context({**variables, BUDGET: budget})
    try:
        parts = []
        for part in template.root_render_func(context):
            parts.append(part)
        if template is _expression(text):
            return _plain(budget.weigh(context.vars[_RESULT]))
        return _plain("".join(parts))
    except MissingNameError as error:
        raise _missing(error, variables) from None
    except Exception as error:  # a template is the user's program: what it raises is its fault
        message = f"the template cannot be rendered: {_said(error)}"
        raise TemplateError(message, found=shown(text)) from None


def _plain(value: Any) -> Any:
    """Return a copy that belongs to nobody else; refuses what YAML and JSON could not say."""
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        value.encode()  # a lone surrogate is in no text that a model can read
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("the number is not finite")
    elif value is not None and not isinstance(value, bool | int | float):
        raise TypeError(f"{kind(value)} is no value")
    return value


def _said(error: BaseException) -> str:
    if isinstance(error, RecursionError | MemoryError):
        return "too many levels"
    if isinstance(error, UnicodeEncodeError):
        return "half of a surrogate pair is no text"
    message = getattr(error, "message", None) or str(error)
    return message.rstrip(".") or type(error).__name__


def _missing(error: MissingNameError, variables: Mapping[str, Any]) -> TemplateError:
    name = str(error.name)
    if error.is_variable:
        # A key of a row, or of a haystack, may have been named without it.
        held = ((key, value) for key, value in variables.items() if isinstance(value, Mapping))
        inside = next((f"{key}.{name}" for key, value in held if name in value), "")
        return TemplateError(
            f"template variable {name!r} is not defined",
            did_you_mean=inside or nearest(name, variables),
            hint=_known("known variables", variables),
        )
    if isinstance(error.obj, Undefined) or not isinstance(error.obj, Mapping):
        return TemplateError(f"the template cannot be rendered: {error.message}")
    is_row = error.obj is variables.get("row")
    return TemplateError(
        f"{'the row' if is_row else 'the value'} has no key {name!r}",
        did_you_mean=nearest(name, map(str, error.obj)),
        hint=_known("known keys", error.obj),
        row_key=name if is_row else "",
    )


def _known(what: str, names: Mapping[str, Any]) -> str:
    listed = sorted(map(str, names))
    more = f" and {len(listed) - 20} more" if len(listed) > 20 else ""
    return f"{what}: {', '.join(listed[:20])}{more}" if listed else f"{what}: none"
