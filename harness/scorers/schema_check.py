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
    """Whether `value` may stand where a schema is wanted."""
    return isinstance(value, Mapping | bool)


def walk(schema: Schema, place: Place = ()) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """The schema and all schemas inside it, with their places; without true and false."""
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
    """A copy of the schema with `change` applied to every schema in it, inner ones first.

    False becomes `{"not": {}}`, which the engine reports with its place.
    """
    if schema is False:
        return change({"not": {}})
    if not isinstance(schema, Mapping):
        return schema
    copy = {key: _rewritten_value(key, value, change) for key, value in schema.items()}
    return change(copy)


def _rewritten_value(
    key: str, value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Any:
    if key in _ONE and is_schema(value):
        return rewritten(value, change)
    if key in _MANY and isinstance(value, list):
        return [rewritten(item, change) for item in value]
    if key in _NAMED and isinstance(value, Mapping):
        return {
            name: rewritten(item, change) if is_schema(item) else item
            for name, item in value.items()
        }
    return value


def check_parts(schema: Schema) -> None:
    """Raises `SchemaProblemError` for a pattern or format that could not be enforced."""
    for place, part in walk(schema):
        patterns = [part["pattern"]] if isinstance(part.get("pattern"), str) else []
        named = part.get("patternProperties")
        patterns += list(named) if isinstance(named, Mapping) else []
        for pattern in patterns:
            _check_pattern(pattern, place)
        if isinstance(part.get("format"), str):
            _check_format(part["format"], place)


def _check_pattern(pattern: str, place: Place) -> None:
    try:
        ecma(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        where = f"in the schema at {place_text(place)}"
        message = f"the pattern {shown(pattern)} does not compile: {error} {where}"
        raise SchemaProblemError(message) from None


def _check_format(name: str, place: Place) -> None:
    if name in KNOWN:
        return
    close = nearest(name, KNOWN)
    hint = f", did you mean {close!r}?" if close else ""
    where = f"in the schema at {place_text(place)}"
    raise SchemaProblemError(f"the format {shown(name)} is not known{hint} {where}")


def check_references(schema: Schema, resolver: Any, specification: Any) -> None:
    """Raises `SchemaProblemError` for a `$ref` that leads nowhere, or out of the schema.

    resolver, specification: of the `referencing` package; the resolver stands at the schema.
    """
    inside = {id(part) for _, part in walk(schema)}
    _check_references(schema, (), resolver, specification, inside)


def _check_references(
    schema: Schema, place: Place, resolver: Any, specification: Any, inside: set[int]
) -> None:
    if not isinstance(schema, Mapping):
        return
    for keyword in ("$ref", "$dynamicRef"):
        if isinstance(schema.get(keyword), str):
            _check_reference(schema[keyword], place, resolver, inside)
    for step, inner in _inside(schema):
        entered = resolver.in_subresource(specification.create_resource(inner))
        _check_references(inner, (*place, *step), entered, specification, inside)


def _check_reference(reference: str, place: Place, resolver: Any, inside: set[int]) -> None:
    from referencing.exceptions import Unresolvable

    where = f"in the schema at {place_text(place)}"
    try:
        found = resolver.lookup(reference).contents
    except Unresolvable:
        message = f"$ref {shown(reference)} leads nowhere, and nothing is fetched {where}"
        raise SchemaProblemError(message) from None
    known = isinstance(found, bool) or id(found) in inside
    if not known and not reference.startswith(
        ("http://json-schema.org/", "https://json-schema.org/")
    ):
        raise SchemaProblemError(f"$ref {shown(reference)} leads to no schema {where}")
