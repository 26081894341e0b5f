"""The Jinja environment of suites: sandboxed, strict, deterministic, and bounded.

A suite may come from somebody else, and is loaded by `pytest --collect-only` and by editors. So a
template reaches nothing but its variables, and no template, however written, fills the memory or
runs for long: what loops, joins and multiplies is counted, what cannot be counted is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, cast

from jinja2 import StrictUndefined, Undefined, UndefinedError, nodes, pass_context
from jinja2.exceptions import TemplateRuntimeError, TemplateSyntaxError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

MAX_WORK = 5_000_000  # characters and values made by one rendering: some tenths of a second
MAX_RANGE = 10_000
MAX_BITS = 10_000  # of a whole number
LOOP_WORK = 50  # one round of a loop costs as much as so many characters
VALUE_WORK = 10  # and so does one value that is no text

# Neither can be written in a template: names have no spaces.
BUDGET = "the budget"
_LOOP, _COUNT = "count loop", "count value"

_FILTERS = frozenset(
    {
        *("abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int"),
        *("items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr"),
        *("reverse", "select", "selectattr", "sort", "string", "sum", "title", "trim", "truncate"),
        *("unique", "upper", "wordcount"),
    }
)
_METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        {
            *("capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha"),
            *("isdigit", "islower", "isnumeric", "isspace", "isupper", "lower", "lstrip"),
            *("partition", "removeprefix", "removesuffix", "rfind", "rpartition", "rsplit"),
            *("rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper"),
        }
    ),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
}
_STATEMENTS = (
    nodes.Macro, nodes.CallBlock, nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends,
    nodes.Block,
)  # fmt: skip


class LimitError(TemplateRuntimeError):
    """A template does more than a prompt needs."""


class MissingNameError(UndefinedError):
    """A name that is not there: a variable, or a key of `obj`."""

    def __init__(self, message: str | None = None, *, obj: Any, name: Any) -> None:
        super().__init__(message)
        self.obj, self.name = obj, name
        self.is_variable = obj is missing


class RenderBudget:
    """What one rendering may still do."""

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, work: int) -> None:
        """Raise LimitError where nothing is left."""
        self.left -= work
        if self.left < 0:
            raise LimitError("the template does too much, or makes too long a text")

    def weigh(self, value: Any) -> Any:
        """`value` itself, after its size was spent; shared parts count each time."""
        if isinstance(value, Undefined):
            value._fail_with_undefined_error()
        self.spend(len(value) if isinstance(value, str) else VALUE_WORK)
        if isinstance(value, Mapping):
            self.weigh(list(value.items()))
        elif isinstance(value, list | tuple):
            for item in value:
                self.weigh(item)
        return value


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


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja with the filters and methods that are safe on any input."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self) -> None:
        super().__init__(undefined=_Missing, keep_trailing_newline=True, finalize=as_text)
        self.globals = {"range": _range}
        plain = {name: self.filters[name] for name in _FILTERS}
        self.filters = {name: _metered(each) for name, each in {**plain, **_OWN_FILTERS}.items()}
        self.filters |= _COUNTERS

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`row.items` is the key `items` where there is one, else the method."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow methods that read; none that fills up, formats or changes."""
        if isinstance(obj, LoopContext):
            return super().is_safe_attribute(obj, attr, value)
        return any(isinstance(obj, kind) and attr in names for kind, names in _METHODS.items())

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Offer no `str.format`: Jinja would let it through, and its widths have no bound."""
        return None

    def call(__self, __context: Context, __obj: Any, *args: Any, **named: Any) -> Any:
        """Call a method or `range`; what it reads and what it makes is spent."""
        budget: RenderBudget = __context[BUDGET]
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str | list | tuple | Mapping):
            budget.weigh(owner)
        found = super().call(__context, __obj, *args, **named)
        return budget.weigh(found) if isinstance(found, str | list | tuple) else found

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Do an operation whose result may be far larger than its operands."""
        budget: RenderBudget = context[BUDGET]
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            budget.weigh([left, right])
        if operator == "%" and isinstance(left, str):
            message = "a text is not formatted with %: write {{ a }} and {{ b }} side by side"
            raise LimitError(message)
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * abs(right) if operator == "**" else left.bit_length()
            if bits + right.bit_length() > MAX_BITS:
                raise LimitError("the template reckons with a number that is too large")
            budget.spend(1)
        else:
            sizes = [len(side) for side in (left, right) if isinstance(side, str | list | tuple)]
            times = next((side for side in (left, right) if isinstance(side, int)), 1)
            budget.spend(sum(sizes) * max(times, 1))
        return budget.weigh(super().call_binop(context, operator, left, right))

    def bounded(self, source: str) -> nodes.Template:
        """Return the parsed template, with counters in it. Raises TemplateSyntaxError."""
        tree = self.parse(source)
        for node in tree.find_all((*_STATEMENTS, nodes.For)):
            if not isinstance(node, nodes.For) or node.recursive:
                names = {"For": "a recursive loop", "FromImport": "'import'", "CallBlock": "'call'"}
                kind_of_node = type(node).__name__
                word = names.get(kind_of_node, f"'{kind_of_node.lower()}'")
                raise TemplateSyntaxError(f"{word} is not allowed in a suite", node.lineno)
        counted: nodes.Template = _Counting().visit(tree)
        return counted


