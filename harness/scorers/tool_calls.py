"""Checks on the calls of tools in an answer.

They read all calls that the model made in answer to a user turn, in order. A malformed call is the
model's mistake: it fits nothing. Matching is that of BFCL's AST checker but for what
`docs/tools.md` lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import model_validator

from harness.common import NUMBER_DIGITS, SCHEMA_SECONDS, JsonValue, ToolCall, shown
from harness.common.patterns import compile_pattern
from harness.scorers.arguments import wrong
from harness.scorers.call_expectations import ExpectedCall, NoToolCallArgs, is_condition
from harness.scorers.json_text import Exact, exact, kind, same, size, written
from harness.scorers.patterns import Budget, TooSlow
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.tools import Tool, misfit, parameters_of, tool_name
from harness.scorers.values import Answer, Context, Finding, verdict

_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
            "required": ["city"],
        },
    },
}
_CONTEXT = Context(tools=(_WEATHER,))
_PARIS, _ROME = (ToolCall("get_weather", {"city": city}) for city in ("Paris", "Rome"))


def _all(calls: Sequence[ToolCall]) -> str:
    told = ", ".join(str(call) for call in calls[:4])
    return f"{told} and {len(calls) - 4} more" if len(calls) > 4 else told


# -- values ----------------------------------------------------------------------------------------

_PASSED_OVER = re.compile(r"[ ,./\-_*^]")  # what BFCL's checker takes out of texts
_NUMBER = re.compile(r"\s*[-+]?[0-9][0-9.,]*\s*")


def _loose(text: str) -> str:
    """Return a text without case, spaces and `,./-_*^`; a number keeps its sign and its point."""
    if _NUMBER.fullmatch(text):
        return text.strip()
    return _PASSED_OVER.sub("", text).casefold().replace("'", '"')


def _equal(expected: Exact, found: Exact, tolerance: Decimal, loose: bool) -> bool:
    if loose and isinstance(expected, str) and isinstance(found, str):
        return _loose(expected) == _loose(found)
    if loose and isinstance(expected, list) and isinstance(found, list):
        pairs = zip(expected, found, strict=False)
        return len(expected) == len(found) and all(_equal(a, b, tolerance, loose) for a, b in pairs)
    if loose and isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(
            _equal(expected[key], found[key], tolerance, loose) for key in expected
        )
    return same(found, expected, tolerance)


def _is_kind(value: Exact, name: str) -> bool:
    if name == "integer":
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return False
        return size(value) > NUMBER_DIGITS or value == int(value)
    return kind(value) == name


def difference(expected: Any, found: Exact, place: str, *, loose: bool, budget: Budget) -> str:
    """Say how a value is not what is expected; empty where it is. `place` is its name."""
    if isinstance(expected, Mapping) and not is_condition(expected):
        if not isinstance(found, dict):
            return f"{place}: an object wanted, found {kind(found)} {written(found)}"
        return _differences(expected, found, f"{place}.", {}, loose=loose, budget=budget)
    if isinstance(expected, list):
        if not isinstance(found, list):
            return f"{place}: a list wanted, found {kind(found)} {written(found)}"
        if len(found) != len(expected):
            return f"{place}: {len(expected)} items wanted, found {written(found)}"
        each = (
            difference(want, item, f"{place}[{at}]", loose=loose, budget=budget)
            for at, (want, item) in enumerate(zip(expected, found, strict=True))
        )
        return next(filter(None, each), "")
    if not isinstance(expected, Mapping):
        if _equal(exact(expected), found, Decimal(0), loose):
            return ""
        return f"{place}: {written(exact(expected))} wanted, found {written(found)}"
    return _unmet(expected, found, place, loose=loose, budget=budget)


def _unmet(
    condition: Mapping[str, Any], found: Exact, place: str, *, loose: bool, budget: Budget
) -> str:
    """Say what a value does not meet of a condition."""
    loose = condition.get("text", "loose" if loose else "exact") == "loose"
    tolerance = Decimal(repr(condition.get("tolerance", 0)))
    said = f"{place}: %s, found {kind(found)} {written(found)}"
    if "type" in condition:
        kinds = condition["type"] if isinstance(condition["type"], list) else [condition["type"]]
        if not any(_is_kind(found, name) for name in kinds):
            return said % f"{' or '.join(kinds)} wanted"
    accepted = list(condition.get("one_of", []))
    accepted += [condition["equals"]] if "equals" in condition else []
    if accepted and not any(
        _accepts(exact(want), found, condition, tolerance, loose) for want in accepted
    ):
        told = written(exact(accepted[0] if len(accepted) == 1 else accepted), 100)
        told = told if len(accepted) == 1 else f"one of {told}"
        return said % f"{told}{f' ± {tolerance}' if tolerance else ''} wanted"
    for word, sign in (("min", "at least"), ("max", "at most")):
        if word in condition:
            limit = exact(condition[word])
            assert isinstance(limit, int | Decimal)
            if isinstance(found, bool) or not isinstance(found, int | Decimal):
                return said % "a number wanted"
            if (found < limit) if word == "min" else (found > limit):
                return said % f"{sign} {limit} wanted"
    if "regex" in condition:
        if not isinstance(found, str):
            return said % "a text wanted"
        if not budget.search(compile_pattern(condition["regex"]), found):
            return said % f"{shown(condition['regex'])} does not match"
    return ""


def _accepts(
    want: Exact, found: Exact, condition: Mapping[str, Any], tolerance: Decimal, loose: bool
) -> bool:
    free = condition.get("order") == "free" and isinstance(want, list) and isinstance(found, list)
    if not free:
        return _equal(want, found, tolerance, loose)
    assert isinstance(want, list)
    assert isinstance(found, list)
    if len(want) != len(found) or len(want) > MOST_MATCHED:
        return False
    fits = [
        [at for at, item in enumerate(found) if _equal(one, item, tolerance, loose)] for one in want
    ]
    return None not in matching(fits)


def _differences(
    expected: Mapping[str, Any],
    found: Mapping[str, Exact],
    place: str,
    defaults: Mapping[str, Any],
    *,
    loose: bool,
    budget: Budget,
) -> str:
    """Say how an object differs; a value of `defaults` may be given without being expected."""
    for name, want in expected.items():
        if name in found:
            if why := difference(want, found[name], place + name, loose=loose, budget=budget):
                return why
        elif not (isinstance(want, Mapping) and is_condition(want) and want.get("optional")):
            return f"{place}{name} is missing"
    for name, value in found.items():
        if name not in expected and not (
            name in defaults and same(value, exact(defaults[name]["default"]))
        ):
            return f"{place}{name} is not wanted, found {written(value)}"
    return ""


MOST_MATCHED = 256


def matching(fits: Sequence[Sequence[int]]) -> list[int | None]:
    """Return a maximum bipartite matching: for each row a column of its own, or None.

    `fits[row]` are the columns that fit it. By augmenting paths (Kuhn), so that the verdict does
    not depend on the order of calls.
    """
    owner: dict[int, int] = {}
    for start in range(len(fits)):
        came: dict[int, int] = {}  # column: the row from which it was reached
        waiting, free = [start], None
        while waiting and free is None:
            row = waiting.pop()
            for column in fits[row]:
                if column not in came:
                    came[column] = row
                    if column not in owner:
                        free = column
                        break
                    waiting.append(owner[column])
        while free is not None:  # turn the path over
            row = came[free]
            before = next((column for column, own in owner.items() if own == row), None)
            owner[free] = row
            free = None if row == start else before
    rows = {row: column for column, row in owner.items()}
    return [rows.get(row) for row in range(len(fits))]


# -- calls -----------------------------------------------------------------------------------------


class _CallArgs(Args):
    """`valid`: the arguments must fit the tool's own schema, too. `text: loose`: see above."""

    text: Literal["exact", "loose"] = "exact"
    valid: bool = True


