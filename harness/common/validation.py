"""What pydantic found wrong with a value, in plain words: for suites and for other files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from harness.common.errors import nearest
from harness.common.types import MEASURE
from harness.common.wording import shown

_KINDS = {
    "string": "a text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "mapping": "a mapping",
}
_LIMITS = {
    "greater_than": "above {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "below {lt:g}",
    "less_than_equal": "{le:g} or less",
    "multiple_of": "a multiple of {multiple_of:g}",
    "finite_number": "a finite number",
    "string_too_short": "a text that is not empty",
    "string_too_long": "at most {max_length} characters",
    "too_short": "{min_length} or more entries",
    "too_long": "{max_length} or fewer entries",
    "string_pattern_mismatch": "a text that matches {pattern}",
}
NAME_PATTERN = "^[A-Za-z0-9_.-]+$"
_PATTERNS = {
    NAME_PATTERN: "letters, digits, '_', '.' and '-'",
    "^https?://": "http://... or https://...",
    MEASURE: "passed, score, human, pass@K or pass^K (K from 1, at most repeats)",
}
_PLAIN = ("str", "int", "float", "bool")
_PERCENT = ("gate.min_pass_rate", "gate.max_drop")  # what people give in percent


def one_each(rows: Iterable[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Yield one row for each place, though pydantic has one for each kind that a value may be."""
    places: dict[tuple[int | str, ...], ErrorDetails] = {}
    for row in rows:
        places.setdefault(told(row), row)
    yield from places.values()


def told(row: ErrorDetails) -> tuple[int | str, ...]:
    """Return a problem's place without the kinds of value that pydantic adds (`int`, …)."""
    loc = row["loc"]
    own = len(loc) - 1 if row["type"] == "extra_forbidden" else len(loc)  # the user's own word
    return tuple(step for at, step in enumerate(loc) if at == own or not _is_kind(loc, at))


def _is_kind(loc: Sequence[int | str], index: int) -> bool:
    step = loc[index]
    if isinstance(step, int):
        return False
    in_a_list = index > 0 and isinstance(loc[index - 1], int)
    return step in _PLAIN or "[" in step or (in_a_list and step[:1].isupper())


def in_words(row: ErrorDetails, name: str) -> dict[str, str]:
    """Return the parts of a problem, but for its place; `name` is what has the wrong value."""
    kind, context = row["type"], row.get("ctx", {})
    if kind == "missing":
        return {"message": f"{name!r} is missing"}
    if kind == "too_short" and row["input"] == "":
        kind = "string_too_short"  # one text stands for a list of it
    if wanted := _wanted(kind, context):
        value = row["input"]
        parts = {
            "message": f"wrong value for {name!r}",
            "found": described(value),
            "expected": wanted,
        }
        if kind == "literal_error" and isinstance(value, str):
            choices = [word.strip() for word in wanted.replace(" or ", ",").split(",")]
            if close := nearest(value, choices):
                parts["did_you_mean"] = close
        if wanted == _PATTERNS[NAME_PATTERN] and isinstance(value, str) and not value.isascii():
            odd = "".join(dict.fromkeys(sign for sign in value if not sign.isascii()))
            parts["hint"] = f"of letters, those from a to z: not {shown(odd)}"
        elif wanted == "a text" and isinstance(value, int | float):
            parts["hint"] = f'put it in quotes: "{described(value).removeprefix("number ")}"'
        elif name in _PERCENT and isinstance(value, int | float) and 2 <= value <= 100:
            parts["hint"] = f"it is a share: {value / 100:g} stands for {value:g} %"
        elif wanted == "a number" and isinstance(value, str) and value.endswith("%"):
            parts["hint"] = "write it as a share: 0.9 stands for 90 %"
        elif wanted == "a list" and name == "checks" and isinstance(value, Mapping):
            parts["hint"] = "put a dash before each check: `- contains: red`"
        elif wanted == "a list" and isinstance(value, Mapping) and value:
            first = "id" if name == "cases" else next(iter(value))
            parts["hint"] = f"put a dash before each entry: `- {first}: ...`"
        elif wanted == "a list" and isinstance(value, str) and not value[:1].isdigit():
            parts["hint"] = f"put it in brackets: [{json.dumps(value, ensure_ascii=False)}]"
        elif name == "gate" and isinstance(value, int | float):
            parts["hint"] = f"gate: {{min_pass_rate: {value:g}}}"
        elif name == "prefer" and (value is False or value in ("false", "no", "none", "off")):
            parts["hint"] = "leave it out; `prefer: null` takes a case out of the suite's own"
        elif name == "prefer" and isinstance(value, str):
            parts["hint"] = "prefer: {rubric: ...}"
        return parts
    message = row["msg"].removeprefix("Value error, ")
    return {"message": f"{name}: {message}" if row["loc"] else message}


def described(value: object) -> str:
    """Return a value in a message: its kind and itself, short, on one line."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    name = "text" if isinstance(value, str) else "number"
    return f"{name} {shown(value)}"


def _wanted(kind: str, context: Mapping[str, Any]) -> str:
    """Return what pydantic wanted, in plain words; empty where it says so itself."""
    if kind in ("literal_error", "enum"):
        return str(context["expected"]).replace("'", "")
    if kind == "string_pattern_mismatch" and context["pattern"] in _PATTERNS:
        return _PATTERNS[context["pattern"]]
    if kind in _LIMITS:
        return _LIMITS[kind].format(**context)
    word = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    return _KINDS.get(word, "") if word != kind else ""