class _Counting(NodeTransformer):
    """Puts a counter around all that a template makes or runs through."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _filtered(cast(nodes.Expr, node.iter), _LOOP)
        return node

    def _made(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        return node if getattr(node, "ctx", "load") == "store" else _filtered(node, _COUNT)

    visit_Concat = visit_List = visit_Dict = visit_Tuple = _made

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:
        self.generic_visit(node)
        node.filter = nodes.Filter(node.filter, _COUNT, [], [], None, None, lineno=node.lineno)
        return node

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> nodes.Node:
        self.generic_visit(node)
        node.filter = nodes.Filter(node.filter, _COUNT, [], [], None, None, lineno=node.lineno)
        return node


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def as_text(value: Any) -> str:
    """Return how a value stands in a text: itself, or as JSON. There is no text for null."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    if isinstance(value, str):
        return value
    if value is None:
        raise TemplateRuntimeError("null has no text; write {{ x or '' }} or {{ x | tojson }}")
    return _json(value)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except TypeError:
        raise TemplateRuntimeError(f"{kind(value)} has no text") from None


def kind(value: Any) -> str:
    """Return what a value is that is no data: a filter's result before `| list`, or a method."""
    return "a method" if callable(value) else f"a {type(value).__name__} without `| list`"


def _range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MAX_RANGE:
        raise LimitError(f"range() is for {MAX_RANGE} numbers at most")
    return found


@pass_context
def _count_loop(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        context[BUDGET].spend(LOOP_WORK)
        yield value


@pass_context
def _count_value(context: Context, value: Any) -> Any:
    return context[BUDGET].weigh(value)


@pass_context
def _join(context: Context, values: Iterable[Any], d: str = "") -> str:
    texts = [as_text(value) for value in values]
    context[BUDGET].spend(sum(map(len, texts)) + len(d) * len(texts))
    return d.join(texts)


@pass_context
def _replace(context: Context, text: str, old: str, new: str) -> str:
    context[BUDGET].spend(len(text) + str(text).count(old) * len(new))
    return str(text).replace(old, new)


def _round(number: float, precision: int = 0) -> float:
    return round(number, max(-20, min(20, precision)))


def _metered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that spends for what goes in and what comes out."""
    needs = getattr(function, "jinja_pass_arg", None)

    @pass_context
    def filtered(context: Context, value: Any, *args: Any, **named: Any) -> Any:
        budget: RenderBudget = context[BUDGET]
        if isinstance(value, str | list | tuple | Mapping):
            budget.weigh(value)
        elif isinstance(value, Iterable) and not isinstance(value, Undefined):
            value = _count_loop(context, value)
        first = {
            "context": (context,),
            "eval_context": (context.eval_ctx,),
            "environment": (context.environment,),
        }.get(needs.name if needs else "", ())
        found = function(*first, value, *args, **named)
        return budget.weigh(found) if isinstance(found, str | list | tuple) else found

    return filtered


_COUNTERS: Mapping[str, Callable[..., Any]] = {_LOOP: _count_loop, _COUNT: _count_value}
_OWN_FILTERS: Mapping[str, Callable[..., Any]] = {
    "join": _join,
    "replace": _replace,
    "round": _round,
    "tojson": _json,
}
