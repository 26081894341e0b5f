"""The decision: verdicts, reasons and warnings of hand-made results."""

from __future__ import annotations

import pytest

from harness.gate import Verdict, decide
from harness.gate_settings import GateSettings
from tests.gate.hand_made import ROLES, demand, judged, table, verdict_of

# worse, better, n, settings, verdict: counts small enough to check by hand
GOLDEN = [
    (0, 0, 60, {}, Verdict.PASS),
    (3, 0, 60, {}, Verdict.PASS),  # mid-p of 3:0 is 1/16
    (4, 0, 60, {}, Verdict.REGRESSED),  # mid-p of 4:0 is 1/32
    (7, 1, 60, {}, Verdict.REGRESSED),  # 5/256
    (6, 1, 60, {}, Verdict.REGRESSED),  # (1 + 7/2) / 128 = 0.035
    (5, 1, 60, {}, Verdict.PASS),  # (1 + 6/2) / 64 = 0.0625
    (1, 7, 60, {}, Verdict.PASS),
    (7, 1, 60, {"max_drop": 0.1}, Verdict.PASS),  # a drop of exactly 6 in 60
    (7, 1, 60, {"max_drop": 0.09}, Verdict.REGRESSED),
    (7, 1, 60, {"alpha": 0.01}, Verdict.PASS),
    (6, 0, 60, {"min_pass_rate": 0.9}, Verdict.REGRESSED),
    (3, 0, 60, {"min_pass_rate": 0.96}, Verdict.BELOW_THRESHOLD),
    (3, 0, 60, {"min_pass_rate": 0.95}, Verdict.PASS),
    (0, 0, 60, {"policy": "non_inferiority", "max_drop": 0.03}, Verdict.PASS),
    (0, 0, 50, {"policy": "non_inferiority", "max_drop": 0.03}, Verdict.INCONCLUSIVE),
    (2, 0, 60, {"policy": "non_inferiority", "max_drop": 0.03}, Verdict.INCONCLUSIVE),
    (8, 0, 60, {"policy": "non_inferiority", "max_drop": 0.03}, Verdict.REGRESSED),
]


@pytest.mark.parametrize(("worse", "better", "n", "settings", "verdict"), GOLDEN)
def test_the_verdict_on_a_paired_table(
    worse: int, better: int, n: int, settings: dict[str, object], verdict: Verdict
) -> None:
    row = judged(table(worse, better, n), GateSettings.model_validate(settings), n=n)

    assert row.verdict is verdict


def test_the_sentence_of_a_regression_says_how_sure_it_is() -> None:
    results = [
        row
        for number in range(6)
        for row in table(7 if number == 0 else 0, 1 if number == 0 else 0, 60, f"s{number}")
    ]
    demands = [demand(60, suite=f"s{number}") for number in range(6)]

    row = verdict_of(decide(results, demands, ROLES, "base"), "s0")

    assert row.reasons[0] == (
        "7 cases got worse, 1 got better; equal models give a result this lopsided in 2.0 % of "
        "runs, 11.7 % after Holm over six suites"
    )
    assert row.verdict is Verdict.PASS
