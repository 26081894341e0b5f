"""`decoding: constrained`: under which schema an answer is decoded, and what is said where not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.evaluation.trial import schema_of
from harness.suites import Case
from tests.evaluation.engines import ScriptedEngine
from tests.evaluation.worlds import BASE, case, go, plan_of

SCHEMA = {"type": "object", "required": ["total"]}


@dataclass
class Constraining(ScriptedEngine):
    """An engine that can decode under a schema."""

    constrains_json: bool = True


def constrained(check: Any, name: str = "a") -> Case:
    return case(name, check=check, decoding="constrained")


@pytest.mark.parametrize(
    ("check", "schema"),
    [
        ({"json_schema": {"schema": SCHEMA}}, SCHEMA),
        ({"json_schema": {"schema": False}}, False),
        ("json", {"type": "object"}),
        ({"json_value": {"path": "$.total", "equals": 3}}, {"type": "object"}),
        ({"contains": "x"}, None),
    ],
    ids=str,
)
def test_the_schema_is_that_of_the_turns_own_check(check: Any, schema: Any) -> None:
    assert schema_of(constrained(check), 0) == schema


def test_decoding_is_free_unless_the_case_says_so() -> None:
    assert schema_of(case("a", check={"json_schema": {"schema": SCHEMA}}), 0) is None


def test_an_engine_that_can_is_given_the_schema_and_other_answers_are_others(
    tmp_path: Path,
) -> None:
    engine, check = Constraining(), {"json_schema": {"schema": SCHEMA}}

    _, first = go(tmp_path / "db", plan_of(engine, constrained(check)), engine)
    plan = plan_of(engine, case("a", check=check))
    counts, second = go(tmp_path / "db", plan, engine, run_id="free")

    assert [request.json_schema for request in engine.asked] == [SCHEMA, None]
    assert counts.cached == 0
    assert first[0].signature == replace(second[0].signature, scoring=("constrained",))


def test_an_engine_that_cannot_decodes_free_and_the_run_says_so(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    plan = plan_of(engine, constrained("json"), constrained("json", "b"))

    go(tmp_path / "db", plan, engine)

    assert plan.notes == (
        "decoding: constrained is not possible with scripted: 2 cases decoded free",
    )
    assert [request.json_schema for request in engine.asked] == [None, None]


def test_a_constrained_case_without_a_json_check_is_named() -> None:
    plan = plan_of(Constraining(), constrained({"contains": "x"}), variants=(BASE,))

    assert plan.notes == ("a: decoded free, it has no JSON check to constrain it",)
