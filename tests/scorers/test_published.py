"""The JSON Schema of checks fits what the loader takes."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from harness.scorers import CheckField, Scorer, all_scorers, with_checks


class Case(BaseModel):
    """A model with checks."""

    checks: tuple[CheckField, ...]


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = with_checks(Case.model_json_schema())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("scorer", [pytest.param(s, id=s.name) for s in all_scorers()])
def test_the_example_of_each_check_fits(scorer: Scorer, validator: Any) -> None:
    assert scorer.example is not None
    args = scorer.example.args

    assert validator.is_valid({"checks": [scorer.name if args is None else {scorer.name: args}]})


@pytest.mark.parametrize(
    "check",
    [
        "json",
        {"lowercase": None},
        {"contains": "a", "weight": 2},
        {"not": {"all_of": [{"contains": "a"}, "json"]}},
        {"not": {"check": "json"}},
        {"json_schema": {"schema": {"type": "object"}}},
    ],
)
def test_what_fits(check: Any, validator: Any) -> None:
    assert validator.is_valid({"checks": [check]})


@pytest.mark.parametrize(
    "check",
    [
        "contains",
        "nope",
        {"nope": 1},
        {"contains": 1},
        {"contains": {"txet": "a"}},
        {"not": {"contains": 1}},
        {"contains": "a", "weight": 0},
        {"ifeval": {"id": "punctuation:no_comma", "num_words": 3}},
        {},
        {"weight": 2},
        {"contains": "a", "regex": "b"},
        {"contains": "a", "regex": "b", "weight": 2},
    ],
)
def test_what_does_not_fit(check: Any, validator: Any) -> None:
    assert not validator.is_valid({"checks": [check]})
