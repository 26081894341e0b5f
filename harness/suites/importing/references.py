"""Which check holds an answer against the one that is wanted."""

from __future__ import annotations

import json
import re
from typing import Any

# `auto` takes the strictest check that a right answer in other words still passes.
CHECKS = ("auto", "equals", "contains", "numeric", "json", "chrf")
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?")
# A reference of so few words in one line is a label, a name or a date.
_LABEL_WORDS = 3


def check_of(name: str, reference: str, bar: float) -> dict[str, Any]:
    """The check `name` of `CHECKS` for a reference; `bar` is for chrF.

    Raises ValueError where the reference does not fit the check.
    """
    text = reference.strip()
    if not text:
        raise ValueError("the reference is empty")
    if name == "auto":
        name = _fitting(text)
        if name == "equals":  # with or without a full stop, in any case
            return {"one_of": {"texts": [text, f"{text}."], "ignore_case": True}}
    if name == "numeric":
        if not _NUMBER.fullmatch(text):
            raise ValueError("the reference is no number")
        return {"numeric": {"equals": text}}
    if name == "json":
        return {"json_value": {"path": "$", "equals": _json(text)}}
    if name == "chrf":
        return {"chrf": {"reference": text, "min": bar}}
    return {name: {"text": text}}


def _fitting(text: str) -> str:
    if _NUMBER.fullmatch(text):
        return "numeric"
    if text[0] in "{[" and _is_json(text):
        return "json"
    if "\n" not in text and len(text.split()) <= _LABEL_WORDS and len(text) <= 40:
        return "equals"
    return "chrf"


def _is_json(text: str) -> bool:
    try:
        _json(text)
    except ValueError:
        return False
    return True


def _json(text: str) -> Any:
    """The value of a JSON text that a data file can hold. Raises ValueError."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("the reference has too many levels") from None
    except ValueError:
        raise ValueError("the reference is no JSON text") from None
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
