"""Preferences in the gate: counts, the test, Holm's family, and what breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.common import GateSettings
from harness.gate import collect, judge_ledger
from harness.gate.preference import count_preferences
from harness.gate.statistics import mcnemar_mid_p
from harness.results import PairJudgement, SuiteInfo, Verdict
from tests.gate.hand_made import ROLES, table, verdict_of

SIGN = {"W": 1, "L": -1, "T": 0, "E": None}


def pairs(outcomes: Sequence[str], clusters: int = 0) -> list[PairJudgement]:
    """One text per case with a letter per repeat: won, lost, tied, error."""
    return [
        PairJudgement(
            suite="s",
            case=f"c{number:03d}",
            variant="new",
            repeat=repeat,
            cluster=f"k{number // clusters}" if clusters else None,
            value=SIGN[letter],
            error="unreadable" if letter == "E" else "",
        )
        for number, letters in enumerate(outcomes)
        for repeat, letter in enumerate(letters)
    ]


def suite(n: int, name: str = "s", **gate: object) -> SuiteInfo:
    settings = GateSettings.model_validate(gate)
    return SuiteInfo(name, "tone", "", "", settings, n, n, prefer="warmer")


@pytest.mark.parametrize(("wins", "ties", "losses"), [(0, 3, 9), (2, 5, 9), (9, 0, 2), (0, 4, 0)])
def test_single_pairs_take_the_mid_p_sign_test(wins: int, ties: int, losses: int) -> None:
    seen = count_preferences(pairs("W" * wins + "T" * ties + "L" * losses), "base")

    assert (seen.wins, seen.ties, seen.losses) == (wins, ties, losses)
    assert (seen.p, seen.method) == (mcnemar_mid_p(losses, wins), "sign test, mid-p")
    assert seen.share == pytest.approx((wins + ties / 2) / (wins + ties + losses))
    assert seen.share is not None and seen.low <= seen.share <= seen.high


def test_repeats_that_agree_are_as_good_as_one() -> None:
    once = count_preferences(pairs("LLLLLWTT"), "base")
    thrice = count_preferences(pairs([letter * 3 for letter in "LLLLLWTT"]), "base")

    assert (thrice.p, thrice.share, thrice.ci) == (once.p, once.share, once.ci)
    assert (thrice.pairs, thrice.cases) == (24, 8)


def test_repeats_that_disagree_are_averaged_and_flipped_by_case() -> None:
    seen = count_preferences(pairs(["LLT"] * 5), "base")
    assert seen.method == "sign-flip permutation"
    assert seen.p == pytest.approx(2**-5)


def test_clusters_are_flipped_whole_and_widen_the_interval() -> None:
    apart, together = (count_preferences(pairs("L" * 10 + "W" * 10, n), "base") for n in (0, 5))
    lost = count_preferences(pairs("L" * 20, 5), "base")

    assert lost.clusters == 4
    assert lost.p == pytest.approx(2**-4)
    assert together.high - together.low > apart.high - apart.low


def test_a_case_with_a_broken_pair_leaves_the_test() -> None:
    seen = count_preferences(pairs(["LL", "LE", "TT"]), "base")
    assert (seen.cases, seen.losses, seen.errors, seen.failed) == (2, 2, 1, ("c001",))


def test_losses_regress_the_suite_after_holm_over_both_tests() -> None:
    ledger = collect(table(0, 0, 8))
    report = judge_ledger(ledger, [suite(8)], ROLES, "base", judgements=pairs("L" * 8))
    row = verdict_of(report)

    assert row.preference is not None and row.comparison is not None
    assert (row.preference.verdict, row.verdict) == (Verdict.REGRESSED, Verdict.REGRESSED)
    assert (row.preference.family, row.comparison.family) == (2, 2)
    assert row.preference.p_adjusted == pytest.approx(2 * row.preference.p)
    assert row.reasons[0].startswith("the judge preferred base in 8 pairs and the candidate in 0")
    assert (row.rate.pass_rate, row.got_worse) == (1.0, row.preference.lost)
    assert report.verdict is Verdict.REGRESSED


def test_a_loss_is_told_with_one_example_and_what_the_judge_said() -> None:
    said = [replace(one, why="It is curt.") for one in pairs("TLLLLLLL")]
    report = judge_ledger(collect(table(0, 0, 8)), [suite(8)], ROLES, "base", judgements=said)

    reason = verdict_of(report).reasons[0]
    assert reason.startswith("the judge preferred base in 7 pairs and the candidate in 0, 1 was ")
    assert "tied; for example c001: It is curt; equal models lose so often in " in reason


def test_a_test_of_answers_costs_the_suite_what_holm_says() -> None:
    """Six losses without a gain: p 2^-7. Four: 2^-5, too much in a family of two."""
    for worse, verdict in ((6, Verdict.REGRESSED), (4, Verdict.PASS)):
        ledger = collect(table(worse, 0, 8))
        report = judge_ledger(ledger, [suite(8)], ROLES, "base", judgements=pairs("T" * 8))
        assert verdict_of(report).verdict is verdict


def test_nothing_judged_is_an_error_and_no_pass() -> None:
    report = judge_ledger(collect(table(0, 0, 8)), [suite(8)], ROLES, "base", judgements=[])
    row = verdict_of(report)
    assert row.verdict is Verdict.ERROR
    assert "no pair of answers could be judged" in row.reasons


@pytest.mark.parametrize(("allowed", "verdict"), [(0, Verdict.ERROR), (1, Verdict.PASS)])
def test_errors_beyond_max_errors_are_an_error(allowed: int, verdict: Verdict) -> None:
    report = judge_ledger(
        collect(table(0, 0, 8)),
        [suite(8, max_errors=allowed)],
        ROLES,
        "base",
        judgements=pairs("TTTTTTTE"),
    )
    assert verdict_of(report).verdict is verdict


def test_a_look_leaves_room_for_comparisons_that_are_still_to_come() -> None:
    report = judge_ledger(collect(table(6, 0, 8)), [suite(8)], ROLES, "base")
    row = verdict_of(report)
    assert row.preference is None and row.comparison is not None
    assert row.comparison.family == 2


def test_a_run_that_may_stop_early_takes_a_test_that_allows_that() -> None:
    final = count_preferences(pairs("L" * 12), "base")
    early = count_preferences(pairs("L" * 12), "base", sequential=True)
    assert early.method.startswith("e-value") and early.p > final.p