def _unfit(
    expected: ExpectedCall, call: ToolCall, tools: Mapping[str, Tool], args: _CallArgs
) -> str:
    """Say how a call is not the expected one; empty where it is. Raises TooSlow."""
    if isinstance(call.arguments, str):
        return str(call)
    if call.name != expected.name:
        return f"{expected.name} wanted, it calls {call!s}"
    tool = tools.get(call.name)
    if tools and tool is None:
        return f"{call.name} is not declared"
    given = exact(dict(call.arguments))
    assert isinstance(given, dict)
    if expected.arguments is not None:
        listed = parameters_of(tool).get("properties", {}) if tool else {}
        defaults = {
            name: part
            for name, part in listed.items()
            if isinstance(part, Mapping) and "default" in part
        }
        why = _differences(
            expected.arguments, given, "", defaults, loose=args.text == "loose", budget=Budget()
        )
        if why:
            return f"{call.name}: {why}"
    if args.valid and tool is not None and (why := misfit(call.arguments, tool)):
        return f"{call.name}: {why}"
    return ""


def _tools(context: Context) -> dict[str, Tool]:
    return {tool_name(tool): tool for tool in context.tools}


_SLOW = f"cannot tell: validation does not end in {SCHEMA_SECONDS:g} s"


class ToolCallArgs(ExpectedCall, _CallArgs):
    """The call that is expected: `name`, and its `arguments`.

    Each argument is a value, compared exactly, or what it must meet: `equals`, `one_of` (a list of
    accepted values), `type`, `min`, `max`, `tolerance`, `regex`, `text: loose`, `order: free` (of
    a list), `optional: true`. Arguments that are not listed must not be given, unless with the
    value that the tool's schema has as `default`; without `arguments` none is looked at.
    `others: true`: further calls may stand beside it. `text: loose` compares texts without case,
    spaces and `,./-_*^`. `valid: false`: the tool's own schema is not looked at.
    """

    others: bool = False


