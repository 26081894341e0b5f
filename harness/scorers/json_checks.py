"""Checks on answers in JSON, on four levels that are reported apart.

L0: the whole answer is one JSON text. L1: one is found without doubt in it. L2: it fits the
schema. L3: it has the values. `detail.levels` names those that the check looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from json import dumps, loads
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from harness.common import SCHEMA_SECONDS, InputError, JsonValue, canonical_json, shown
from harness.common.patterns import compile_pattern
from harness.common.reading import MAX_CONFIG, inside, read_text
from harness.scorers.arguments import FILLED, Count, Exact, ExactPositive, Text, filled, wrong
from harness.scorers.json_path import Location, PathError, parse_path, place_text, select
from harness.scorers.json_schema import check_schema, first_violation
from harness.scorers.json_text import Exact as ExactJson
from harness.scorers.json_text import NotJsonError, exact, extract, kind, parse, same, written
from harness.scorers.numbers import numbers, plain
from harness.scorers.patterns import Budget, Pattern, TooSlow, too_slow
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.schema_check import SchemaProblemError, contradictions
from harness.scorers.values import Answer, Context, Finding, verdict

Kind = Literal["object", "array", "string", "number", "boolean", "null"]


class _JsonArgs(Args):
    """`extract`: the answer may have other text, if there is no doubt which part is the JSON."""

    extract: bool = False


@dataclass(frozen=True, slots=True)
class _Reading:
    """An answer as JSON. `usable`: whether the check may go on with `value`."""

    levels: dict[str, JsonValue]
    usable: bool
    known: bool
    value: ExactJson
    reason: str

    def finding(self, passed: bool | None, reason: str, **detail: JsonValue) -> Finding:
        """Return the finding of a check; false where the answer could not be used."""
        if not self.usable:
            return verdict(False, self.reason, levels=dict(self.levels), **detail)
        return verdict(passed, reason, levels=dict(self.levels), **detail)


def _read(answer: Answer, args: _JsonArgs) -> _Reading:
    try:
        value = parse(answer.text)
        return _Reading({"L0": True, "L1": True}, True, True, value, "")
    except NotJsonError as error:
        strict = f"the answer is not JSON: {error}"
    try:
        value = extract(answer.text)
        return _Reading({"L0": False, "L1": True}, args.extract, True, value, strict)
    except NotJsonError as error:
        reason = f"no JSON in the answer: {error}" if args.extract else strict
    return _Reading({"L0": False, "L1": False}, False, False, None, reason)


class JsonArgs(_JsonArgs):
    """`type`: what the value is."""

    type: Kind | None = None


@scorer("json", version=2, example=Example(None, '{"a": 1}', '```json\n{"a": 1}\n```'))
def json(answer: Answer, context: Context, args: JsonArgs) -> Finding:
    """The whole answer is one JSON text, strictly (RFC 8259): no NaN, no duplicate keys.

    With `extract: true`, the answer has exactly one: the only fenced block, or the only value.
    """
    read = _read(answer, args)
    found = kind(read.value)
    if args.type is not None and found != args.type:
        return read.finding(False, f"{args.type} wanted, found {found} {written(read.value)}")
    return read.finding(
        True, f"{'an' if found[0] in 'ao' else 'a'} {found}".replace("a null", "null")
    )


# -- json_schema -----------------------------------------------------------------------------------


def _schema(value: object) -> object:
    if isinstance(value, str):
        try:
            value = _plain(parse(value))
        except NotJsonError as error:
            raise wrong("schema", f"the schema is not JSON: {error}") from None
    if not isinstance(value, Mapping | bool):
        raise wrong("schema", f"a schema is a mapping, true or false, not {shown(value)}")
    try:
        _check_text(dumps(value, allow_nan=False))
    except SchemaProblemError as error:
        raise wrong("schema", str(error)) from None
    except (TypeError, ValueError):
        raise wrong("schema", "the schema has values that JSON has not") from None
    return value


@lru_cache(maxsize=512)  # thousands of cases may have one schema
def _check_text(text: str) -> None:
    check_schema(loads(text))


def _plain(value: ExactJson) -> JsonValue:
    """Return the same with floats for decimals."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


