"""Slices: what each tag shows, where losses gather, and what a declared slice decides."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

import pytest
from scipy.stats import hypergeom

from harness.common import GateSettings, VariantRole
from harness.gate import InterimGate, decide
from harness.gate.statistics import holm, mcnemar_mid_p
from harness.results import Result, Slice, SuiteResult, Verdict
from tests.gate.hand_made import ROLES, demand, judged, result, verdict_of


def tagged(outcomes: Mapping[str, str], suite: str = "s") -> Iterator[Result]:
    """One text per tag, with two letters per case: the baseline's outcome and the candidate's.

    Tags that stand together, `fr+short`, belong to the same cases.
    """
    number = 0
    for tags, text in outcomes.items():
        for pair in text.split():
            for variant, letter in zip(("base", "new"), pair, strict=True):
                yield result(
                    f"{suite}{number:03d}",
                    variant,
                    letter,
                    suite=suite,
                    tags=tuple(tags.split("+")),
                    reason="found en, wanted fr" if letter == "F" else "",
                )
            number += 1


def cases(worse: int, better: int, same: int) -> str:
    return " ".join(["PF"] * worse + ["FP"] * better + ["PP"] * same)


def of(row: SuiteResult, tag: str) -> Slice:
    (found,) = (each for each in row.slices if each.tag == tag)
    return found


def test_every_tag_is_a_slice_and_exploratory() -> None:
    row = judged(tagged({"fr": cases(2, 0, 8), "de+short": cases(0, 1, 9)}), n=20)

    fr, de = of(row, "fr"), of(row, "de")
    assert str(fr.shift) == "10 of 10 → 8 of 10"
    assert fr.delta == pytest.approx(-0.2)
    assert (fr.rate.passed, fr.rate.n) == (8, 10)
    assert (len(fr.worse), len(fr.better), len(de.better)) == (2, 0, 1)
    assert fr.ci is not None and fr.ci[0] < -0.2 < fr.ci[1]
    assert (fr.declared, fr.verdict, fr.comparison) == (False, None, None)
    assert [each.tag for each in row.slices] == ["fr", "de", "short"]  # what lost most is first
    assert row.tags == 3
    assert replace(of(row, "short"), tag="de") == de


def test_the_slice_that_drives_a_regression_is_named() -> None:
    row = judged(tagged({"fr": cases(8, 0, 0), "de": cases(1, 0, 30), "en": cases(0, 0, 30)}), n=69)

    assert row.verdict is Verdict.REGRESSED
    assert row.reasons[:2] == (
        "69 of 69 → 60 of 69 cases pass; for example s000: found en, wanted fr",
        "8 of the 9 losses are in slice fr (8 of 8 → 0 of 8), more than chance puts there "
        "(exploratory)",
    )
    assert [each.tag for each in row.slices if each.drives] == ["fr"]


def test_gathering_is_the_hypergeometric_tail_after_holm_over_the_tags() -> None:
    row = judged(tagged({"a": cases(4, 0, 6), "b": cases(2, 0, 18), "c": cases(0, 0, 20)}), n=50)

    raw = [
        float(hypergeom.sf(losses - 1, 50, 6, size)) for losses, size in ((4, 10), (2, 20), (0, 20))
    ]
    found = [of(row, tag).gathers for tag in "abc"]
    assert found == [pytest.approx(p) for p in holm(raw)]


@pytest.mark.parametrize(
    "outcomes",
    [
        {"fr": cases(4, 0, 0), "de": cases(0, 0, 90)},  # four losses are no pattern
        {"fr": cases(30, 0, 0)},  # the slice is the whole suite
        {"fr": cases(10, 0, 30), "de": cases(10, 0, 30)},  # spread as the cases are
    ],
)
def test_no_slice_is_named_without_a_pattern(outcomes: dict[str, str]) -> None:
    row = judged(tagged(outcomes), n=sum(len(text.split()) for text in outcomes.values()))

    assert not any(each.drives for each in row.slices)
    assert not any("losses are in slice" in reason for reason in row.reasons)


def test_losses_of_one_cluster_are_one_loss() -> None:
    """All of its ten cases fell, and they are one piece of evidence: no pattern."""
    results = [
        result(
            f"c{i:02d}",
            name,
            "F" if name == "new" and i < 10 else "P",
            cluster=f"k{i // 10}",
            tags=("fr" if i < 10 else "de",),
        )
        for i in range(60)
        for name in ("base", "new")
    ]

    row = judged(iter(results), n=60)

    assert [each.gathers for each in row.slices] == [None, None]


def test_with_equal_models_a_slice_is_seldom_named() -> None:
    """Losses fall where they fall: with six tags at most 5 % of regressions name one."""
    rng, named, runs = random.Random(3), 0, 60
    for _ in range(runs):
        outcomes = {f"t{tag}": "" for tag in range(6)}
        for tag in outcomes:
            outcomes[tag] = " ".join("PF" if rng.random() < 0.15 else "PP" for _ in range(20))
        row = judged(tagged(outcomes), n=120)
        named += any(each.drives for each in row.slices)
    assert named / runs <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


SLICED = GateSettings(slices=("fr", "de"))


def test_a_declared_slice_shares_the_error_budget_and_its_verdict_counts() -> None:
    """Six losses in 200 cases pass; the same six in a slice of eight do not."""
    outcomes = {"fr": cases(6, 0, 2), "de": cases(0, 3, 89), "en": cases(0, 3, 97)}
    free = judged(tagged(outcomes), n=200)
    row = judged(tagged(outcomes), SLICED, n=200)

    assert free.verdict is Verdict.PASS
    assert row.verdict is Verdict.REGRESSED
    fr, de = of(row, "fr"), of(row, "de")
    assert (fr.verdict, de.verdict) == (Verdict.REGRESSED, Verdict.PASS)
    raw = [mcnemar_mid_p(6, 6), mcnemar_mid_p(6, 0), mcnemar_mid_p(0, 3)]
    seen = [each.comparison for each in (row, fr, de)]
    assert [one and one.p for one in seen] == [pytest.approx(p) for p in raw]
    assert [one and one.p_adjusted for one in seen] == [pytest.approx(p) for p in holm(raw)]
    assert row.reasons[0] == (
        "slice fr: 8 of 8 → 2 of 8 cases pass; for example s000: found en, wanted fr; 6 cases got "
        "worse, 0 got better; equal models give a result this lopsided in 0.8 % of runs, 2.3 % "
        "after Holm over three tests"
    )
    assert row.got_worse[:6] == fr.worse
    assert row.against == 1


def test_a_declared_slice_of_one_suite_widens_the_family_of_all() -> None:
    results = chain(tagged({"fr": cases(4, 0, 16)}), tagged({"x": cases(4, 0, 16)}, "t"))
    demands = [demand(20, GateSettings(slices=("fr",))), demand(20, suite="t")]

    report = decide(results, demands, ROLES, "base")

    for suite in ("s", "t"):
        seen = verdict_of(report, suite).comparison
        assert seen is not None
        assert (seen.family, seen.beside) == (3, 1)


def test_a_declared_slice_has_the_margin_of_its_suite() -> None:
    outcomes = {"fr": cases(6, 0, 54), "en": cases(0, 0, 140)}

    strict = judged(tagged(outcomes), GateSettings(slices=("fr",)), n=200)
    easy = judged(tagged(outcomes), GateSettings(slices=("fr",), max_drop=0.1), n=200)

    assert of(strict, "fr").verdict is Verdict.REGRESSED
    assert of(easy, "fr").verdict is Verdict.PASS


def test_a_tiny_slice_says_that_it_sees_nothing() -> None:
    row = judged(tagged({"fr": cases(2, 0, 0), "de": cases(0, 0, 40)}), SLICED, n=42)

    assert of(row, "fr").sees is None
    assert of(row, "fr").verdict is Verdict.PASS
    assert (
        "slice fr: 2 of 2 → 0 of 2 cases pass; 2 pairs are too few to see a drop of any size"
        in row.reasons
    )
    assert of(row, "de").sees is not None


def test_a_declared_slice_that_nobody_could_compare_is_open() -> None:
    known = tagged({"de": cases(0, 0, 40)})
    added = [result(f"new{n}", "new", tags=("fr",)) for n in range(8)]

    row = judged(chain(known, added), SLICED, n=48)

    assert (row.verdict, of(row, "fr").verdict) == (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)
    assert row.reasons[0] == "slice fr: no case of it could be compared with base"


def test_without_a_baseline_slices_have_rates_and_a_warning_says_that_nothing_was_tested() -> None:
    alone = [each for each in tagged({"fr": cases(1, 0, 3), "de": ""}) if each.variant == "new"]
    demands = [demand(4, GateSettings(slices=("fr",), min_pass_rate=0.5))]

    row = verdict_of(decide(alone, demands, {"new": VariantRole.CANDIDATE}, None))

    fr = of(row, "fr")
    assert (fr.rate.passed, fr.rate.n, fr.shift, fr.verdict) == (3, 4, None, None)
    assert row.verdict is Verdict.PASS
    assert "slices were not tested: there is no baseline to compare with" in row.warnings


def test_a_reference_and_part_of_a_suite_have_slices_and_no_verdict_on_them() -> None:
    results = list(tagged({"fr": cases(8, 0, 0), "de": cases(0, 0, 30)}))
    roles = {**ROLES, "new": VariantRole.REFERENCE}

    other = verdict_of(decide(results, [demand(38, SLICED)], roles, "base"))
    part = verdict_of(decide(results, [demand(90, SLICED, selected=38)], ROLES, "base"))

    for row in (other, part):
        assert [each.verdict for each in row.slices] == [None, None]
        assert str(of(row, "fr").shift) == "8 of 8 → 0 of 8"


def test_a_baseline_of_a_file_without_tags_takes_those_of_the_candidate() -> None:
    results = [
        result(each.case, each.variant, "P" if each.outcome.value == "pass" else "F")
        if each.variant == "base"
        else each
        for each in tagged({"fr": cases(3, 0, 3)})
    ]

    assert str(of(judged(iter(results), n=6), "fr").shift) == "6 of 6 → 3 of 6"


def test_of_many_tags_the_most_frequent_are_kept_and_all_are_counted() -> None:
    outcomes = {f"often+once{n}": "PP" for n in range(300)}

    row = judged(tagged(outcomes), GateSettings(slices=("once299",)), n=300)

    assert (len(row.slices), row.tags) == (100, 301)
    assert row.slices[0].tag == "once299"
    assert of(row, "often").rate.n == 300


def test_early_stop_looks_at_declared_slices_as_the_whole_gate_does() -> None:
    outcomes = {"fr": cases(40, 0, 0), "de": cases(0, 20, 20), "en": cases(0, 20, 40)}
    results = list(tagged(outcomes))
    random.Random(1).shuffle(results)
    demands = [demand(140, SLICED)]

    stopped = InterimGate(demands, ROLES, "base").look(results, {"s": 140})
    whole = verdict_of(decide(results, demands, ROLES, "base", sequential=True))
    free = InterimGate([demand(140)], ROLES, "base").look(results, {"s": 140})

    assert (stopped, free) == (frozenset({"s"}), frozenset())
    assert (whole.verdict, of(whole, "fr").verdict) == (Verdict.REGRESSED, Verdict.REGRESSED)