@scorer(
    "tool_call",
    version=1,
    shorthand="name",
    example=Example(
        {"name": "get_weather", "arguments": {"city": "Paris"}},
        "",
        "",
        _CONTEXT,
        calls=((_PARIS,), (_ROME,)),
    ),
)
def tool_call(answer: Answer, context: Context, args: ToolCallArgs) -> Finding:
    """The answer calls this tool with these arguments, and calls nothing else.

    The arguments must fit the tool's own schema.
    """
    calls, tools = answer.calls, _tools(context)
    if not calls:
        return verdict(False, f"no tool is called, {args.name} wanted")
    try:
        unfit = [_unfit(args, call, tools, args) for call in calls]
    except TooSlow:
        return verdict(None, _SLOW)
    detail: list[JsonValue] = [str(call) for call in calls]
    if "" not in unfit:
        meant = [why for why, call in zip(unfit, calls, strict=True) if call.name == args.name]
        return verdict(False, (meant or unfit)[0], calls=detail)
    if len(calls) > 1 and not args.others:
        beside = calls[1 - unfit.index("")] if len(calls) == 2 else None
        told = str(beside) if beside else f"{len(calls) - 1} more calls"
        return verdict(False, f"beside {args.name} stands {told}", calls=detail)
    return verdict(True, f"calls {calls[unfit.index('')]}", calls=detail)


class ToolCallsArgs(_CallArgs):
    """`exactly` these calls, or at least those that it `includes`; each as in `tool_call`.

    `order: kept`: in this order. The rest as in `tool_call`.
    """

    exactly: tuple[ExpectedCall, ...] | None = None
    includes: tuple[ExpectedCall, ...] | None = None
    order: Literal["free", "kept"] = "free"

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.exactly is None) == (self.includes is None):
            raise wrong("tool_calls", "one of exactly and includes is wanted")
        expected = self.exactly if self.exactly is not None else self.includes
        if not expected:
            raise wrong("tool_calls", "at least one call is wanted; for none write no_tool_call")
        return self


