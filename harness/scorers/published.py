"""The JSON Schema of checks, for editors and other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.scorers.check import BESIDE, CHECK_MARK
from harness.scorers.registry import Scorer, all_scorers

_REFERENCE = {"$ref": "#/$defs/check"}


def with_checks(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a model that has `CheckField`s, with `$defs/check` filled in."""
    filled: dict[str, Any] = _marked(dict(schema))
    definitions: dict[str, Any] = dict(filled.get("$defs", {}))
    scorers = list(all_scorers())
    bare = [scorer.name for scorer in scorers if _is_bare(scorer)]
    weight = {"type": "number", "exclusiveMinimum": 0, "default": 1}
    read = {"enum": ["answer", "reasoning"], "default": "answer"}
    named = {scorer.name: _arguments(scorer, definitions) for scorer in scorers}
    mapping = {
        "type": "object",
        "properties": {**named, "weight": weight, "read": read, "step": {"type": "integer"}},
        "additionalProperties": False,
        **_one_name(BESIDE),
    }
    definitions["check"] = {"anyOf": [{"enum": bare}, mapping]}
    return {**filled, "$defs": definitions}


def _one_name(beside: Sequence[str], names: int = 1) -> dict[str, Any]:
    """Return that there is one name, and nothing else but what may stand beside it."""
    if not beside:
        return {"minProperties": names, "maxProperties": names}
    first, *rest = beside
    return {
        "if": {"required": [first]},
        "then": _one_name(rest, names + 1),
        "else": _one_name(rest, names),
    }


def _is_bare(scorer: Scorer) -> bool:
    """Return whether the name alone is a check."""
    return not any(field.is_required() for field in scorer.args.model_fields.values())


def _arguments(scorer: Scorer, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return all that may stand after a check's name."""
    template = f"#/$defs/{scorer.name}.{{model}}"
    full: dict[str, Any] = _marked(scorer.args.model_json_schema(ref_template=template))
    inner = full.pop("$defs", {})
    definitions.update({f"{scorer.name}.{name}": value for name, value in inner.items()})
    forms = [{**full, "title": scorer.name, "description": scorer.summary}]
    if scorer.shorthand is not None:
        forms += [_shorthand(scorer, full)]
    return {"anyOf": [*forms, {"type": "null"}] if _is_bare(scorer) else forms}


def _shorthand(scorer: Scorer, full: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of the first argument alone."""
    fields = scorer.args.model_fields
    alias = fields[str(scorer.shorthand)].alias if scorer.shorthand in fields else None
    found: dict[str, Any] = full.get("properties", {}).get(alias or scorer.shorthand, {})
    # Where the arguments are a choice of mappings, only a scalar or a list stands for the first.
    return found or {"not": {"type": "object"}}


def _marked(value: Any) -> Any:
    """Return a copy with every mark of a check replaced by a reference to `$defs/check`."""
    if isinstance(value, Mapping):
        if value.get("$comment") == CHECK_MARK["$comment"]:
            return dict(_REFERENCE)
        return {key: _marked(item) for key, item in value.items()}
    return [_marked(item) for item in value] if isinstance(value, list) else value
