"""Engine arguments, `--engine-arg NAME=VALUE`: each backend declares its own, one entry each.

From an entry follow the check when the backend is opened, the words of its error, did-you-mean,
and what the documentation must name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.common import Problem, nearest


@dataclass(frozen=True, slots=True)
class EngineArgument:
    """One argument: which values fit, and the same in words.

    other_names: values that other programs call otherwise, for did-you-mean.
    """

    name: str
    fits: Callable[[Any], bool]
    expected: str
    other_names: Mapping[str, str] = field(default_factory=dict)


def number_from(least: float) -> Callable[[Any], bool]:
    """Return the check of a number that is `least` or more."""
    return lambda value: _is_a(value, (int, float)) and value >= least


def whole_from(least: int) -> Callable[[Any], bool]:
    """Return the check of a whole number that is `least` or more."""
    return lambda value: _is_a(value, int) and value >= least


def text(value: Any) -> bool:
    """Return whether the value is a text."""
    return isinstance(value, str)


def argument_problems(
    backend: str,
    given: Mapping[str, Any],
    arguments: Sequence[EngineArgument],
    *,
    others: bool = False,
) -> Iterator[Problem]:
    """Yield all that is wrong with what was given; `others` lets names pass that none declares."""
    known = {argument.name: argument for argument in arguments}
    for name, value in given.items():
        if name in known and not known[name].fits(value):
            yield Problem(
                f"{backend}: {name!r} is wrong",
                found=repr(value),
                expected=known[name].expected,
                did_you_mean=known[name].other_names.get(str(value), ""),
            )
        elif name not in known and not others:
            yield Problem(
                f"{backend}: engine argument {name!r} is not known",
                did_you_mean=nearest(name, known),
                hint=f"use one of {', '.join(known)}",
            )


def _is_a(value: Any, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)
