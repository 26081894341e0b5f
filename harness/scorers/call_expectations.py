"""What a suite expects of calls of tools: conditions on arguments, and what can never hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from harness.common import KEYS_COMPARED, canonical_json, nearest, shown
from harness.scorers.registry import Args
from harness.scorers.tools import Tool, misfit, parameters_of, takes_others, tool_name

KINDS = ("object", "array", "string", "number", "integer", "boolean", "null")
# Words of a condition on a value; a mapping of any other keys is an object, compared key by key.
_VALUES, _HOW = ("equals", "one_of"), ("tolerance", "text", "order")
WORDS = (*_VALUES, *_HOW, "type", "min", "max", "regex", "optional")


def is_condition(expected: object) -> bool:
    """Return whether a mapping says what a value must meet, not what it is."""
    return isinstance(expected, Mapping) and bool(expected) and set(expected) <= set(WORDS)


def check_expected(expected: Any, place: str) -> None:
    """Raise pydantic's error for a condition that could not be judged."""
    try:
        canonical_json(expected)
    except (TypeError, ValueError):
        raise _wrong(f"{place}: {shown(expected)} is no JSON value") from None
    if isinstance(expected, list):
        for number, item in enumerate(expected):
            check_expected(item, f"{place}[{number}]")
    if not isinstance(expected, Mapping):
        return
    words = [word for word in expected if word in WORDS]
    if words and not is_condition(expected):
        other = next(str(word) for word in expected if word not in WORDS)
        close = nearest(other, WORDS)
        meant = f"did you mean {close!r}? " if close else ""
        raise _wrong(
            f"{place}: {words[0]!r} says what a value must meet, and {other!r} does not: {meant}"
            "an object that has such keys stands under `equals`"
        )
    if not words:
        for name, inner in expected.items():
            check_expected(inner, f"{place}.{name}")
        return
    one_of, kind = expected.get("one_of", [None]), expected.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if not isinstance(one_of, list) or not one_of:
        raise _wrong(f"{place}: one_of is a list of values")
    if kind is not None and any(name not in KINDS for name in kinds):
        raise _wrong(f"{place}: type {shown(kind)} is none of {', '.join(KINDS)}")
    for word in ("min", "max", "tolerance"):
        number = expected.get(word, 0)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise _wrong(f"{place}: {word} is a number, not {shown(number)}")
    if expected.get("tolerance", 0) < 0:
        raise _wrong(f"{place}: tolerance is a number from 0")
    if expected.get("text", "exact") not in ("exact", "loose"):
        raise _wrong(f"{place}: text is exact or loose, not {shown(expected['text'])}")
    if expected.get("order", "kept") not in ("kept", "free"):
        raise _wrong(f"{place}: order is kept or free, not {shown(expected['order'])}")
    if not isinstance(expected.get("optional", False), bool):
        raise _wrong(f"{place}: optional is true or false")
    if "min" in expected and "max" in expected and expected["min"] > expected["max"]:
        raise _wrong(f"{place}: no number is from {expected['min']} to {expected['max']}")
    idle = [word for word in _HOW if word in expected]
    if idle and not set(_VALUES) & expected.keys():
        raise _wrong(
            f"{place}: {idle[0]} says how a value is compared, and none is given: add equals or "
            "one_of"
        )
    if "regex" in expected:
        from harness.common.patterns import compile_pattern

        try:
            compile_pattern(expected["regex"])
        except Exception as error:  # of the pattern library: whatever it is, nothing compiles
            raise _wrong(f"{place}: the pattern does not compile: {error}") from None


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("tool_call", "{message}", {"message": message})


def _judged(conditions: dict[str, Any]) -> dict[str, Any]:
    for name, expected in conditions.items():
        check_expected(expected, name)
    return conditions


# Arguments of a call by name, each a value or what it must meet.
Conditions = Annotated[dict[str, Any], AfterValidator(_judged)]


class ExpectedCall(Args):
    """A call as it is expected: `name`, and its `arguments`.

    Each argument is a value, compared exactly, or what it must meet: `equals`, `one_of` (a list of
    accepted values), `type`, `min`, `max`, `tolerance`, `regex`, `text: loose`, `order: free` (of
    a list), `optional: true`. Arguments that are not listed must not be given, unless with the
    value that the tool's schema has as `default`; without `arguments` none is looked at.
    """

    name: str = Field(min_length=1)
    arguments: Conditions | None = None


class NoToolCallArgs(Args):
    """`name`: only this tool must not be called."""

    name: str | None = Field(default=None, min_length=1)


def expected_calls(value: object, *, valid: bool = False) -> Iterator[tuple[ExpectedCall, bool]]:
    """Yield the calls that a check's arguments speak of, those of checks inside it too.

    With each stands whether it must fit the tool's own schema, its texts as they are.
    """
    valid = getattr(value, "valid", valid) and getattr(value, "text", "exact") == "exact"
    if isinstance(value, ExpectedCall):
        yield value, valid
    if isinstance(value, NoToolCallArgs) and value.name is not None:
        yield ExpectedCall(name=value.name), False  # of a tool with a typo it would always hold
    if isinstance(value, Args):
        for _, part in value:
            yield from expected_calls(part, valid=valid)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from expected_calls(part, valid=valid)
    elif (inner := getattr(value, "args", None)) is not None:  # a check
        yield from expected_calls(inner)


