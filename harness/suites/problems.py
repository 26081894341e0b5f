"""Validation errors in the house form: where it stands, what was found, what was wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from harness.errors import Problem, nearest
from harness.suites.document import Document

Loc = tuple[str | int, ...]
SHOWN = 60  # characters of a found value: a message is no place for a whole prompt

_KINDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "mapping_type": "a mapping",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_PATTERN_WORDS = "letters, digits, '_', '.', '-'"


def problem_of(
    row: ErrorDetails, document: Document, prefix: Loc, case: str, model: type[BaseModel]
) -> Problem:
    """One of pydantic's errors at `prefix` + its location, with its place in the file."""
    loc: Loc = (*prefix, *row["loc"])
    of_key = row["type"] == "extra_forbidden"
    place = document.position(loc, of_key=of_key)
    parts = _said(row, model)
    return Problem(path=place.path, line=place.line, column=place.column, case=case, **parts)


def _said(row: ErrorDetails, model: type[BaseModel]) -> dict[str, str]:
    kind, context = row["type"], row.get("ctx", {})
    name = _name(row["loc"])
    if kind == "missing":
        return {"message": f"{name!r} is missing"}
    if kind == "extra_forbidden":
        return _unknown(row, model)
    if kind == "unknown_check":
        known = ", ".join(context["known"])
        return {
            "message": row["msg"],
            "did_you_mean": context["did_you_mean"],
            "mend": f"use one of {known}",
        }
    if kind in _KINDS:
        return _wrong_type(name, row, _KINDS[kind])
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return _wrong_value(name, row, f"{words} {context[key]:g}")
    if kind == "literal_error":
        return _wrong_value(name, row, context["expected"].replace(" or ", ", "))
    if kind == "string_pattern_mismatch":
        return _wrong_value(name, row, _PATTERN_WORDS)
    if kind == "too_short":
        return _wrong_value(name, row, f"at least {context['min_length']}")
    return {"message": re.sub("^Value error, ", "", row["msg"])}


def _wrong_type(name: str, row: ErrorDetails, wanted: str) -> dict[str, str]:
    said = _wrong_value(name, row, wanted)
    if wanted == "a text" and isinstance(row["input"], int | float):
        said["mend"] = f'put it in quotes: "{row["input"]}"'
    return said


def _wrong_value(name: str, row: ErrorDetails, wanted: str) -> dict[str, str]:
    return {"message": f"{name!r} is wrong", "found": shown(row["input"]), "wanted": wanted}


def _unknown(row: ErrorDetails, model: type[BaseModel]) -> dict[str, str]:
    key = str(row["loc"][-1])
    known = row.get("ctx", {}).get("known") or _keys_at(model, row["loc"][:-1])
    return {
        "message": f"key {key!r} is not known here",
        "did_you_mean": nearest(key, known),
        "mend": "known keys: " + ", ".join(known) if known else "",
    }


def _keys_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The keys that the model takes at this place; empty where it cannot be told."""
    found: type[BaseModel] | None = model
    for step in loc:
        if isinstance(step, str) and found is not None and step in found.model_fields:
            found = _model_in(found.model_fields[step].annotation)
    return list(found.model_fields) if found else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (found := _model_in(part)) is not None:
            return found
    return None


def _name(loc: Iterable[str | int]) -> str:
    """The last named step: `sampling.temperature` says more than an index."""
    words = [str(step) for step in loc if isinstance(step, str)]
    return ".".join(words[-2:]) if words else "value"


def shown(value: object) -> str:
    """A value in a message: short, on one line, with its kind where that is not plain."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else str(value).lower()
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
