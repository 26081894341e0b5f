"""The values that the checks of a case expect, out of the checks' own arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.suites import Case

# The arguments that hold what a right answer has, or what only looks right (`others`).
_ANSWERS: Mapping[str, tuple[str, ...]] = {
    "equals": ("text",),
    "one_of": ("texts",),
    "numeric": ("equals",),
    "needle": ("value", "others"),
    "needles": ("values", "others"),
    "json_value": ("equals", "one_of"),
    "no_prompt_leak": ("canary",),
    "bleu": ("reference",),
    "chrf": ("reference",),
    "rouge": ("reference",),
    "bertscore": ("reference",),
    "similarity": ("reference",),
    "judge": ("reference",),
}
# Their texts may be ordinary words; with a digit in them they are values.
_MENTIONS: Mapping[str, tuple[str, ...]] = {
    "contains": ("text",),
    "contains_all": ("texts",),
    "contains_any": ("texts",),
    "starts_with": ("texts",),
    "ends_with": ("texts",),
}
_NESTED: Mapping[str, str] = {"not": "check", "all_of": "of", "any_of": "of", "at_least": "of"}


def hidden_values(case: Case) -> tuple[str, ...]:
    """Every value that the case's checks and haystack expect or warn of, each once, in order."""
    found = [
        value for turn in case.turns for check in turn.checks for value in _values(check.as_json())
    ]
    if case.haystack:
        found += [*case.haystack.values, *case.haystack.other_values]
    return tuple(dict.fromkeys(found))


def canaries(case: Case) -> tuple[str, ...]:
    """The secrets that the system prompt holds and no answer may tell."""
    checks = (check for turn in case.turns for check in turn.checks)
    leaks = (check for check in checks if check.name == "no_prompt_leak")
    return tuple(one for check in leaks for one in _values(check.as_json()))


def _values(check: Mapping[str, Any]) -> Iterator[str]:
    """The values of a check in its canonical form."""
    for name, args in check.items():
        if name in _NESTED:
            inner = args.get(_NESTED[name], ())
            for one in inner if isinstance(inner, list) else [inner]:
                yield from _values(one)
        elif isinstance(args, Mapping):
            for key in _ANSWERS.get(name, ()):
                yield from _leaves(args.get(key))
            for key in _MENTIONS.get(name, ()):
                yield from (text for text in _leaves(args.get(key)) if has_digit(text))


def _leaves(value: object) -> Iterator[str]:
    """Texts and numbers of a JSON value, at any depth; true, false and null are no values."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def has_digit(text: str) -> bool:
    """Whether a text is a number, a code or a date, and no ordinary word."""
    return any(sign.isdigit() for sign in text)
