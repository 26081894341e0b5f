"""The Jinja environment of suites: sandboxed, strict, deterministic, and bounded.

A suite may come from somebody else, and is loaded by `pytest --collect-only` and by editors. So a
template reaches nothing but its variables, and its work is counted (`common/bounded_jinja.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from jinja2 import StrictUndefined, Undefined, UndefinedError, nodes, pass_context
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Context, LoopContext
from jinja2.utils import missing

from harness.common.bounded_jinja import BUDGET, READING_METHODS, BoundedEnvironment

MAX_WORK = 5_000_000  # characters and values made by one rendering: some tenths of a second

_FILTERS = frozenset(
    {
        *("abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int"),
        *("items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr"),
        *("replace", "reverse", "round", "select", "selectattr", "sort", "string", "sum", "title"),
        *("trim", "truncate", "unique", "upper", "wordcount"),
    }
)
_STATEMENTS: tuple[type[nodes.Node], ...] = (
    nodes.Macro, nodes.CallBlock, nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends,
    nodes.Block,
)  # fmt: skip


class MissingNameError(UndefinedError):
    """A name that is not there: a variable, or a key of `obj`."""

    def __init__(self, message: str | None = None, *, obj: Any, name: Any) -> None:
        super().__init__(message)
        self.obj, self.name = obj, name
        self.is_variable = obj is missing


class _Missing(StrictUndefined):
    """Says which name is missing, and where."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        super().__init__(hint, obj, name, exc)
        if exc is UndefinedError and hint is None:
            error: Any = partial(MissingNameError, obj=obj, name=name)
            self._undefined_exception = error


class Sandbox(BoundedEnvironment):
    """Jinja with the filters and methods that are safe on any input."""

    methods: ClassVar = READING_METHODS

    def __init__(self) -> None:
        super().__init__(undefined=_Missing, keep_trailing_newline=True, finalize=_said)
        self.globals = {}
        plain = {name: self.filters[name] for name in _FILTERS}
        self.filters = {**plain, "join": _join, "tojson": as_json}
        self.count_filters()

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`row.items` is the key `items` where there is one, else the method."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow methods that read; none that fills up, formats or changes."""
        if isinstance(obj, LoopContext) or not type(obj).__module__.startswith("jinja2."):
            return super().is_safe_attribute(obj, attr, value)
        return False

    def read(self, source: str) -> nodes.Template:
        """Return the parsed template, with counters in it. Raises TemplateSyntaxError."""
        return self.bounded(source, _STATEMENTS)


@pass_context
def _said(context: Context, value: Any) -> str:
    context.parent[BUDGET].weigh(value)
    return as_text(value)


def as_text(value: Any) -> str:
    """Return how a value stands in a text: itself, or as JSON. There is no text for null."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    if isinstance(value, str):
        return value
    if value is None:
        raise TemplateRuntimeError("null has no text; write {{ x or '' }} or {{ x | tojson }}")
    return as_json(value)


def as_json(value: Any) -> str:
    """Return a value as JSON; raise TemplateRuntimeError for one that has none."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except TypeError:
        raise TemplateRuntimeError(f"{kind(value)} has no text") from None


def kind(value: Any) -> str:
    """Return what a value is that is no data: a filter's result before `| list`, or a method."""
    return "a method" if callable(value) else f"a {type(value).__name__} without `| list`"


def _join(values: Iterable[Any], d: str = "") -> str:
    return d.join(as_text(value) for value in values)