_SCHEMA_WORDS = {"type", "properties", "items", "$schema", "enum", "anyOf", "oneOf", "allOf"}


class JsonSchemaArgs(_JsonArgs):
    """`schema`, or `file`: a JSON file beside the suite file."""

    model_config = ConfigDict(populate_by_name=True)

    schema_: Annotated[
        Any,
        BeforeValidator(_schema),
        WithJsonSchema({"type": ["object", "boolean", "string"]}),
        Field(alias="schema"),
    ] = None
    file: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, raw: object, info: ValidationInfo) -> object:
        if not isinstance(raw, Mapping) or "schema" in raw:
            return raw
        if _SCHEMA_WORDS & raw.keys():
            raise wrong("schema", "the schema stands one level deeper: `{schema: {...}}`")
        if not isinstance(raw.get("file"), str):
            return raw
        return {**raw, "schema": _file(raw["file"], (info.context or {}).get("root"))}

    @model_validator(mode="after")
    def _given(self) -> Self:
        if self.schema_ is None:
            raise wrong("schema", "schema or file is wanted")
        return self

    @property
    def text(self) -> str:
        """Return the schema as canonical JSON."""
        return canonical_json(self.schema_)


def _file(name: str, root: Path | None) -> JsonValue:
    """Return the content of a schema file; its path is relative to `root` and stays below it."""
    if root is None:
        raise wrong("schema_file", "a file cannot be read here: write the schema itself")
    what = f"the schema file {shown(name)}"
    try:
        path = inside(root, root / name, what, "the suite's folder")
    except InputError as error:
        raise wrong("schema_file", error.problems[0].message) from None
    try:
        return _plain(parse(read_text(path, limit=MAX_CONFIG)))
    except InputError as error:
        said = f"{what}, beside the suite file: {error.problems[0].message}"
        raise wrong("schema_file", said) from None
    except NotJsonError as error:
        raise wrong("schema_file", f"{what} is not JSON: {error}") from None


def _warns(args: JsonSchemaArgs) -> tuple[str, ...]:
    return _schema_warnings(args.text)


@lru_cache(maxsize=512)
def _schema_warnings(text: str) -> tuple[str, ...]:
    return contradictions(loads(text))


@scorer(
    "json_schema",
    version=2,
    warns=_warns,
    example=Example(
        {"schema": {"type": "object", "required": ["total"]}}, '{"total": 19.99}', '{"sum": 19.99}'
    ),
)
def json_schema(answer: Answer, context: Context, args: JsonSchemaArgs) -> Finding:
    """The answer is JSON that fits the schema: draft as declared, by default 2020-12.

    Formats are enforced, nothing is fetched, numbers are exact.
    """
    read = _read(answer, args)
    if not read.known:
        return read.finding(False, read.reason)
    try:
        violation = first_violation(args.text, read.value)
    except TooSlow:
        return read.finding(None, f"cannot tell: validation does not end in {SCHEMA_SECONDS:g} s")
    levels = {**read.levels, "L2": violation is None}
    read = _Reading(levels, read.usable, True, read.value, read.reason)
    if violation is None:
        return read.finding(True, "fits the schema")
    return read.finding(False, violation.text, path=violation.path, rule=violation.rule)


# -- json_value ------------------------------------------------------------------------------------


def _path(text: str) -> str:
    try:
        parse_path(text)
    except PathError as error:
        raise wrong("json_path", str(error)) from None
    return text


def _json(value: object) -> object:
    try:
        canonical_json(value)
    except (TypeError, ValueError):
        raise wrong("json_value", f"{shown(value)} is no JSON value") from None
    return value


Value = Annotated[Any, BeforeValidator(_json), WithJsonSchema({})]
_TESTS = ("equals", "one_of", "regex", "type", "min", "max", "exists", "count")