@scorer(
    "tool_calls",
    version=1,
    shorthand="exactly",
    example=Example(
        {
            "exactly": [
                {"name": "get_weather", "arguments": {"city": "Rome"}},
                {"name": "get_weather", "arguments": {"city": "Paris"}},
            ]
        },
        "",
        "",
        _CONTEXT,
        calls=((_PARIS, _ROME), (_PARIS, _PARIS)),
    ),
)
def tool_calls(answer: Answer, context: Context, args: ToolCallsArgs) -> Finding:
    """The answer makes these calls: exactly, or at least; by default in any order.

    Each call stands for one that is expected, so that as many as possible find theirs. The score
    is the share that did.
    """
    expected = (args.exactly if args.exactly is not None else args.includes) or ()
    calls, tools = answer.calls[:MOST_MATCHED], _tools(context)
    try:
        unfit = [[_unfit(one, call, tools, args) for call in calls] for one in expected]
    except TooSlow:
        return verdict(None, _SLOW)
    fits = [[at for at, why in enumerate(row) if not why] for row in unfit]
    found = matching(fits) if args.order == "free" else _in_order(fits, args.exactly is not None)
    missing = [row for row, at in enumerate(found) if at is None]
    taken = {at for at in found if at is not None}
    left = [call for at, call in enumerate(answer.calls) if at not in taken]
    surplus = left if args.exactly is not None else []
    share = len(taken) / max(len(expected), len(answer.calls) if args.exactly is not None else 0)
    detail: dict[str, JsonValue] = {"calls": [str(call) for call in calls]}
    if not missing and not surplus:
        return Finding(True, 1.0, f"calls {_all(calls)}", detail)
    if not calls:
        return Finding(False, 0.0, f"no tool is called, {len(expected)} calls wanted", detail)
    if not missing:
        return Finding(False, share, f"not wanted: {_all(surplus)}", detail)
    one, row = expected[missing[0]], unfit[missing[0]]
    # What came nearest, of the calls that stand for no other.
    near = [
        why
        for at, (why, call) in enumerate(zip(row, calls, strict=True))
        if why and at not in taken and call.name == one.name
    ]
    wanted = f"{one.name} {written(exact(one.arguments), 100)}" if one.arguments else one.name
    why = near[0] if near else f"{wanted}; it calls {_all(calls)}"
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    told = f"call {missing[0] + 1} of {len(expected)} is missing{more}: {why}"
    return Finding(False, share, told, detail)


def _in_order(fits: Sequence[Sequence[int]], all_of_them: bool) -> list[int | None]:
    """Return each row's column where the order is kept: its own place, or the next that fits."""
    if all_of_them:
        return [row if row in columns else None for row, columns in enumerate(fits)]
    found: list[int | None] = []
    last = -1
    for columns in fits:
        at = next((column for column in columns if column > last), None)
        last = last if at is None else at
        found.append(at)
    return found


@scorer(
    "no_tool_call",
    version=1,
    shorthand="name",
    example=Example(None, "Which city?", "", _CONTEXT, calls=((), (_PARIS,))),
)
def no_tool_call(answer: Answer, context: Context, args: NoToolCallArgs) -> Finding:
    """The answer calls no tool, or not this one; a malformed call is one, too."""
    calls = [
        call
        for call in answer.calls
        if args.name is None or call.name == args.name or isinstance(call.arguments, str)
    ]
    if calls:
        return verdict(False, f"calls {_all(calls)}", calls=[str(call) for call in calls])
    return verdict(True, f"no call of {args.name}" if args.name else "no tool is called")


class ToolSchemaArgs(Args):
    """It takes none."""


@scorer(
    "tool_schema",
    version=1,
    example=Example(
        None,
        "",
        "",
        _CONTEXT,
        calls=((_PARIS,), (ToolCall("get_weather", {"city": 75001}),)),
    ),
)
def tool_schema(answer: Answer, context: Context, args: ToolSchemaArgs) -> Finding:
    """There are calls, each of a declared tool, with arguments that fit the tool's own schema."""
    tools = _tools(context)
    if not answer.calls:
        return verdict(False, "no tool is called")
    for call in answer.calls:
        if isinstance(call.arguments, str):
            return verdict(False, str(call))
        if call.name not in tools:
            return verdict(False, f"{call.name} is not declared")
        try:
            why = misfit(call.arguments, tools[call.name])
        except TooSlow:
            return verdict(None, _SLOW)
        if why:
            return verdict(False, f"{call.name}: {why}")
    return verdict(True, f"calls {_all(answer.calls)}")
