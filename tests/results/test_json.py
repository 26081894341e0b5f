"""Rows of results.jsonl: what is published stays, and rows of earlier versions are read."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from harness.common import ToolCall
from harness.results import (
    AnswerStep,
    CheckResult,
    HaystackCell,
    Result,
    Signature,
    read_result,
    restored,
    result_from_json,
    result_to_json,
    signature_from_json,
    signature_to_json,
    timing_of,
)
from harness.suites import HaystackSpec
from harness.suites.haystack import expand
from tests.reports.samples import result


def test_a_result_comes_back_as_it_was() -> None:
    row = replace(
        result(), signature=Signature("e", "s", ("j", "t")), cell=HaystackCell(512, 0.125)
    )

    assert result_from_json(result_to_json(row)) == row


def checked(detail: Any) -> Result:
    """A result with one check that found this out."""
    return replace(result(), checks=(CheckResult("own", 0, True, 1.0, "", detail=detail),))


@pytest.mark.parametrize(
    "row",
    [
        result(),
        result("n-512-d50-s1"),
        replace(result(), machine="m", first_token=0.25),
        replace(result(), first_token=0.25),
        checked({"n": 1, "x": None}),
        checked({"n": (1, 2)}),
        checked({1: "n"}),
        replace(result(), steps=(AnswerStep(0, "x", (ToolCall("f", "{}"),)),)),
        replace(result(), cached=True, seconds=1.5, length=7, cell=HaystackCell(64, 0.5)),
    ],
)
def test_a_restored_result_is_the_one_that_a_store_gives_back(row: Result) -> None:
    body = json.dumps({**result_to_json(row), **timing_of(row)})
    stored = result_from_json(json.loads(body), cached=row.cached, seconds=row.seconds)

    assert restored(row) == stored
    assert repr(asdict(restored(row))) == repr(asdict(stored))  # a list is no tuple


@pytest.mark.parametrize("reasoning", [(), ("Well.",), ("", "Hm.")])
def test_a_row_of_a_report_is_read_with_its_reasoning(reasoning: tuple[str, ...]) -> None:
    answers = ("one", "two") if len(reasoning) == 2 else ("one",)
    row = replace(result(responses=answers), reasoning=reasoning)

    assert read_result(result_to_json(row), "results.jsonl", 1) == row


def test_only_a_haystack_has_its_cell_in_the_row() -> None:
    assert "haystack" not in result_to_json(result())
    row = result_to_json(result(cell=HaystackCell(512, 0.5)))
    assert row["haystack"] == {"length": 512, "depth": 0.5}


def test_rows_of_earlier_versions_say_the_cell_in_their_id() -> None:
    """Results that were stored before rows had a cell keep their place on the heat map."""
    spec = HaystackSpec.model_validate({"id": "n", "lengths": (64, 128), "depths": (0, 0.125, 1)})
    for haystack in expand(spec):
        found = result_from_json(result_to_json(result(haystack.id)))
        assert found.cell == HaystackCell(haystack.length, haystack.depth)
    assert result_from_json(result_to_json(result("inv-01"))).cell is None


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        (Signature(), ""),
        (Signature("e"), "e"),
        (Signature("e", "s"), "e-s"),
        (Signature("e", "s", ("j",)), "e-s-j"),
        (Signature("e", "s", ("j", "constrained")), "e-s-j-constrained"),
    ],
)
def test_a_signature_is_published_as_its_parts_with_dashes(signature: Signature, text: str) -> None:
    assert signature_to_json(signature) == text
    assert signature_from_json(text) == signature
