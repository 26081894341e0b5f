"""The JSON Schema of suite files, for editors and other programs."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from harness.scorers import Scorer, all_scorers
from harness.suites.file_models import CaseKeys, SuiteKeys

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEMPLATE = {"type": "string", "pattern": r"\{\{|\{%"}


def json_schema() -> dict[str, Any]:
    """The schema of a whole file, with every registered check and its arguments."""
    _, both = models_json_schema(
        [(SuiteKeys, "validation"), (CaseKeys, "validation")], by_alias=True
    )
    definitions = both["$defs"]
    top = definitions.pop("SuiteKeys")
    top["properties"]["cases"]["items"] = {"$ref": "#/$defs/CaseKeys"}
    for scorer in all_scorers():
        schema = scorer.args.model_json_schema(by_alias=True)
        definitions |= schema.pop("$defs", {})
        definitions[f"arguments of {scorer.name}"] = schema
    definitions["check"] = _check(list(all_scorers()))
    return {"$schema": DIALECT, "title": "A suite of the harness", **top, "$defs": definitions}


def _check(scorers: list[Scorer]) -> dict[str, Any]:
    """A bare name, or one name with its arguments and perhaps a weight."""
    weight = {"type": "number", "exclusiveMinimum": 0}
    properties = {scorer.name: _arguments(scorer) for scorer in scorers}
    return {
        "anyOf": [
            {"enum": [scorer.name for scorer in scorers]},
            {
                "type": "object",
                "properties": {**properties, "weight": weight},
                "additionalProperties": False,
                "oneOf": [{"required": [scorer.name]} for scorer in scorers],
            },
        ]
    }


def _arguments(scorer: Scorer) -> dict[str, Any]:
    """The arguments by name, or the first one alone; a template may stand for any value."""
    named = {"$ref": f"#/$defs/arguments of {scorer.name}"}
    forms: list[dict[str, Any]] = [named, _TEMPLATE]
    if not scorer.args.model_json_schema(by_alias=True).get("required"):
        forms.append({"type": "null"})
    if scorer.shorthand is not None:
        properties = scorer.args.model_json_schema(by_alias=True)["properties"]
        forms.append(properties[scorer.shorthand])
    return {"description": scorer.summary, "anyOf": forms}
