"""The JSON Schema of suite files, for editors and other programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from harness.scorers import with_checks
from harness.suites.file_models import (
    TEMPLATE,
    CaseKeys,
    GenerateKeys,
    RowsKeys,
    SuiteKeys,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# The marks of `file_models`, and the models that they stand for.
_PARTS = {"a case": "CaseKeys", "rows": "RowsKeys", "a family": "GenerateKeys"}
_PLAIN_TEXT = {"type", "description", "default", "minLength"}


def json_schema() -> dict[str, Any]:
    """The schema of a whole suite file, with every registered check in all its forms."""
    models = (SuiteKeys, CaseKeys, RowsKeys, GenerateKeys)
    _, found = models_json_schema([(model, "validation") for model in models])
    linked: dict[str, Any] = _linked(_untitled(found["$defs"]))
    top = linked.pop("SuiteKeys")
    filled = with_checks({"$schema": DIALECT, "title": "suite", **top, "$defs": linked})
    definitions = filled["$defs"]
    checks = {name: part for name, part in definitions.items() if name not in linked}
    checks = _templated(_untitled(checks))
    return {**filled, "$defs": {**definitions, **checks}}


def _untitled(value: Any) -> Any:
    """A copy without the titles that pydantic makes from names."""
    if isinstance(value, list):
        return [_untitled(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {
        key: _untitled(item)
        for key, item in value.items()
        if key != "title" or not isinstance(item, str)
    }


def _linked(value: Any) -> Any:
    """A copy with every mark of a part replaced by a reference to it."""
    if isinstance(value, Mapping):
        part = _PARTS.get(str(value.get("$comment")))
        return (
            {"$ref": f"#/$defs/{part}"}
            if part
            else {key: _linked(item) for key, item in value.items()}
        )
    return [_linked(item) for item in value] if isinstance(value, list) else value


def _templated(value: Any) -> Any:
    """A copy in which a template may stand for every value in a check.

    Templates are rendered before checks are validated, so `min: "{{ row.least }}"` is right.
    """
    if isinstance(value, list):
        return [_templated(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    copy = {key: _templated(item) for key, item in value.items()}
    if isinstance(copy.get("properties"), Mapping):
        copy["properties"] = {key: _or_template(item) for key, item in copy["properties"].items()}
    if isinstance(copy.get("items"), Mapping):
        copy["items"] = _or_template(copy["items"])
    return copy


def _or_template(schema: Any) -> Any:
    if not isinstance(schema, Mapping) or not schema or "$ref" in schema:
        return schema
    if schema.get("type") == "string" and schema.keys() <= _PLAIN_TEXT:
        return schema
    said = {key: schema[key] for key in ("description", "default") if key in schema}
    return {**said, "anyOf": [schema, TEMPLATE]}
