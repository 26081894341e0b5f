"""`decoding: constrained`: under which JSON Schema an answer is decoded, and where that cannot be.

The schema is that of the turn's own `json_schema` check, so an answer that is cut off is the only
one that can still fail it. `json` and `json_value` alone ask for any JSON object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.backends.values import Backend, constrains_json
from harness.runner.trial import Trial
from harness.scorers import Check
from harness.suites.values import Case

_OBJECT: Mapping[str, Any] = {"type": "object"}
_ANY_JSON = ("json", "json_value")


def is_constrained(case: Case) -> bool:
    """Whether any of its answers is decoded under a schema, by an engine that can."""
    return any(schema_of(case, turn) is not None for turn in range(len(case.turns)))


def schema_of(case: Case, turn: int) -> Mapping[str, Any] | bool | None:
    """The schema for the answer to one turn, or None where it is decoded freely."""
    if case.decoding != "constrained":
        return None
    checks = case.turns[turn].checks
    own = next((_schema(check) for check in checks if check.name == "json_schema"), None)
    if own is not None:
        return own
    return _OBJECT if any(check.name in _ANY_JSON for check in checks) else None


def constraint_notes(trials: Iterable[Trial], backend: Backend) -> tuple[str, ...]:
    """What becomes of `decoding: constrained` where it cannot be done."""
    asked = {trial.case.id: trial.case for trial in trials if trial.case.decoding == "constrained"}
    if not asked:
        return ()
    if not constrains_json(backend):
        cases = f"{len(asked)} case{'s' if len(asked) > 1 else ''}"
        return (f"decoding: constrained is not possible with {backend.name}: {cases} decoded free",)
    free = [name for name, case in asked.items() if not is_constrained(case)]
    return tuple(f"{name}: decoded free, it has no JSON check to constrain it" for name in free)


def _schema(check: Check) -> Mapping[str, Any] | bool | None:
    found = check.as_json()[check.name]
    schema = found.get("schema") if isinstance(found, Mapping) else None
    return schema if isinstance(schema, Mapping | bool) else None
