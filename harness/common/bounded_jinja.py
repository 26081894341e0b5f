"""Jinja whose work is counted: no template, however written, fills the memory or runs for long.

Templates come with models and suites of others. What makes text, copies it, compares it or runs
through values is counted before it is done, in characters; what cannot be counted is left out. The
count is the same on every machine, so a template is refused everywhere or nowhere.
"""

from __future__ import annotations

import re
from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    Sized,
    ValuesView,
)
from typing import Any, ClassVar, cast

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.exceptions import TemplateRuntimeError, TemplateSyntaxError
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from harness.common.limits import REGEX_SECONDS

MAX_RANGE = 10_000
MAX_BITS = 10_000  # of a whole number
MAX_WIDTH = 999  # of a field in a format
LOOP_WORK = 50  # one round of a loop, or one call, costs as much as so many characters
VALUE_WORK = 10  # and so does one value that is no text

# None can be written in a template: names have no spaces.
BUDGET = "the budget"
_LOOP, _TEXT, _COUNT, _SLICE, _SAID = (
    *("count loop", "count text", "count value", "count slice", "count output"),
)


class LimitError(TemplateRuntimeError):
    """A template does more than a prompt needs."""


class RenderBudget:
    """What one rendering may still do, in characters, and in seconds of patterns."""

    def __init__(self, work: int) -> None:
        self.left = work
        self.seconds = REGEX_SECONDS

    def spend(self, work: int) -> None:
        """Raise LimitError where nothing is left."""
        self.left -= work
        if self.left < 0:
            raise LimitError("the template does too much, or makes too long a text")

    def weigh(self, value: Any, *, text: bool = True) -> Any:
        """Return `value` itself, after its size was spent; shared parts count each time.

        text: as it would be written; else the values alone, which a list of them refers to.
        """
        # Most values are of these types themselves; the order is that of how often they come.
        kind = type(value)
        if kind is str:
            self.spend(len(value) if text else VALUE_WORK)
        elif kind is dict:
            self.spend(VALUE_WORK)
            for key, part in value.items():
                self.weigh(key, text=text)
                self.weigh(part, text=text)
        elif kind is list or kind is tuple:
            self.spend(VALUE_WORK)
            for part in value:
                self.weigh(part, text=text)
        elif isinstance(value, int):
            self.spend(VALUE_WORK + value.bit_length() // 3)
        elif isinstance(value, str):
            self.weigh(str(value), text=text)
        elif isinstance(value, Mapping):
            self.weigh(dict(value), text=text)
        elif isinstance(value, list | tuple | KeysView | ValuesView | ItemsView):
            self.weigh(list(value), text=text)
        elif isinstance(value, StrictUndefined):
            value._fail_with_undefined_error()
        elif kind is Namespace:
            raise LimitError("a namespace has no text")
        else:
            self.spend(VALUE_WORK)
        return value

    def touch(self, value: Any) -> Any:
        """Return `value` itself, after the size of its outermost part was spent."""
        if isinstance(value, str):
            self.spend(len(value))
        elif isinstance(value, list | tuple | dict | range):
            self.spend(VALUE_WORK * (1 + len(value)))
        else:
            self.spend(VALUE_WORK)
        return value

    def items(self, values: Iterable[Any], each: int = VALUE_WORK) -> Iterable[Any]:
        """Return the values to run through once: counted now, or one by one as they come."""
        if isinstance(values, Sized) and len(values) <= MAX_RANGE:
            self.spend(each * len(values))
            return values
        return self._counted(values, each)

    def _counted(self, values: Iterable[Any], each: int) -> Iterator[Any]:
        for value in values:
            self.spend(each)
            yield value


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox in which work is counted; render its templates with a `BUDGET` among the variables.

    `methods` are those that templates may call, by the type of the value. `formats`: texts may be
    formatted, in narrow fields. Filters and tests are counted from `count_filters` on.
    """

    intercepted_binops = frozenset(["+", "*", "**", "%"])
    methods: ClassVar[Mapping[type, frozenset[str]]] = {}
    formats = False

    def count_filters(self, dropped: Iterable[str] = ()) -> None:
        """Put a counter before all filters and tests; leave those out that have no bound."""
        for name in dropped:
            self.filters.pop(name, None)
        self.filters = {name: _counted(name, filter) for name, filter in self.filters.items()}
        self.filters |= _COUNTERS
        self.tests = {
            name: _counted_test(cast(Callable[..., Any], test)) if name in _COMPARING else test
            for name, test in self.tests.items()
        }
        self.globals["range"] = _range
        self.globals.pop("lipsum", None)

    def bounded(self, source: str, forbidden: tuple[type[nodes.Node], ...] = ()) -> nodes.Template:
        """Return the parsed template, with counters in it. Raises TemplateSyntaxError."""
        tree = self.parse(source)
        if forbidden:
            wanted: tuple[type[nodes.Node], ...] = (*forbidden, nodes.For)
            for node in tree.find_all(wanted):
                if not isinstance(node, nodes.For) or node.recursive:
                    said = {"For": "a recursive loop", "FromImport": "'import'"}
                    said["CallBlock"] = "'call'"
                    name = type(node).__name__
                    word = said.get(name, f"'{name.lower()}'")
                    raise TemplateSyntaxError(f"{word} is not allowed in a suite", node.lineno)
        counted: nodes.Template = _Counting().visit(tree)
        return counted

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow what jinja2 allows of its own values, and of others the methods that are named."""
        if type(obj) in self.methods:
            return attr in self.methods[type(obj)]
        known = any(isinstance(obj, kind) and attr in names for kind, names in self.methods.items())
        own = type(obj).__module__.startswith("jinja2.")
        return (known or own) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return `str.format` for formats without wide fields, where texts may be formatted.

        Elsewhere there is none: jinja2 would let it through, and its widths have no bound.
        """
        made = super().wrap_str_format(value) if self.formats else None
        if made is None:
            return None
        demand_narrow(value.__self__)
        return made

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Do an operation whose result may be far larger than its operands."""
        budget: RenderBudget = context.parent[BUDGET]
        if isinstance(left, StrictUndefined) or isinstance(right, StrictUndefined):
            budget.weigh([left, right])
        if operator == "%" and isinstance(left, str):
            if not self.formats:
                message = "a text is not formatted with %: write {{ a }} and {{ b }} side by side"
                raise LimitError(message)
            demand_narrow(left)
            budget.weigh([left, right])
        elif isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * abs(right) if operator == "**" else left.bit_length()
            if bits + right.bit_length() > MAX_BITS:
                raise LimitError("the template reckons with a number that is too large")
            budget.spend(1)
        else:
            sizes = [
                len(side) * (1 if isinstance(side, str) else VALUE_WORK)
                for side in (left, right)
                if isinstance(side, str | list | tuple)
            ]
            times = next((side for side in (left, right) if isinstance(side, int)), 1)
            budget.spend(1 + sum(sizes) * max(times, 1))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function, a macro or a method, after what it may cost was spent."""
        budget: RenderBudget = __context.parent[BUDGET]
        budget.spend(LOOP_WORK)
        owner = getattr(__obj, "__self__", None)
        if isinstance(__obj, LoopContext):  # a round of it for each value
            args = (budget.items(args[0], LOOP_WORK), *args[1:]) if args else args
        elif isinstance(owner, str):
            if count := _METHOD_COSTS.get(__obj.__name__):
                # jinja2 hands on the names of a loop in arguments of its own.
                inner = {name: value for name, value in kwargs.items() if name.startswith("_")}
                named = {name: value for name, value in kwargs.items() if name not in inner}
                args, kwargs = count(budget, owner, *args, **named), inner
            else:
                budget.spend(len(owner))
        elif isinstance(owner, list | tuple):  # they compare
            budget.weigh(owner)
        elif hasattr(__obj, "__wrapped__"):  # str.format
            budget.weigh([args, kwargs])
        for value in (*args, *kwargs.values()):
            budget.touch(value)
        return budget.touch(super().call(__context, __obj, *args, **kwargs))


class _Counting(NodeTransformer):
    """Puts a counter around all that a template makes, compares or runs through."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _filtered(cast(nodes.Expr, node.iter), _LOOP)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [_filtered(part, _TEXT) for part in node.nodes]
        return node

    def _made(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        plain = isinstance(node, nodes.List | nodes.Tuple) and all(
            isinstance(item, nodes.Const) for item in node.items
        )
        stored = getattr(node, "ctx", "load") == "store"
        return node if plain or stored else _filtered(node, _COUNT)

    visit_List = visit_Dict = visit_Tuple = _made

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, _SLICE) if isinstance(node.arg, nodes.Slice) else node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        small = any(
            isinstance(side, nodes.Const) and len(str(side.value)) < 100 for side in sides
        ) and all(operand.op in ("eq", "ne") for operand in node.ops)
        self.generic_visit(node)
        if not small:
            node.expr = node.expr if _is_const(node.expr) else _filtered(node.expr, _TEXT)
            for operand in node.ops:
                if not _is_const(operand.expr):
                    operand.expr = _filtered(operand.expr, _TEXT)
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        self.generic_visit(node)
        data = sum(len(each.data) for each in node.nodes if isinstance(each, nodes.TemplateData))
        if data:
            node.nodes.append(_filtered(nodes.Const(data, lineno=node.lineno), _SAID))
        return node


def _is_const(node: nodes.Node) -> bool:
    if isinstance(node, nodes.List | nodes.Tuple):
        return all(isinstance(item, nodes.Const) for item in node.items)
    return isinstance(node, nodes.Const)


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MAX_RANGE:
        raise LimitError(f"range() is for {MAX_RANGE} numbers at most")
    return found


_PERCENT = re.compile(r"%(?:\([^()]*\))?[-+ #0-9.*]*")
_BRACES = re.compile(r"\{[^{}]*:[^{}]*")
_FOUR_DIGITS = re.compile(r"\d{4}")


def demand_narrow(text: str) -> None:
    """Raise LimitError for a format with fields wider than `MAX_WIDTH`, or of variable width."""
    fields = [(found[0], found[0].find("*") >= 0) for found in _PERCENT.finditer(text)]
    fields += [(found[0], text.startswith("{", found.end())) for found in _BRACES.finditer(text)]
    if any(variable or _FOUR_DIGITS.search(field) for field, variable in fields):
        raise LimitError(f"a field of a format has {MAX_WIDTH} characters at most")


# -- what stands in the tree -----------------------------------------------------------------------


@pass_context
def _count_loop(context: Context, values: Iterable[Any]) -> Iterable[Any]:
    return cast(RenderBudget, context.parent[BUDGET]).items(values, LOOP_WORK)


@pass_context
def _count_text(context: Context, value: Any) -> Any:
    return context.parent[BUDGET].weigh(value)


@pass_context
def _count_value(context: Context, value: Any) -> Any:
    return context.parent[BUDGET].weigh(value, text=False)


@pass_context
def _count_slice(context: Context, value: Any) -> Any:
    return context.parent[BUDGET].touch(value)


@pass_context
def _count_output(context: Context, characters: int) -> str:
    context.parent[BUDGET].spend(characters)
    return ""


_COUNTERS: Mapping[str, Callable[..., Any]] = {
    _LOOP: _count_loop,
    _TEXT: _count_text,
    _COUNT: _count_value,
    _SLICE: _count_slice,
    _SAID: _count_output,
}


# -- filters, tests and methods: what they cost before they are done -------------------------------

# They look at the outermost part of a value alone, or hand on its parts one by one.
_LIGHT = frozenset(
    {
        *("attr", "batch", "count", "d", "default", "first", "items", "last", "length", "list"),
        *("map", "reject", "rejectattr", "reverse", "select", "selectattr", "slice"),
    }
)
_COMPARING = frozenset(
    {
        *("!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "in"),
        *("le", "lessthan", "lower", "lt", "ne", "upper"),
    }
)
# What jinja2 has, and a bound would be hard to give: none is of use in a prompt.
UNBOUNDED = ("pprint", "random", "urlize", "wordwrap")


def _counted(name: str, filter: Callable[..., Any]) -> Callable[..., Any]:
    """Return the filter with a counter before it, and one for its result."""
    passed = getattr(getattr(filter, "jinja_pass_arg", None), "name", "")

    @pass_context
    def counted(context: Context, value: Any = "", *args: Any, **kwargs: Any) -> Any:
        budget: RenderBudget = context.parent[BUDGET]
        if isinstance(value, Iterator):
            value = budget.items(value) if name in _LIGHT else list(budget.items(value))
        if name in _LIGHT:
            budget.touch(value)
        else:
            budget.weigh(value)
        if cost := _FILTER_COSTS.get(name):
            cost(budget, value, *args, **kwargs)
        for argument in (*args, *kwargs.values()):
            budget.weigh(argument)
        first = {
            "context": (context,),
            "eval_context": (context.eval_ctx,),
            "environment": (context.environment,),
        }.get(passed, ())
        return budget.touch(filter(*first, value, *args, **kwargs))

    return counted


def _counted_test(test: Callable[..., Any]) -> Callable[..., Any]:
    @pass_context
    def counted(context: Context, value: Any, *args: Any) -> Any:
        for each in (value, *args):
            context.parent[BUDGET].weigh(each)
        return test(value, *args)

    return counted


def _center(budget: RenderBudget, value: Any, width: int = 80, *_: Any) -> None:
    budget.spend(abs(width))


def _indent(budget: RenderBudget, s: Any, width: Any = 4, *_: Any, **__: Any) -> None:
    budget.spend((width if isinstance(width, int) else len(width)) * (str(s).count("\n") + 1))


def _portions(budget: RenderBudget, value: Any, linecount: int = 1, *_: Any, **more: Any) -> None:
    budget.spend(VALUE_WORK * abs(more.get("slices", linecount)))


def _format(budget: RenderBudget, value: Any, *_: Any, **__: Any) -> None:
    demand_narrow(str(value))


def _join(budget: RenderBudget, value: Any, d: str = "", *_: Any, **__: Any) -> None:
    budget.spend(len(str(d)) * len(value))


def _replace(budget: RenderBudget, s: Any, old: str, new: str, *_: Any, **__: Any) -> None:
    budget.spend(str(s).count(str(old)) * len(str(new)))


def _round(budget: RenderBudget, value: Any, precision: int = 0, *_: Any, **__: Any) -> None:
    if abs(precision) > 20:
        raise LimitError("a number is rounded to 20 places at most")


def _sorted(budget: RenderBudget, value: Any, *_: Any, **__: Any) -> None:
    for _number in range(len(value).bit_length() if isinstance(value, Sized) else 1):
        budget.weigh(value)


def _sum(budget: RenderBudget, iterable: Any, *_: Any, **__: Any) -> None:
    if any(not isinstance(item, int | float | Undefined) for item in iterable):
        budget.spend(len(iterable) * sum(len(i) for i in iterable if isinstance(i, Sized)))


def _tojson(budget: RenderBudget, value: Any, *args: Any, **kwargs: Any) -> None:
    given = [*args, *kwargs.values()]
    spaces = sum(abs(each) for each in given if isinstance(each, int))
    spaces += sum(len(str(each)) for each in given if not isinstance(each, int))
    if spaces > MAX_WIDTH:
        raise LimitError(f"JSON is indented by {MAX_WIDTH} characters at most")
    for _number in range(1 + spaces // 2):  # some characters more for each level of each value
        budget.weigh(value, text=False)


_FILTER_COSTS: Mapping[str, Callable[..., None]] = {
    "batch": _portions,
    "center": _center,
    "dictsort": _sorted,
    "format": _format,
    "groupby": _sorted,
    "indent": _indent,
    "join": _join,
    "max": _sorted,
    "min": _sorted,
    "replace": _replace,
    "round": _round,
    "slice": _portions,
    "sort": _sorted,
    "sum": _sum,
    "tojson": _tojson,
    "unique": _sorted,
}


def _padded(budget: RenderBudget, text: str, width: int, *fill: str) -> tuple[Any, ...]:
    budget.spend(len(text) + abs(width))
    return width, *fill


def _joined(budget: RenderBudget, text: str, parts: Iterable[Any]) -> tuple[Any, ...]:
    items = list(budget.items(parts))
    budget.weigh(items)
    budget.spend(len(text) * len(items))
    return (items,)


def _replaced(
    budget: RenderBudget, text: str, old: str, new: str, count: int = -1
) -> tuple[Any, ...]:
    budget.spend(len(text) + text.count(old) * len(new))
    return old, new, count


def _looked(budget: RenderBudget, text: str, *args: Any) -> tuple[Any, ...]:
    return args


_METHOD_COSTS: Mapping[str, Callable[..., tuple[Any, ...]]] = {
    "center": _padded,
    "endswith": _looked,
    "join": _joined,
    "ljust": _padded,
    "replace": _replaced,
    "rjust": _padded,
    "startswith": _looked,
    "zfill": _padded,
}
TEXT_METHODS = frozenset(
    {
        *("capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha"),
        *("isdigit", "islower", "isnumeric", "isspace", "isupper", "lower", "lstrip"),
        *("partition", "removeprefix", "removesuffix", "rfind", "rpartition", "rsplit"),
        *("rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper"),
    }
)
READING_METHODS: Mapping[type, frozenset[str]] = {
    str: TEXT_METHODS,
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
}
