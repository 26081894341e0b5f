"""Without the guard's finding on today's cases nothing is promoted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.common import Message
from harness.suites import Suite, load_suite
from harness.training import TrainingRow
from harness.training.contamination import Guard
from harness.training.repair.loop import unguarded
from harness.training.repair.values import RoundReport, TrainingReport

ROW = TrainingRow((Message("user", "Say green."), Message("assistant", "green")), "p.jsonl:1")
UNSEEN = ["the contamination guard has not seen all of today's cases"]


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    case = "- {id: %s, user: Say %s., checks: [{contains: red}]}"
    lines = ["suite: s", "category: c", "cases:", case % ("a", "red"), case % ("b", "blue")]
    (tmp_path / "s.yaml").write_text("\n".join(lines))
    return load_suite(tmp_path / "s.yaml")


def judged(guard: Mapping[str, Any], suite: Suite) -> list[str]:
    made = RoundReport(1, (), 1, 0, {}, guard, TrainingReport(1, 1.0, 1), (), "out")
    return list(unguarded(made, (suite,)))


def test_a_guard_that_saw_every_case_lets_it_pass(suite: Suite) -> None:
    assert judged(Guard([suite]).check([ROW]).report.as_json(), suite) == []


def test_no_finding_at_all_is_a_reason_against_it(suite: Suite) -> None:
    assert judged({}, suite) == UNSEEN


def test_a_case_that_came_later_is_a_reason_against_it(suite: Suite) -> None:
    part = replace(suite, cases=suite.cases[:1])

    assert judged(Guard([part]).check([ROW]).report.as_json(), suite) == UNSEEN
