"""Rows of results.jsonl: what is published stays, and rows of earlier versions are read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.results import (
    HaystackCell,
    Signature,
    read_result,
    result_from_json,
    result_to_json,
    signature_from_json,
    signature_to_json,
)
from harness.suites import HaystackSpec
from harness.suites.haystack import expand
from tests.reports.samples import result


def test_a_result_comes_back_as_it_was() -> None:
    row = replace(
        result(), signature=Signature("e", "s", ("j", "t")), cell=HaystackCell(512, 0.125)
    )

    assert result_from_json(result_to_json(row)) == row


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
