"""Cases with the suite's defaults filled in: the values that leave this package."""

from __future__ import annotations

from typing import Any

from harness.suites.file_models import CaseKeys, HaystackKeys, SuiteKeys
from harness.suites.haystack import Haystack
from harness.suites.values import Case, Position, Turn


def new_case(
    suite: SuiteKeys, keys: CaseKeys, position: Position, haystack: Haystack | None = None
) -> Case:
    """The case; what it does not say itself comes from the suite's defaults."""
    defaults = suite.defaults
    return Case(
        id=keys.id,
        suite=suite.suite,
        category=suite.category,
        position=position,
        turns=_turns(keys),
        system=keys.system,
        tags=tuple(dict.fromkeys((*defaults.tags, *keys.tags))),
        required=keys.required,
        sampling=defaults.sampling.override(keys.sampling),
        repeats=_or(keys.repeats, defaults.repeats),
        threshold=_or(keys.threshold, defaults.threshold),
        cluster=keys.cluster,
        allow_empty=_or(keys.allow_empty, defaults.allow_empty),
        time_limit=_or(keys.time_limit, defaults.time_limit),
        decoding=_or(keys.decoding, suite.decoding),
        haystack=haystack,
    )


def haystack_case(keys: HaystackKeys, haystack: Haystack) -> dict[str, Any]:
    """A haystack as a case of the file, without its question: that is no template.

    It gets no cluster of its own. Filler, keys and values are drawn from the case's id, so no two
    haystacks share a text, each is an item by itself, and the test over single cases is right.
    Where an author knows better (one seed at all depths, say), `cluster` says so.
    """
    own = {"tags", "required", "sampling", "repeats", "cluster", "system"} & keys.model_fields_set
    checks = keys.checks or [_hidden_values(haystack)]
    return {"id": haystack.id, "checks": checks, **{name: getattr(keys, name) for name in own}}


def haystack_variables(haystack: Haystack) -> dict[str, Any]:
    """What templates of a haystack family see as `haystack`."""
    return {
        "id": haystack.id,
        "question": haystack.question,
        "values": list(haystack.values),
        "distractors": list(haystack.other_values),
        "length": haystack.length,
        "depth": haystack.depth,
        "seed": haystack.seed,
    }


def _hidden_values(haystack: Haystack) -> dict[str, Any]:
    """The check of a haystack without one of its own: the values are found, and not guessed."""
    beside: dict[str, Any] = (
        {"others": list(haystack.other_values)} if haystack.other_values else {}
    )
    if haystack.task == "counting":
        beside = {"only": True}
    if len(haystack.values) == 1:
        return {"needle": {"value": haystack.values[0], **beside}}
    return {"needles": {"values": list(haystack.values), **beside}}


def _turns(keys: CaseKeys) -> tuple[Turn, ...]:
    if keys.turns is not None:
        return tuple(Turn(turn.user, turn.checks) for turn in keys.turns)
    return (Turn(keys.user or "", keys.checks),)


def _or(own: Any, default: Any) -> Any:
    return default if own is None else own
