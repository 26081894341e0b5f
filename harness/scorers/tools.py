"""Declared tools: their names, the schemas of their arguments, and what fits these."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from harness.common import JsonValue, canonical_json, nearest, shown

Tool = Mapping[str, Any]  # in OpenAI's form: {"type": "function", "function": {name, ...}}
# What OpenAI's API takes as a name, and the servers that do as it does.
SERVED_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FUNCTION_KEYS = ("name", "description", "parameters", "strict", "return", "response")
# What other data sets (BFCL among them) call the types of JSON Schema.
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "list": "array", "int": "integer"}
_TYPES |= {"str": "string", "bool": "boolean", "any": "(leave type out)"}


class ToolProblemError(ValueError):
    """A declaration is none. `loc` is the way from the declaration to what is wrong."""

    def __init__(self, message: str, *loc: str | int) -> None:
        super().__init__(message)
        self.message, self.loc = message, loc


def declared_tool(raw: object) -> dict[str, Any]:
    """Return a tool in OpenAI's form, checked; a bare function `{name, parameters}` will do.

    Raises `ToolProblemError` where it is no tool, or its parameters are no JSON Schema.
    """
    if not isinstance(raw, Mapping):
        message = f"a tool is a mapping with name and parameters, not {shown(raw)}"
        raise ToolProblemError(message)
    wrapped = "function" in raw
    if wrapped and raw.get("type", "function") != "function":
        raise ToolProblemError(f"a tool of type {shown(raw['type'])} is not known: write function")
    function = raw["function"] if wrapped else {k: v for k, v in raw.items() if k != "type"}
    way: tuple[str, ...] = ("function",) if wrapped else ()
    if not isinstance(function, Mapping):
        raise ToolProblemError("a function is a mapping with name and parameters", *way)
    for key in function:
        if key not in _FUNCTION_KEYS:
            close = nearest(str(key), _FUNCTION_KEYS)
            hint = f", did you mean {close!r}?" if close else f": {', '.join(_FUNCTION_KEYS)}"
            raise ToolProblemError(f"key {str(key)!r} is not known in a tool{hint}", *way, str(key))
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ToolProblemError("a tool has a name", *way)
    if not isinstance(function.get("description", ""), str):
        raise ToolProblemError("a description is a text", *way, "description")
    schema = function.get("parameters", {"type": "object", "properties": {}})
    try:
        text = canonical_json(schema)
    except (TypeError, ValueError):
        message = f"the parameters of {name!r} have values that JSON has not"
        raise ToolProblemError(message, *way, "parameters") from None
    if problem := _schema_problem(text):
        raise ToolProblemError(f"the parameters of {name!r}: {problem}", *way, "parameters")
    checked = {**function, "parameters": schema}
    return {"type": "function", "function": checked}


@lru_cache(maxsize=2048)  # hundreds of cases share their tools
def _schema_problem(text: str) -> str:
    from harness.scorers.json_schema import check_schema
    from harness.scorers.schema_check import SchemaProblemError, walk

    schema = json.loads(text)
    if not isinstance(schema, dict):
        return "a JSON Schema of an object is wanted"
    try:
        parts = [part for _, part in walk(schema)]
    except SchemaProblemError:
        parts = []  # it nests too deep: the check says so
    for part in parts:
        kind = part.get("type")
        if isinstance(kind, str) and kind in _TYPES:
            return f"type {kind!r} is none of JSON Schema: write {_TYPES[kind]}"
    if schema.get("type", "object") != "object":
        return f"arguments are an object, so type is object, not {shown(schema['type'])}"
    if not {"type", "properties"} & schema.keys() and schema:
        return "no JSON Schema of an object: it has neither type nor properties"
    try:
        check_schema(schema)
    except SchemaProblemError as error:
        return str(error)
    return ""


def callable_tool(raw: object) -> dict[str, Any]:
    """Return a declared tool of which a call can be written, and can be right.

    Rows for training may have others: data sets do, and nobody judges calls of them. Raises
    `ToolProblemError`.
    """
    tool = declared_tool(raw)
    way = ("function",) if isinstance(raw, Mapping) and "function" in raw else ()
    name, schema = tool_name(tool), parameters_of(tool)
    if unwritable := re.search(r"[^\w.:/-]", name):  # dots and slashes stand in many data sets
        sign = "a space" if unwritable[0].isspace() else shown(unwritable[0])
        message = f"the name {name!r} has {sign}: letters, digits, '_' and '-' are taken everywhere"
        raise ToolProblemError(message, *way, "name")
    listed = schema.get("properties", {})
    unlisted = [one for one in schema.get("required", ()) if one not in listed]
    if unlisted and not takes_others(schema):
        close = nearest(unlisted[0], listed)
        message = f"{name!r} has {unlisted[0]!r} as required, which its properties do not list"
        message += f", did you mean {close!r}?" if close else ""
        raise ToolProblemError(message, *way, "parameters", "required")
    return tool


def tool_name(tool: Tool) -> str:
    """Return the name of a declared tool."""
    return str(tool["function"]["name"])


def parameters_of(tool: Tool) -> Mapping[str, Any]:
    """Return the JSON Schema of its arguments."""
    found: Mapping[str, Any] = tool["function"]["parameters"]
    return found


def takes_others(schema: Mapping[str, Any]) -> bool:
    """Return whether arguments may have names that the `properties` of their schema do not list.

    JSON Schema always allows them; here the schema has to speak of them.
    """
    if {"patternProperties", "$ref", "allOf"} & schema.keys():
        return True
    return schema.get("additionalProperties", False) is not False


def misfit(arguments: Mapping[str, JsonValue], tool: Tool) -> str:
    """Say how arguments break the tool's own schema; empty where they fit.

    A name that the schema does not list is refused, unless it `takes_others`. Raises
    `patterns.TooSlow` where validation does not end.
    """
    from harness.scorers.json_schema import first_violation
    from harness.scorers.json_text import exact

    schema = parameters_of(tool)
    listed = schema.get("properties", {})
    if not takes_others(schema):
        unknown = [name for name in arguments if name not in listed]
        if unknown:
            close = nearest(unknown[0], listed)
            return f"argument {shown(unknown[0])} is not known" + (f", {close} is" if close else "")
    violation = first_violation(canonical_json(schema), exact(dict(arguments)))
    return violation.text if violation else ""
