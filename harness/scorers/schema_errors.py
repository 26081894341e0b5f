"""Which of many schema errors to report, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.scorers.json_path import place_text
from harness.scorers.json_text import kind, written


@dataclass(frozen=True, slots=True)
class Violation:
    """The rule of a schema that a value breaks: where, which, and in words."""

    path: str
    rule: str
    text: str


_WEAK = ("anyOf", "oneOf", "allOf", "not", "if")


def _best(errors: list[Any]) -> Any:
    """The outermost error, in the branch of `anyOf` or `oneOf` that was meant, if that is clear."""
    best = min(errors, key=lambda e: (len(e.absolute_path), e.validator in _WEAK))
    while best.context and best.validator in ("anyOf", "oneOf"):
        branch = _meant(best.context)
        if not branch:
            return best
        best = _best(branch)
    return best


def _meant(context: list[Any]) -> list[Any]:
    """The errors of the only branch whose type and constants fit; empty where there is none."""
    branches: dict[Any, list[Any]] = {}
    for error in context:
        branches.setdefault(next(iter(error.schema_path), None), []).append(error)
    fitting = [errors for errors in branches.values() if not any(_is_other(e) for e in errors)]
    return fitting[0] if len(fitting) == 1 else []


def _is_other(error: Any) -> bool:
    """Whether an error says that another branch was meant: another type, another tag."""
    if len(error.path) == 0 and error.validator in ("enum", "const"):
        limit = error.validator_value if error.validator == "enum" else [error.validator_value]
        return _kind(error.instance) not in {_kind(value) for value in limit}
    tagged = len(error.path) == 1 and error.validator in ("enum", "const")
    return tagged or (len(error.path) == 0 and error.validator == "type")


def described(errors: list[Any]) -> Violation:
    """The most telling of the errors that `jsonschema` found in one value."""
    error = _best(errors)
    path = place_text(tuple(error.absolute_path))
    rule = str(error.validator)
    return Violation(path, rule, f"{path}: {_words(rule, error.validator_value, error.instance)}")


def _words(rule: str, limit: Any, value: Any) -> str:
    """What is wrong: `number wanted, found string "12"`."""
    found = written(value)
    if rule == "type":
        wanted = " or ".join(limit) if isinstance(limit, list) else limit
        return f"{wanted} wanted, found {_kind(value)} {found}"
    if rule == "not" and limit == {}:
        return f"nothing is allowed here, found {found}"
    if rule == "required":
        return f"required: {_keys(limit, value)} missing"
    if rule == "format":
        return f"{found} is no {limit}"
    if rule in ("anyOf", "oneOf"):
        return f"{rule}: {found} fits none, or too many, of {len(limit)} schemas"
    if rule in ("enum", "const"):
        return f"{found} is not {'one of ' if rule == 'enum' else ''}{written(limit, 100)}"
    return f"{found} does not meet {rule}: {written(limit)}"


def _keys(wanted: list[str], value: Mapping[str, Any]) -> str:
    missing = [key for key in wanted if key not in value]
    return ", ".join(written(key) for key in missing[:5]) + (" ..." if len(missing) > 5 else "")


def _kind(value: Any) -> str:
    return "number" if isinstance(value, float) else kind(value)
