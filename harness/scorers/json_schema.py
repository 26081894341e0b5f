"""Validation against a JSON Schema: exact, without network, bounded in time.

The engine is `jsonschema`; replaced in it are what is wrong or dangerous with text from a model:
patterns (here with a time limit, and ECMA-262's syntax), `multipleOf` and types of decimals (here
exact), `uniqueItems` (there in quadratic time), `format` (there off, or dependent on packages).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from typing import Any

import regex

from harness.common import NUMBER_DIGITS, SCHEMA_SECONDS
from harness.scorers.json_formats import conforms
from harness.scorers.json_path import place_text
from harness.scorers.json_text import Exact, kind, size, written
from harness.scorers.patterns import Budget, TooSlow, ecma
from harness.scorers.schema_check import (
    SchemaProblemError,
    check_parts,
    check_references,
    rewritten,
    walk,
)


@dataclass(frozen=True, slots=True)
class Violation:
    """The rule of a schema that a value breaks: where, which, and in words."""

    path: str
    rule: str
    text: str


_WEAK = ("anyOf", "oneOf", "allOf", "not", "if")


def _best(errors: list[Any]) -> Any:
    """Return the outermost error, in the branch of `anyOf` or `oneOf` that was clearly meant."""
    best = min(errors, key=lambda e: (len(e.absolute_path), e.validator in _WEAK))
    while best.context and best.validator in ("anyOf", "oneOf"):
        # The errors of the only branch whose type and constants fit
        branches: dict[Any, list[Any]] = {}
        for error in best.context:
            branches.setdefault(next(iter(error.schema_path), None), []).append(error)
        fitting = [errors for errors in branches.values() if not any(_is_other(e) for e in errors)]
        branch = fitting[0] if len(fitting) == 1 else []
        if not branch:
            return best
        best = _best(branch)
    return best


def _is_other(error: Any) -> bool:
    """Return whether an error says that another branch was meant: another type, another tag."""
    if len(error.path) == 0 and error.validator in ("enum", "const"):
        limit = error.validator_value if error.validator == "enum" else [error.validator_value]
        return _kind(error.instance) not in {_kind(value) for value in limit}
    tagged = len(error.path) == 1 and error.validator in ("enum", "const")
    return tagged or (len(error.path) == 0 and error.validator == "type")


def described(errors: list[Any]) -> Violation:
    """Return the most telling of the errors that `jsonschema` found in one value."""
    error = _best(errors)
    path = place_text(tuple(error.absolute_path))
    rule = str(error.validator)
    return Violation(path, rule, f"{path}: {_words(error)}")


def _words(error: Any) -> str:
    """Say what is wrong: `number wanted, found string "12"`."""
    rule, limit, value = str(error.validator), error.validator_value, error.instance
    found = written(value)
    if rule == "type":
        wanted = " or ".join(limit) if isinstance(limit, list) else limit
        return f"{wanted} wanted, found {_kind(value)} {found}"
    if rule == "not" and limit == {}:
        return f"nothing is allowed here ({_forbidding(error)}), found {found}"
    if rule == "required":
        missing = [written(key) for key in limit if key not in value]
        more = " ..." if len(missing) > 5 else ""
        return f"required: {', '.join(missing[:5])}{more} missing"
    if rule == "format":
        return f"{found} is no {limit}"
    if rule in ("anyOf", "oneOf"):
        return f"{rule}: {found} fits none, or too many, of {len(limit)} schemas"
    if rule in ("enum", "const"):
        return f"{found} is not {'one of ' if rule == 'enum' else ''}{written(limit, 100)}"
    return f"{found} does not meet {rule}: {written(limit)}"


def _forbidding(error: Any) -> str:
    """Name the rule that allows nothing: `additionalProperties is false`."""
    rules = [*error.absolute_schema_path][:-1]  # without `not`, which stands for false
    if "patternProperties" in rules[-2:]:
        return "patternProperties is false for this name"
    name = rules.pop() if len(rules) > 1 and rules[-2] in ("properties", "$defs") else None
    if not rules:
        return "the schema is false"
    return f"{rules[-1]} is false" if name is None else f"{rules[-1]} is false for {written(name)}"


def _kind(value: Any) -> str:
    return "number" if isinstance(value, float) else kind(value)


_URI = "urn:schema"
_NEWEST = "https://json-schema.org/draft/2020-12/schema"
_DRAFTS = {
    _NEWEST: "Draft202012Validator",
    "https://json-schema.org/draft/2019-09/schema": "Draft201909Validator",
    "http://json-schema.org/draft-07/schema": "Draft7Validator",
    "http://json-schema.org/draft-06/schema": "Draft6Validator",
    "http://json-schema.org/draft-04/schema": "Draft4Validator",
}
# The best of so many errors is reported; of a schema itself, so many faults.
_ERRORS = 500
_FAULTS = 5
# More property names than this in one answer are not matched with patterns.
_NAMES = 20_000


class _SchemaBudget(Budget):
    """The time of one validation, and the references that are followed, each with its value."""

    def __init__(self) -> None:
        super().__init__(SCHEMA_SECONDS)
        self.following: set[tuple[int, str, int]] = set()


_budget: ContextVar[_SchemaBudget] = ContextVar("_budget")


def check_schema(schema: Any) -> None:
    """Raise `SchemaProblemError` for a schema that is wrong or could not be enforced."""
    from referencing.jsonschema import specification_with

    try:
        draft = _draft(schema)
        faults: dict[str, None] = {}
        for error in draft(draft.META_SCHEMA, format_checker=_formats()).iter_errors(schema):
            old = list(error.path)[-1:] == ["items"] and isinstance(error.instance, list)
            hint = " (a list of items is `prefixItems` since 2020-12)" if old else ""
            faults[f"{described([error]).text}{hint}"] = None
        if faults:
            listed = "; ".join(list(faults)[:_FAULTS])
            more = f"; and {len(faults) - _FAULTS} more" if len(faults) > _FAULTS else ""
            raise SchemaProblemError(f"the schema is wrong: {listed}{more}")
        check_parts(schema)
        specification = specification_with(draft.META_SCHEMA["$schema"])
        resource = specification.create_resource(schema)
        uri = resource.id() or _URI
        resolver = _registry().with_resource(uri, resource).resolver(uri)
        check_references(schema, resolver, specification)
    except RecursionError:
        raise SchemaProblemError("the schema nests too deep") from None


def first_violation(schema_text: str, value: Exact) -> Violation | None:
    """Return the most telling rule that `value` breaks; None where it fits.

    schema_text: the schema as JSON, checked before. Raises `TooSlow`, also for a schema that
    refers to itself without end.
    """
    validator = _validator(schema_text)
    token = _budget.set(_SchemaBudget())
    try:
        errors = list(islice(_fitted(validator, value).iter_errors(value), _ERRORS))
    except RecursionError:
        raise TooSlow from None
    except BaseException as error:
        # The maps of `referencing`, which are Rust, panic where Python's stack ends in them; that
        # is no Exception, and its class cannot be imported.
        if type(error).__name__ == "PanicException":
            raise TooSlow from None
        raise
    finally:
        _budget.reset(token)
    return described(errors) if errors else None


# -- the engine ------------------------------------------------------------------------------------


def _draft(schema: Any) -> Any:
    """Return the validator class of the declared draft, by default 2020-12."""
    from jsonschema import validators

    declared = schema.get("$schema", _NEWEST) if isinstance(schema, Mapping) else _NEWEST
    name = _DRAFTS.get(declared.rstrip("#")) if isinstance(declared, str) else None
    if name is None:
        known = ", ".join(_DRAFTS)
        raise SchemaProblemError(f"$schema {written(declared)} is not one of {known}")
    return getattr(validators, name)


def _registry() -> Any:
    """Return the metaschemas and nothing else: it has no way to fetch."""
    from jsonschema_specifications import REGISTRY

    return REGISTRY


@lru_cache(maxsize=512)
def _validator(schema_text: str) -> Any:
    """Return the validator for a schema; its floats become the decimals that their author wrote."""
    schema = json.loads(schema_text, parse_float=Decimal)
    draft = _engine(_draft(schema))
    # Where a part of the schema names a draft, the engine goes on with its own class for that
    # draft, in which nothing is replaced.
    schema = rewritten(
        schema, lambda part: {key: value for key, value in part.items() if key != "$schema"}
    )
    return draft(schema, format_checker=_formats(), registry=_registry())


@lru_cache(maxsize=8)
def _engine(draft: Any) -> Any:
    from jsonschema import validators

    types = draft.TYPE_CHECKER.redefine("number", _is_number)
    if not draft.TYPE_CHECKER.is_type(1.0, "integer"):  # draft-04: 1.0 is no integer
        types = types.redefine("integer", lambda _, value: _is_integer(value) and _is_int(value))
    else:
        types = types.redefine("integer", lambda _, value: _is_integer(value))
    own = {"multipleOf": _multiple_of, "pattern": _pattern, "uniqueItems": _unique_items}
    known = draft.VALIDATORS | own
    timed = {
        name: _followed(keyword) if name in _REFERENCES else _timed(keyword)
        for name, keyword in known.items()
    }
    extend: Any = validators.extend
    return extend(draft, timed, type_checker=types)


_REFERENCES = {"$ref", "$dynamicRef", "$recursiveRef"}


@lru_cache(maxsize=1)
def _formats() -> Any:
    from jsonschema import FormatChecker
    from jsonschema.exceptions import FormatError

    class Formats(FormatChecker):
        """All formats of `json_formats`, and no others."""

        def check(self, instance: object, format: str) -> None:
            if not conforms(instance, format):
                raise FormatError("not of the format")

    return Formats(formats=())


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: object, value: object) -> bool:
    return _is_int(value) or isinstance(value, float | Decimal)


def _is_integer(value: object) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return _is_int(value)


def _timed(keyword: Any) -> Any:
    """Apply a keyword only while there is time: there may be 10,000 in it, and a million items."""

    def apply(validator: Any, limit: Any, instance: Any, schema: Any) -> Any:
        if (budget := _budget.get(None)) is not None:
            budget.left()
        return keyword(validator, limit, instance, schema)

    return apply


def _followed(keyword: Any) -> Any:
    """Follow a reference only while there is time: recursive schemas can take 2ⁿ steps.

    One that comes back to the same value has no end.
    """

    def follow(validator: Any, reference: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if (budget := _budget.get(None)) is None:  # the schema itself is checked
            yield from keyword(validator, reference, instance, schema)
            return
        budget.left()
        # An object lives at one place of an answer, and a part of it is another object.
        step = (id(schema), reference, id(instance))
        if step in budget.following:
            raise TooSlow
        budget.following.add(step)
        try:
            yield from keyword(validator, reference, instance, schema)
        finally:
            budget.following.discard(step)

    return follow


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(instance, str) and not _searched(pattern, instance):
        yield ValidationError("pattern")


def _searched(pattern: str, text: str) -> bool:
    budget = _budget.get(None) or Budget()
    return budget.search(ecma(pattern), text) is not None


def _multiple_of(validator: Any, step: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not _is_number(None, instance):
        return
    if size(instance) > NUMBER_DIGITS:
        raise TooSlow
    if Fraction(instance) % Fraction(step):
        yield ValidationError("multipleOf")


def _unique_items(validator: Any, wanted: bool, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if wanted and isinstance(instance, list):
        seen = {_frozen(item) for item in instance}
        if len(seen) < len(instance):
            yield ValidationError("uniqueItems")


def _frozen(value: Any) -> Any:
    """Return a hashable twin: equal exactly where the values are equal in JSON."""
    if isinstance(value, dict):
        return "object", frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, list):
        return "array", tuple(_frozen(item) for item in value)
    return kind(value), value


# -- patterns of property names --------------------------------------------------------------------


def _fitted(validator: Any, value: Exact) -> Any:
    """Return the validator, each pattern of property names replaced by the names that match it.

    The engine matches those patterns with `re`, without a time limit.
    """
    if not any("patternProperties" in part for _, part in walk(validator.schema)):
        return validator
    names: set[str] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            names.update(item)
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    if len(names) > _NAMES:
        raise TooSlow
    schema = rewritten(validator.schema, lambda part: _listed(part, names))
    # Not `evolve`: its references would lead into the schema as it was.
    return type(validator)(schema, format_checker=_formats(), registry=_registry())


def _listed(part: dict[str, Any], names: set[str]) -> dict[str, Any]:
    patterns = part.get("patternProperties")
    if not isinstance(patterns, Mapping):
        return part
    listed: dict[str, Any] = {}
    for number, (pattern, schema) in enumerate(patterns.items()):
        matching = "|".join(
            regex.escape(n, special_only=True) for n in sorted(names) if _searched(pattern, n)
        )
        # The number keeps two patterns with the same names apart.
        never = "(?!)" if not matching else ""
        listed[rf"^(?:{never}{matching})\Z(?:){{{number + 1}}}"] = schema
    return part | {"patternProperties": listed}
