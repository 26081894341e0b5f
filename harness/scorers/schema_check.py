"""What must be right in a JSON Schema before an answer is validated against it.

Checked once, at load time: the metaschema of its draft, every `$ref` (nothing is ever fetched),
every pattern and every `format`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import regex

from harness.common import NESTING, nearest, shown
from harness.scorers.json_formats import KNOWN
from harness.scorers.json_path import place_text
from harness.scorers.json_text import kind
from harness.scorers.patterns import ecma

Schema: TypeAlias = "Mapping[str, Any] | bool"
Place: TypeAlias = tuple[str | int, ...]

# Where a schema holds further schemas: as a value, in a list, by name.
_ONE = frozenset(
    (
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    )
)
_MANY = frozenset(("allOf", "anyOf", "items", "oneOf", "prefixItems"))
_NAMED = frozenset(
    ("$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties")
)


class SchemaProblemError(ValueError):
    """A schema cannot be used; the message says where and why."""


def is_schema(value: object) -> bool:
    """Return whether `value` may stand where a schema is expected."""
    return isinstance(value, Mapping | bool)


def walk(schema: Schema, place: Place = ()) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Yield the schema and all schemas inside it, with their places; without true and false."""
    if not isinstance(schema, Mapping):
        return
    if len(place) > 3 * NESTING:
        raise SchemaProblemError("the schema nests too deep")
    yield place, schema
    for step, inner in _inside(schema):
        yield from walk(inner, (*place, *step))


def _inside(schema: Mapping[str, Any]) -> Iterator[tuple[Place, Schema]]:
    for key, value in schema.items():
        if key in _ONE and is_schema(value):
            yield (key,), value
        elif key in _MANY and isinstance(value, list):
            yield from (((key, n), item) for n, item in enumerate(value) if is_schema(item))
        elif key in _NAMED and isinstance(value, Mapping):
            yield from (((key, name), item) for name, item in value.items() if is_schema(item))


