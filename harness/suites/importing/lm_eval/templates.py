"""Templates of tasks, filled in with a row as lm-eval fills them in."""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import regex
from jinja2 import Template, pass_context
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Context, Undefined

from harness.common import nearest, shown
from harness.common.bounded_jinja import BUDGET, READING_METHODS, TEXT_METHODS, RenderBudget
from harness.common.patterns import compile_pattern
from harness.suites.importing.source import Wrong
from harness.suites.sandbox import MAX_WORK, MissingNameError, Sandbox, kind

_MAX_LITERAL = 100_000  # characters of a text that is read as a literal of Python


@pass_context
def _as_python(context: Context, value: Any) -> str:
    """Return how Jinja writes a value by itself: `True`, `None`, a list as Python shows it."""
    context.parent[BUDGET].weigh(value)
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    if callable(value):
        raise TemplateRuntimeError(f"{kind(value)} has no text")
    return str(value)


@pass_context
def _regex_replace(
    context: Context, text: Any, pattern: str, made: str = "", count: int = 0
) -> str:
    """`re.sub`, within a bound."""
    budget: RenderBudget = context.parent[BUDGET]
    budget.weigh([text, pattern])
    text, made = str(text), str(made)

    def one(match: regex.Match[str]) -> str:
        budget.spend(len(made) + made.count("\\") * len(text))  # before it is made
        return match.expand(made)

    began = time.perf_counter()
    try:
        left = max(budget.seconds, 1e-3)
        found = compile_pattern(str(pattern)).sub(one, text, count=count, timeout=left)
    except (regex.error, TimeoutError, MemoryError, IndexError) as error:
        raise TemplateRuntimeError(f"regex_replace: {str(error) or 'it takes too long'}") from None
    finally:
        budget.seconds -= time.perf_counter() - began
    budget.weigh(found)
    return found


class _Templates(Sandbox):
    """Templates of tasks: values are written as Jinja itself writes them."""

    methods: ClassVar = {
        **READING_METHODS,
        str: TEXT_METHODS | {"replace", "join", "zfill"},
    }

    def __init__(self) -> None:
        super().__init__()
        self.finalize = _as_python
        self.filters["regex_replace"] = _regex_replace


_JINJA = _Templates()
_COMPILED: dict[str, Template] = {}


def text_of(template: Any, doc: Mapping[str, Any], what: str) -> Any:
    """Return what a template, or the name of a column, stands for in a row. Raises Wrong."""
    if isinstance(template, str) and template in doc:
        return doc[template]
    if isinstance(template, int | list):
        return template
    if not isinstance(template, str):
        raise Wrong(f"{what} is no template", found=shown(template))
    try:
        if template not in _COMPILED:
            if len(_COMPILED) > 1000:
                _COMPILED.clear()
            code = _JINJA.compile(_JINJA.read(template))
            _COMPILED[template] = Template.from_code(_JINJA, code, _JINJA.make_globals(None))
        made = _COMPILED[template]
        context = made.new_context({**doc, BUDGET: RenderBudget(MAX_WORK)})
        text = "".join(made.root_render_func(context))
        text.encode()
        return text
    except MissingNameError as error:
        close = nearest(str(error.name), map(str, doc))
        known = ", ".join(map(str, doc))[:300]
        message = f"{what}: the row has no {error.name!r}"
        raise Wrong(message, found=known, did_you_mean=close) from None
    except Exception as error:  # a template is a program of others: what it raises is its fault
        said = getattr(error, "message", None) or str(error) or type(error).__name__
        raise Wrong(f"{what}: the template cannot be filled in: {said}") from None


def choices_of(template: Any, doc: Mapping[str, Any]) -> list[Any] | None:
    """Return the choices of a row, None where the task has none. Raises Wrong."""
    if template is None:
        return None
    if isinstance(template, Mapping):
        return list(template.values())
    found = text_of(template, doc, "doc_to_choice")
    if isinstance(found, str):
        found = _literal(found)
    if not isinstance(found, list | tuple):
        raise Wrong("doc_to_choice makes no list", found=shown(found))
    return list(found)


def target_of(template: Any, doc: Mapping[str, Any], choices: Any) -> Any:
    """Return the answer that is wanted: a text, several, or a number. Raises Wrong."""
    found = text_of(template, doc, "doc_to_target")
    if isinstance(found, str) and found.isdigit() and choices is not None:
        return int(found[:9])
    if isinstance(found, str) and found[:1] == "[" and found[-1:] == "]" and len(found) > 1:
        return _literal(found, found)
    return found


def _literal(text: str, otherwise: Any = None) -> Any:
    """Return a literal of Python, as a template writes a list. Nothing is evaluated."""
    try:
        return ast.literal_eval(text) if len(text) < _MAX_LITERAL else otherwise
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return otherwise
