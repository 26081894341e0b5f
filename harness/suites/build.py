"""A validated case of a file, with the suite's defaults, as the value that leaves this package."""

from __future__ import annotations

from typing import Any

from harness.suites.file_models import CaseKeys, HaystackKeys, SuiteKeys
from harness.suites.haystack import Haystack
from harness.suites.values import Case, Position, Turn


def new_case(
    suite: SuiteKeys, keys: CaseKeys, position: Position, haystack: Haystack | None
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
        cluster=_or(keys.cluster, suite.cluster),
        allow_empty=_or(keys.allow_empty, defaults.allow_empty),
        time_limit=_or(keys.time_limit, defaults.time_limit),
        decoding=_or(keys.decoding, suite.decoding or defaults.decoding),
        haystack=haystack,
    )


def haystack_raw(keys: HaystackKeys, haystack: Haystack) -> dict[str, Any]:
    """A haystack as a case: its question, and its hidden values as the check.

    Every haystack has filler of its own, so each is a cluster by itself: the tests over single
    cases are right, and no cluster is set.
    """
    raw: dict[str, Any] = {
        "id": haystack.id,
        "user": haystack.question,
        "checks": keys.checks or [_values_check(haystack)],
        "tags": keys.tags,
        "required": keys.required,
        "sampling": keys.sampling,
    }
    if "system" in keys.model_fields_set:
        raw["system"] = keys.system
    return raw


def _values_check(haystack: Haystack) -> dict[str, Any]:
    if len(haystack.values) == 1:
        return {"needle": {"value": haystack.values[0]}}
    return {"needles": {"values": list(haystack.values)}}


def _turns(keys: CaseKeys) -> tuple[Turn, ...]:
    if keys.turns is not None:
        return tuple(Turn(turn.user, turn.checks) for turn in keys.turns)
    return (Turn(keys.user or "", keys.checks),)


def _or(own: Any, default: Any) -> Any:
    return default if own is None else own