def rewritten(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a copy of the schema with `change` applied to every schema in it, inner ones first.

    False becomes `{"not": {}}`, which the engine reports with its place.
    """
    if schema is False:
        return change({"not": {}})
    if not isinstance(schema, Mapping):
        return schema
    copy: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _ONE and is_schema(value):
            value = rewritten(value, change)
        elif key in _MANY and isinstance(value, list):
            value = [rewritten(item, change) for item in value]
        elif key in _NAMED and isinstance(value, Mapping):
            value = {
                name: rewritten(item, change) if is_schema(item) else item
                for name, item in value.items()
            }
        copy[key] = value
    return change(copy)


def check_parts(schema: Schema) -> None:
    """Raise `SchemaProblemError` for a pattern or format that could not be enforced."""
    for place, part in walk(schema):
        where = f"in the schema at {place_text(place)}"
        patterns = [part["pattern"]] if isinstance(part.get("pattern"), str) else []
        named = part.get("patternProperties")
        patterns += list(named) if isinstance(named, Mapping) else []
        for pattern in patterns:
            try:
                ecma(pattern)
            except (regex.error, RecursionError, OverflowError) as error:
                message = f"the pattern {shown(pattern)} does not compile: {error} {where}"
                raise SchemaProblemError(message) from None
        name = part.get("format")
        if isinstance(name, str) and name not in KNOWN:
            close = nearest(name, KNOWN)
            hint = f", did you mean {close!r}?" if close else ""
            raise SchemaProblemError(f"the format {shown(name)} is not known{hint} {where}")


def check_references(schema: Schema, resolver: Any, specification: Any) -> None:
    """Raise `SchemaProblemError` for a `$ref` that leads nowhere, or out of the schema.

    resolver, specification: of the `referencing` package; the resolver stands at the schema.
    """
    from referencing.exceptions import Unresolvable

    inside = {id(part) for _, part in walk(schema)}
    waiting: list[tuple[Schema, Place, Any]] = [(schema, (), resolver)]
    for part, place, at in waiting:  # it grows
        if not isinstance(part, Mapping):
            continue
        where = f"in the schema at {place_text(place)}"
        for reference in (part.get("$ref"), part.get("$dynamicRef")):
            if not isinstance(reference, str):
                continue
            try:
                found = at.lookup(reference).contents
            except (Unresolvable, LookupError, TypeError, ValueError):  # `#/allOf/x`, `#/title/x`
                message = f"$ref {shown(reference)} leads nowhere, and nothing is fetched {where}"
                raise SchemaProblemError(message) from None
            known = isinstance(found, bool) or id(found) in inside
            if not known and not regex.match(r"https?://json-schema\.org/", reference):
                raise SchemaProblemError(f"$ref {shown(reference)} leads to no schema {where}")
        for step, inner in _inside(part):
            entered = at.in_subresource(specification.create_resource(inner))
            waiting.append((inner, (*place, *step), entered))


# -- what no value can satisfy ---------------------------------------------------------------------

_PAIRS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minContains", "maxContains"),
)
_MOST_WARNINGS = 5


def contradictions(schema: Schema) -> tuple[str, ...]:
    """Say where no value can satisfy the schema, as far as one schema in it shows that alone.

    Not looked into: what `not` and `if` hold, and what several rules exclude only together.
    """
    if schema is False:
        return ("the schema is false: it allows nothing",)
    found = [
        f"no value fits the schema at {place_text(place)}: {reason}"
        for place, part in walk(schema)
        if not {"not", "if"}.intersection(place)
        for reason in _contradictions(part)
    ]
    return tuple(found[:_MOST_WARNINGS])


def _contradictions(part: Mapping[str, Any]) -> Iterator[str]:
    if part.get("not") in ({}, True):
        yield "`not` excludes everything"
    bounds: dict[str, Any] = {
        key: value
        for key, value in part.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    for low, high in _PAIRS:
        if low in bounds and high in bounds and bounds[low] > bounds[high]:
            yield f"{low} {bounds[low]} is above {high} {bounds[high]}"
    for low, high in (
        ("exclusiveMinimum", "maximum"),
        ("minimum", "exclusiveMaximum"),
        ("exclusiveMinimum", "exclusiveMaximum"),
    ):
        if low in bounds and high in bounds and bounds[low] >= bounds[high]:
            yield f"{low} {bounds[low]} is not below {high} {bounds[high]}"
    yield from _impossible_values(part)
    yield from _impossible_names(part, bounds.get("maxProperties"))
    prefix, rest = part.get("prefixItems", []), part.get("items")
    least = bounds.get("minItems", 0)
    if rest is False and isinstance(prefix, list) and least > len(prefix):
        yield f"minItems is {least}, and `items` allows no more than {len(prefix)}"


def _impossible_values(part: Mapping[str, Any]) -> Iterator[str]:
    """Compare `type` with the values of `enum` and `const`, and with the types of `allOf`."""
    types = _types(part)
    values = part.get("enum")
    if isinstance(values, list):
        if not any(_has_type(value, types) for value in values):
            said = f" of type {' or '.join(sorted(types))}" if values and types else ""
            yield f"enum has no value{said}"
        elif "const" in part and part["const"] not in values:
            yield f"const {shown(part['const'])} is none of enum"
    if "const" in part and not _has_type(part["const"], types):
        yield f"const {shown(part['const'])} is no {' or '.join(sorted(types or ()))}"
    branches = part.get("allOf")
    kinds = types
    for branch in branches if isinstance(branches, list) else []:
        other = _types(branch) if isinstance(branch, Mapping) else None
        if kinds is not None and other is not None:
            number = {"integer"} if {"integer", "number"} <= kinds | other else set()
            kinds = frozenset(kinds & other | number)
            if not kinds:
                yield "the types of `allOf` exclude each other"
        kinds = other if kinds is None else kinds


def _impossible_names(part: Mapping[str, Any], most: Any) -> Iterator[str]:
    """Compare `required` with the names that are allowed, and with how many."""
    required = part.get("required")
    if not isinstance(required, list):  # draft 3 has true and false
        return
    named = part.get("properties")
    properties: Mapping[str, Any] = named if isinstance(named, Mapping) else {}
    patterns = part.get("patternProperties")
    free = part.get("additionalProperties", True) is not False or patterns
    for name in required:
        if properties.get(name) is False:
            yield f"{shown(name)} is required, and its schema is false"
        elif name not in properties and not free:
            yield f"{shown(name)} is required, and no such name is allowed (additionalProperties)"
    if most is not None and len(set(required)) > most:
        yield f"{len(set(required))} names are required, and maxProperties is {most}"


def _types(part: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the types that a schema names; None where it names none."""
    found = part.get("type")
    if isinstance(found, str):
        return frozenset((found,))
    return frozenset(found) if isinstance(found, list) and found else None


def _has_type(value: Any, types: frozenset[str] | None) -> bool:
    if types is None:
        return True
    found = "number" if isinstance(value, float) else kind(value)
    whole = found == "number" and value == int(value)
    return found in types or (whole and "integer" in types)