class JsonValueArgs(_JsonArgs):
    """`path`: a JSONPath; what it selects must meet all of the other arguments.

    `equals` and `one_of` compare JSON values: 1 is 1.0, but not "1". `tolerance` is for numbers,
    `regex` searches in a text, `count` is how many values the path selects. Where it selects
    several, `match` says whether all of them are meant or any. With `read_numbers` a text that
    holds one number (`"1.234,50 EUR"`) is that number, as `numeric` reads it.
    """

    path: Annotated[Text, AfterValidator(_path)]
    equals: Value = None
    tolerance: ExactPositive = Decimal(0)
    one_of: Annotated[tuple[Value, ...], BeforeValidator(filled), FILLED] | None = None
    regex: Pattern | None = None
    type: Kind | None = None
    min: Exact | None = None
    max: Exact | None = None
    exists: bool | None = None
    count: Count | None = None
    match: Literal["all", "any"] = "all"
    read_numbers: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        given = self.model_fields_set.intersection(_TESTS)
        if not given:
            raise wrong("json_value", f"one of {', '.join(_TESTS)} is wanted")
        if self.exists is False and len(given) > 1:
            raise wrong("json_value", "exists: false stands alone")
        if self.count is not None and self.count > 1 and parse_path(self.path).single:
            hint = f"for the elements write {self.path}[*]"
            raise wrong("json_value", f"{self.path} selects one value at most: {hint}")
        return self


@scorer(
    "json_value",
    version=2,
    example=Example(
        {"path": "$.total", "equals": 19.99}, '{"total": 19.990}', '{"total": "19.99"}'
    ),
)
def json_value(answer: Answer, context: Context, args: JsonValueArgs) -> Finding:
    """The JSON answer has the value at a JSONPath, exactly: 19.99 is 19.990, "19.99" is not."""
    read = _read(answer, args)
    if not read.known:
        return read.finding(False, read.reason)
    found = select(read.value, parse_path(args.path))
    try:
        passed, reason = _judge(found, args)
    except TooSlow:
        return read.finding(None, too_slow(args.regex or ""))
    levels = {**read.levels, "L3": passed}
    read = _Reading(levels, read.usable, True, read.value, read.reason)
    return read.finding(passed, reason, values=[written(value) for _, value in found[:5]])


def _judge(found: list[tuple[Location, ExactJson]], args: JsonValueArgs) -> tuple[bool, str]:
    count = "1 value" if len(found) == 1 else f"{len(found)} values"
    if args.exists is False:
        return not found, f"{args.path}: {count} found, wanted none"
    if args.count is not None and len(found) != args.count:
        return False, f"{args.path}: {count} found, wanted {args.count}"
    if not found:
        return args.count == 0, f"{args.path}: nothing there"
    budget = Budget()
    wrong_ones = [
        f"{place_text(place)}: {problem}"
        for place, value in found
        if (problem := _problem(value, args, budget))
    ]
    enough = len(wrong_ones) < len(found) if args.match == "any" else not wrong_ones
    return enough, f"{args.path}: as wanted" if enough else wrong_ones[0]


def _problem(value: ExactJson, args: JsonValueArgs, budget: Budget) -> str:
    """Return what is wrong with one value; empty where nothing is."""
    said = f"{kind(value)} {written(value)}"
    if args.type is not None and kind(value) != args.type:
        return f"{args.type} wanted, found {said}"
    if args.regex is not None:
        if not isinstance(value, str):
            return f"a text wanted, found {said}"
        if not budget.search(compile_pattern(args.regex), value):
            return f"{written(value)} does not match {shown(args.regex)}"
    if args.read_numbers and isinstance(value, str):
        numbers_in = list(islice(numbers(plain(value)), 2))
        if len(numbers_in) == 1:
            fraction = numbers_in[0].value
            value = Decimal(fraction.numerator) / Decimal(fraction.denominator)
    if "equals" in args.model_fields_set and not same(value, exact(args.equals), args.tolerance):
        slack = f" ± {args.tolerance}" if args.tolerance else ""
        return f"{written(exact(args.equals))}{slack} wanted, found {said}"
    if args.one_of is not None and not any(
        same(value, exact(item), args.tolerance) for item in args.one_of
    ):
        return f"one of {written([exact(item) for item in args.one_of], 100)} wanted, found {said}"
    if args.min is None and args.max is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return f"a number wanted, found {said}"
    if args.min is not None and value < args.min:
        return f"at least {args.min} wanted, found {said}"
    too_large = args.max is not None and value > args.max
    return f"at most {args.max} wanted, found {said}" if too_large else ""
