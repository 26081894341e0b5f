"""Golden tables: each check on answers that people judged, true, false and unknown.

A row of `golden/*.yaml`: `check` as a suite has it, the answers that `passes`, those that `fails`,
those where it `unknown` (cannot tell); `why` names the rule or the bug elsewhere that it guards.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.scorers import Answer, Context, parse_check

_FOLDER = Path(__file__).parent / "golden"
_EXPECTED: dict[str, bool | None] = {"passes": True, "fails": False, "unknown": None}


def _rows() -> Iterator[Any]:
    for path in sorted(_FOLDER.glob("*.yaml")):
        for number, row in enumerate(yaml.safe_load(path.read_text("utf-8"))):
            for key, expected in _EXPECTED.items():
                for place, answer in enumerate(row.get(key, [])):
                    name = f"{path.stem}-{number}-{key}-{place}"
                    yield pytest.param(row, answer, expected, id=name)


@pytest.mark.parametrize(("row", "answer", "expected"), list(_rows()))
def test_check_judges_the_answer_as_people_do(
    row: dict[str, Any], answer: str, expected: bool | None
) -> None:
    finding = parse_check(row["check"])(Answer(answer), Context())

    assert finding.passed is expected, f"{row.get('why', '')}: {finding.reason}"
    assert 0 <= finding.score <= 1
    assert finding.reason


def test_rows_have_known_keys() -> None:
    """A misspelt key would silently test nothing."""
    for path in _FOLDER.glob("*.yaml"):
        for row in yaml.safe_load(path.read_text("utf-8")):
            assert set(row) <= {"check", "why", *_EXPECTED}, path
            assert set(row) & set(_EXPECTED), path