def fits_arguments(expected: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Return whether a call's arguments have what is expected; others may stand beside them."""
    from harness.scorers.json_text import exact
    from harness.scorers.patterns import Budget, TooSlow
    from harness.scorers.tool_calls import difference

    try:
        return all(
            not difference(want, exact(given[name]), name, loose=False, budget=Budget())
            if name in given
            else is_condition(want) and want.get("optional") is True
            for name, want in expected.items()
        )
    except TooSlow:
        return False


READ_CALLS = ("tool_call", "tool_calls", "no_tool_call", "tool_schema")


def reads_calls(check: Any) -> bool:
    """Return whether a check, or one inside it, looks at calls of tools."""
    return check.name in READ_CALLS or any(map(reads_calls, check.inner))


def demanded_calls(check: Any) -> tuple[str, ...]:
    """Return the tools without a call of which a check does not hold; an empty name is any tool."""
    if check.name == "tool_call":
        return (check.args.name,)
    if check.name == "tool_calls":
        return tuple(call.name for call in check.args.exactly or check.args.includes)
    return ("",) if check.name == "tool_schema" else ()


def never_with(check: Any, name: str) -> bool:
    """Return whether a check never holds where this tool is called; an empty name is any tool."""
    if check.name == "no_tool_call":
        return check.args.name in (None, name)
    if check.name == "tool_call":
        return not check.args.others and name not in ("", check.args.name)
    if check.name == "tool_calls" and check.args.exactly is not None:
        return name not in ("", *(call.name for call in check.args.exactly))
    return False


def held_together(checks: Iterable[Any], step: int | None = None) -> Iterator[tuple[Any, Any]]:
    """Yield the checks that must all hold, those in `all_of` apart, each with its step."""
    for check in checks:
        at = step if check.step is None else check.step
        if check.name == "all_of":
            yield from held_together(check.args.of, at)
        else:
            yield check, at


def undeclared(call: ExpectedCall, tools: Mapping[str, Tool]) -> tuple[str, str, str]:
    """Say what of an expected call no declared tool has, what was probably meant, what there is."""
    if call.name not in tools:
        known = f"declared: {', '.join(tools)}"
        return f"tool {call.name!r} is not declared", nearest(call.name, tools), known
    schema = parameters_of(tools[call.name])
    listed = schema.get("properties", {})
    for name in call.arguments or () if not takes_others(schema) else ():
        if name not in listed:
            known = f"its arguments: {', '.join(listed)}" if listed else "it takes no arguments"
            message = f"tool {call.name!r} has no argument {name!r}"
            return message, nearest(name, listed), known
    return "", "", ""


# What of a schema says nothing of one argument alone.
_OF_ALL = (
    *("required", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "minProperties"),
    *("dependentRequired", "dependentSchemas", "dependencies"),
)


def impossible(call: ExpectedCall, tool: Tool) -> tuple[str, str]:
    """Say why no call that fits the tool's own schema is the expected one, and what was meant.

    Empty where there may be one.
    """
    listed = parameters_of(tool).get("properties", {})
    for name in parameters_of(tool).get("required", ()) if call.arguments is not None else ():
        part = listed.get(name, {})
        if name not in (call.arguments or {}) and not (
            isinstance(part, Mapping) and "default" in part
        ):
            return f"tool {call.name!r} demands {name!r}, which the arguments leave out", ""
    found = (unfit(name, want, tool) for name, want in (call.arguments or {}).items())
    return next((each for each in found if each[0]), ("", ""))


def unfit(name: str, expected: Any, tool: Tool) -> tuple[str, str]:
    """Say why no argument that fits the tool's own schema is the expected one, and what was meant.

    Empty where there may be one. Values that are expected as they stand are looked at, and of
    conditions the type that they are about.
    """
    from harness.scorers.patterns import TooSlow

    part = parameters_of(tool).get("properties", {}).get(name, {})
    declared = part.get("type") if isinstance(part, Mapping) else None
    if is_condition(expected) and declared is not None and not expected.get("optional"):
        named, typed = expected.get("type", ()), declared
        kinds = {
            "type": {named} if isinstance(named, str) else set(named),
            "min": {"number"},
            "max": {"number"},
            "regex": {"string"},
        }
        there = {typed} if isinstance(typed, str) else set(typed)
        for word, wanted in kinds.items():
            # An integer is a number, and a number may be one.
            near = {*wanted, *(("integer", "number") if wanted & {"integer", "number"} else ())}
            if word in expected and not near & there:
                told = f"{name}: {' or '.join(sorted(there))}, and `{word}` is about "
                told += " or ".join(sorted(wanted))
                return f"no valid call of {tool_name(tool)!r} has this: {told}", ""
    values: list[Any] = [] if _holds_condition(expected) else [expected]
    if is_condition(expected) and not set(_HOW) & expected.keys():
        values = [*expected.get("one_of", ())]
        values += [expected["equals"]] if "equals" in expected else []
    alone = {key: part for key, part in parameters_of(tool).items() if key not in _OF_ALL}
    lenient = {"type": "function", "function": {"name": tool_name(tool), "parameters": alone}}
    try:
        whys = [misfit({name: value}, lenient) for value in values]
    except TooSlow:
        return "", ""
    if not whys or not all(whys):
        return "", ""
    keys = expected if isinstance(expected, Mapping) and not is_condition(expected) else ()
    some = islice(keys, KEYS_COMPARED)
    close = next(filter(None, (nearest(str(key), WORDS) for key in some)), "")
    return f"no valid call of {tool_name(tool)!r} has this: {whys[0]}", close


def _holds_condition(expected: Any) -> bool:
    if isinstance(expected, Mapping):
        return is_condition(expected) or any(map(_holds_condition, expected.values()))
    return isinstance(expected, list) and any(map(_holds_condition, expected))
