"""The published JSON Schema agrees with what the loader takes."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness.common.yaml_positions import read_document
from harness.scorers import all_scorers
from harness.suites import json_schema, suite_files

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "docs" / "suite.schema.json"
SHIPPED = suite_files([ROOT / "suites"]) if any(ROOT.glob("suites/*/*.yaml")) else ()


@lru_cache(maxsize=1)
def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def fits(suite: Any) -> bool:
    return bool(validator().is_valid(suite))


def with_check(check: Any) -> dict[str, Any]:
    """A suite with one case and this check."""
    case = {"id": "a", "user": "x", "checks": [check]}
    return {"suite": "s", "category": "c", "cases": [case]}


def with_case(**keys: Any) -> dict[str, Any]:
    return {"suite": "s", "category": "c", "cases": [{"id": "a", "checks": ["json"], **keys}]}


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_the_published_file_is_up_to_date() -> None:
    """After a change: harness schema > docs/suite.schema.json"""
    fresh = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"

    assert PUBLISHED.read_text(encoding="utf-8") == fresh, "harness schema > docs/suite.schema.json"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_suite_fits(path: Path) -> None:
    document = read_document(path.name, path.read_bytes())

    assert [error.message for error in validator().iter_errors(document.value)] == []


def test_the_suite_that_uses_every_key_fits() -> None:
    path = Path(__file__).parent / "data" / "all.yaml"

    assert fits(read_document(path.name, path.read_bytes()).value)


@pytest.mark.parametrize("scorer", list(all_scorers()), ids=lambda scorer: scorer.name)
def test_the_example_of_every_check_fits(scorer: Any) -> None:
    arguments = scorer.example.args

    assert fits(with_check({scorer.name: arguments, "weight": 2}))


@pytest.mark.parametrize(
    "check",
    [
        "json",
        {"json": None},
        {"contains": "{{ row.text }}"},
        {"words": {"min": "{{ row.least }}"}},
        {"json_schema": {"schema": "{{ row.schema }}"}},
        {"not": {"contains": "x"}},
        {"not": {"check": {"contains": "x"}}},
        {"all_of": [{"any_of": ["json", {"contains": "x"}]}]},
        {"contains_all": "{{ row.words }}"},
    ],
)
def test_checks_in_all_their_forms_fit(check: Any) -> None:
    assert fits(with_check(check))


@pytest.mark.parametrize(
    "check",
    [
        "contains",
        "contians",
        {"contians": "x"},
        {"contains": 42},
        {"contains": {"txt": "x"}},
        {"words": {"min": "three"}},
        {"not": {"contians": "x"}},
        {"all_of": []},
        {"weight": 2},
        {"contains": "x", "weight": 0},
        {"contains": "x", "regex": "y"},
        7,
    ],
)
def test_wrong_checks_do_not_fit(check: Any) -> None:
    assert not fits(with_check(check))


@pytest.mark.parametrize(
    "suite",
    [
        with_case(user="x"),
        with_case(user="{{ row.text }}", id="{{ row.id }}", tags=["{{ row.tag }}"]),
        with_case(turns=[{"user": "x"}]),
        {"suite": "s", "category": "c", "generate": [{"haystack": {"id": "n", "lengths": 64}}]},
    ],
)
def test_right_suites_fit(suite: Any) -> None:
    assert fits(suite)


@pytest.mark.parametrize(
    "suite",
    [
        {},
        {"suite": "s", "category": "c"},
        with_case(),
        with_case(user="x", turns=[{"user": "x"}]),
        with_case(user="x", tgas=[]),
        with_case(user="x", id="a b"),
        with_case(user="x", repeats="3"),
        with_case(user="x", required="yes"),
        {**with_case(user="x"), "gate": {"min_pass_rate": 2}},
        {**with_case(user="x"), "defaults": {"sampling": {"temp": 1}}},
        {"suite": "s", "category": "c", "from_file": [{"path": "x.csv"}]},
        {"suite": "s", "category": "c", "from_file": [{"path": "x.csv", "case": {"usr": "x"}}]},
        {"suite": "s", "category": "c", "generate": [{"haystack": {"id": "n", "length": 64}}]},
    ],
)
def test_wrong_suites_do_not_fit(suite: Any) -> None:
    assert not fits(suite)
