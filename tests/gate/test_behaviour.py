"""Length, time and cost of answers: Fieller's bounds, the rules of a pair, bars and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.common import GateSettings, Prices
from harness.gate import collect, judge_ledger
from harness.gate.statistics import ratio_bounds, t_quantile
from harness.results import Behaviour, Growth, Measure, Result, SuiteResult, Verdict
from tests.gate.hand_made import ROLES, demand, result, verdict_of

LENGTHS = st.lists(
    st.tuples(st.integers(1, 400), st.integers(0, 400)), min_size=5, max_size=40
).map(lambda rows: (np.array([a for a, _ in rows], float), np.array([b for _, b in rows], float)))


# -- the statistics --------------------------------------------------------------------------------


@given(LENGTHS, st.floats(0.0, 3.0))
def test_a_bound_is_what_a_t_test_does_not_reject(
    sums: tuple[np.ndarray, np.ndarray], bar: float
) -> None:
    """The lower bound of growth is above a bar just where after − (1 + bar) · before is shown."""
    before, after = sums
    found = ratio_bounds(before, after, t_quantile(0.95, before.size - 1))
    if found is None:
        return
    difference = after - (1 + bar) * before
    if np.ptp(difference) < 1e-9 or abs(found[0] - 1 - bar) < 1e-9:
        return  # no spread, or at the very bar
    p = stats.ttest_1samp(difference, 0.0, alternative="greater").pvalue
    assert (found[0] - 1 > bar) == (p < 0.05)


@given(LENGTHS, st.floats(0.01, 100.0))
def test_bounds_hold_the_ratio_and_know_no_unit(
    sums: tuple[np.ndarray, np.ndarray], scale: float
) -> None:
    before, after = sums
    wide, narrow = (
        ratio_bounds(before, after, t_quantile(q, before.size - 1)) for q in (0.975, 0.9)
    )
    if wide is None:
        return
    assert narrow is not None
    ratio = after.mean() / before.mean()
    low, high = wide
    assert low <= narrow[0] <= ratio + 1e-9 and ratio - 1e-9 <= narrow[1] <= high
    assert ratio_bounds(before * scale, after * scale, t_quantile(0.975, before.size - 1)) == (
        pytest.approx((low, high), rel=1e-6, abs=1e-6)
    )


def test_no_end_is_known_where_the_mean_might_be_zero() -> None:
    before = np.array([0.0, 0.0, 0.0, 0.0, 9.0])
    assert ratio_bounds(before, before, t_quantile(0.975, 4)) is None


# -- answers as the gate sees them -----------------------------------------------------------------


def said(
    variant: str,
    lengths: Sequence[int],
    *,
    seconds: float = 0.0,
    machine: str = "",
    clusters: int = 0,
    **changes: object,
) -> Iterator[Result]:
    """Answers of so many tokens, each of four characters; so many seconds a token."""
    for number, tokens in enumerate(lengths):
        row = result(
            f"c{number:03d}", variant, cluster=f"k{number // clusters}" if clusters else None
        )
        yield replace(
            row,
            responses=("text" * tokens,),
            prompt_tokens=10,
            completion_tokens=tokens,
            seconds=seconds * tokens,
            first_token=seconds if machine else None,
            machine=machine,
            **changes,  # type: ignore[arg-type]  # fields of mixed types
        )


def judged(
    base: Iterator[Result], new: Iterator[Result], n: int = 12, **bars: object
) -> SuiteResult:
    """The row of the candidate."""
    suite = demand(n, GateSettings.model_validate(bars))
    return verdict_of(judge_ledger(collect([*base, *new]), [suite], ROLES, "base"))


def growth(row: SuiteResult, measure: Measure) -> Growth:
    """The growth of one measure, which is there."""
    found = row.measured(measure)
    assert found is not None and found.growth is not None
    return found.growth


TWELVE = [40, 44, 52, 38, 61, 47, 55, 43, 39, 50, 58, 46]
LONGER = [round(1.5 * n) + place % 3 for place, n in enumerate(TWELVE)]


def test_longer_answers_are_told_with_their_interval() -> None:
    row = judged(said("base", TWELVE), said("new", LONGER))
    seen = growth(row, Measure.TOKENS)

    assert (seen.pairs, seen.clusters, seen.reason) == (12, 12, "")
    assert seen.growth == pytest.approx(sum(LONGER) / sum(TWELVE) - 1)
    assert seen.low is not None and seen.high is not None and seen.growth is not None
    assert seen.low < seen.growth < seen.high
    assert growth(row, Measure.CHARACTERS).growth == pytest.approx(seen.growth)
    assert row.verdict is Verdict.PASS  # no bar
    (warning,) = row.warnings
    assert warning.startswith(
        "answers are longer than base's: 72.5 tokens in the mean, 47.8 tokens"
    )


def test_a_small_or_an_unsure_drift_is_no_warning() -> None:
    slightly = judged(said("base", TWELVE), said("new", [n + 5 for n in TWELVE]))
    unsure = judged(said("base", TWELVE), said("new", [*TWELVE[:11], 400]))
    assert slightly.warnings == unsure.warnings == ()


def test_shorter_answers_are_told_too() -> None:
    row = judged(said("base", LONGER), said("new", TWELVE))
    assert "answers are shorter than base's" in row.warnings[0]


@pytest.mark.parametrize(("bar", "verdict"), [(0.3, Verdict.BELOW_THRESHOLD), (0.6, Verdict.PASS)])
def test_a_bar_on_length_is_held_by_the_lower_bound(bar: float, verdict: Verdict) -> None:
    row = judged(said("base", TWELVE), said("new", LONGER), max_length_growth=bar)
    assert row.verdict is verdict
    assert row.outgrown is (verdict is Verdict.BELOW_THRESHOLD)
    told = next(reason for reason in row.reasons if "max_length_growth" in reason)
    assert f"+{bar:.0%}".replace("%", " %") in told and "bound +5" in told
    assert (row.reasons[0] == told) is row.outgrown
    assert row.comparison is not None and row.comparison.family == 1  # outside of Holm


def test_a_bar_that_nobody_can_judge_is_inconclusive_with_the_reason() -> None:
    four = judged(said("base", TWELVE[:4]), said("new", LONGER[:4]), 4, max_length_growth=0.1)
    few = judged(
        said("base", TWELVE, clusters=3), said("new", LONGER, clusters=3), max_length_growth=0.1
    )
    timeless = judged(said("base", TWELVE), said("new", LONGER), max_latency_growth=0.1)

    assert [row.verdict for row in (four, few, timeless)] == [Verdict.INCONCLUSIVE] * 3
    assert (
        four.reasons[0]
        == few.reasons[0]
        == ("max_length_growth could not be judged: 4 independent cases, at least 5 are needed")
    )
    assert timeless.reasons[0].startswith("max_latency_growth could not be judged: base: no times")
    assert growth(four, Measure.TOKENS).growth is None


def test_without_a_baseline_a_bar_is_said_to_be_untested() -> None:
    suite = demand(12, GateSettings(max_length_growth=0.1, min_pass_rate=0.5))
    ledger = collect(said("new", TWELVE))
    row = verdict_of(judge_ledger(ledger, [suite], {"new": ROLES["new"]}, None))
    assert row.verdict is Verdict.PASS
    assert row.warnings == (
        "max_length_growth was not tested: there is no baseline to compare with",
    )


def test_times_are_compared_on_one_machine_alone() -> None:
    here, there = "a" * 12, "b" * 12
    same = judged(
        said("base", TWELVE, seconds=0.1, machine=here),
        said("new", TWELVE, seconds=0.15, machine=here),
        max_latency_growth=0.2,
    )
    other = judged(
        said("base", TWELVE, seconds=0.1, machine=there),
        said("new", TWELVE, seconds=0.15, machine=here),
        max_latency_growth=0.2,
    )

    assert same.verdict is Verdict.BELOW_THRESHOLD
    assert growth(same, Measure.SECONDS).growth == pytest.approx(0.5)
    assert growth(same, Measure.FIRST_TOKEN).growth == pytest.approx(0.5)
    assert growth(same, Measure.TOKENS_PER_SECOND).growth == pytest.approx(-1 / 3)
    assert other.verdict is Verdict.INCONCLUSIVE
    assert "another machine or engine" in growth(other, Measure.SECONDS).reason
    own = other.measured(Measure.SECONDS)
    assert own is not None and own.mean == pytest.approx(0.15 * sum(TWELVE) / 12)


def test_a_mean_over_several_machines_is_none() -> None:
    rows = [*said("new", TWELVE, seconds=0.1, machine="a" * 12)]
    rows[0] = replace(rows[0], machine="b" * 12)
    row = judged(said("base", TWELVE, seconds=0.1, machine="a" * 12), iter(rows))
    found = row.measured(Measure.SECONDS)
    assert found is not None and found.mean is None and "several machines" in found.reason
    assert growth(row, Measure.SECONDS).pairs == 11


def test_estimates_are_no_counts_and_characters_stand_in_for_them() -> None:
    row = judged(said("base", TWELVE, counted=False), said("new", LONGER), max_length_growth=0.3)
    seen = growth(row, Measure.TOKENS)
    assert (seen.pairs, seen.reason) == (0, "base: the engine counted no tokens")
    assert row.verdict is Verdict.BELOW_THRESHOLD
    assert "characters in the mean" in row.reasons[0]


def test_repeats_are_averaged_and_never_units() -> None:
    once = judged(said("base", TWELVE), said("new", LONGER))

    def thrice(rows: Iterator[Result]) -> Iterator[Result]:
        for row in rows:
            yield from (replace(row, repeat=repeat) for repeat in range(3))

    more = judged(thrice(said("base", TWELVE)), thrice(said("new", LONGER)))
    assert growth(more, Measure.TOKENS) == growth(once, Measure.TOKENS)


def test_cost_is_that_of_a_thousand_cases_at_each_side_its_own_prices() -> None:
    prices = {"base": Prices(input=1.0, output=4.0), "new": Prices(input=2.0, output=8.0)}
    ledger = collect([*said("base", TWELVE), *said("new", TWELVE)])
    report = judge_ledger(ledger, [demand(12)], ROLES, "base", prices=prices)
    found = verdict_of(report).measured(Measure.COST)
    assert found is not None and found.growth is not None and found.mean is not None
    assert found.mean == pytest.approx(1000 * (10 * 2 + sum(TWELVE) / 12 * 8) / 1e6)
    assert found.amount(found.mean) == "0.402 USD"
    assert found.growth.growth == pytest.approx(1.0)
    free = judge_ledger(ledger, [demand(12)], ROLES, "base")
    assert verdict_of(free).measured(Measure.COST) is None


def test_errors_and_skips_are_in_no_figure() -> None:
    rows = [*said("new", TWELVE)]
    broken = result("c000", "new", "E")
    row = judged(said("base", TWELVE), iter([broken, *rows[1:]]), max_errors=1)
    found = row.measured(Measure.TOKENS)
    assert found is not None and found.n == 11 and growth(row, Measure.TOKENS).pairs == 11


def test_nothing_to_divide_by_is_said() -> None:
    row = judged(said("base", [0] * 12), said("new", TWELVE))
    assert growth(row, Measure.TOKENS).reason == "base has none: there is no ratio to nothing"


@pytest.mark.parametrize(
    ("value", "text"), [(112.4, "112 s"), (0.0123, "0.0123 s"), (12345.0, "12,345 s"), (None, "–")]
)
def test_amounts_have_three_figures_and_a_unit(value: float | None, text: str) -> None:
    assert Behaviour(Measure.SECONDS, 1, value, "s").amount(value) == text
    assert Behaviour(Measure.TOKENS, 1, 1.0, "tokens").amount(1.0) == "1 token"
