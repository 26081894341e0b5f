"""Which words and cases the page puts first."""

from dataclasses import replace

import pytest

from harness.common import VariantRole
from harness.reports import Scorecard, build_scorecard
from harness.reports.html.view import PageView, Spotlight, page_view
from harness.results import GateReport, Outcome, SuiteResult, Verdict
from tests.reports.samples import against_base, info, rate, result, row, small, suite, variant


def view(*rows: SuiteResult, spotlight: Spotlight | None = None) -> PageView:
    """The page of a run of the suite `invoices`, with one candidate per row."""
    variants = (variant("base"), *(variant(each.variant) for each in rows))
    made = info(suites=(suite("invoices", 40),), variants=variants)
    return page_view(build_scorecard(made, GateReport(rows, None)), spotlight or Spotlight())


def judged(name: str, verdict: Verdict | None, *worse: str) -> SuiteResult:
    """A candidate's row."""
    against = against_base(40, -0.1, -0.2, 0.0, 0.01, 0.01, worse, ())
    return row("invoices", name, rate(30, 40, 0.6, 0.86), verdict, ("a reason",), against)


HEADLINES = [
    ((), ("Nothing was gated",)),
    ((Verdict.PASS,), ("Deploy repaired",)),
    ((Verdict.REGRESSED,), ("Do not deploy repaired",)),
    ((Verdict.INCONCLUSIVE,), ("No decision on repaired",)),
    ((Verdict.ERROR,), ("The run broke, no decision on repaired",)),
    ((None,), ("No decision on repaired",)),
    (
        (Verdict.PASS, Verdict.BELOW_THRESHOLD),
        ("repaired may replace base", "forgetful must not"),
    ),
    ((Verdict.REGRESSED,) * 2, ("repaired and forgetful must not replace base",)),
    ((Verdict.PASS, Verdict.ERROR), ("repaired may replace base", "no decision on forgetful")),
]


@pytest.mark.parametrize(("verdicts", "headline"), HEADLINES)
def test_the_headline_is_the_decision(
    verdicts: tuple[Verdict | None, ...], headline: tuple[str, ...]
) -> None:
    rows = [
        judged(name, verdict)
        for name, verdict in zip(("repaired", "forgetful"), verdicts, strict=False)
    ]
    assert view(*rows).headline == headline


def test_a_gain_is_in_the_headline() -> None:
    gained = against_base(40, 0.4, 0.3, 0.5, 1.0, 1.0, (), ("up-1",))
    seen = view(replace(judged("repaired", Verdict.PASS), comparison=gained))

    assert seen.headline == ("Deploy repaired", "better in invoices")


def seeing(name: str, *drops: float | None, policy: str = "") -> Scorecard:
    """A pass on a suite for each of the smallest drops that they see."""
    plain = judged(name, Verdict.PASS)
    assert plain.comparison is not None
    rows = [
        replace(
            plain,
            suite=f"s{number}",
            comparison=replace(plain.comparison, mde=drop, enough=100 * number + 143),
        )
        for number, drop in enumerate(drops)
    ]
    gate = {"policy": policy, "max_drop": 0.05} if policy else {}
    suites = [replace(suite("invoices", 40, gate=gate), name=each.suite) for each in rows]
    made = info(suites=tuple(suites), variants=(variant("base"), variant(name)))
    return build_scorecard(made, GateReport(tuple(rows), Verdict.PASS))


SIGHTS = [
    ((0.05, 0.1), ""),
    ((0.05, 0.11), "these suites can only see drops above 5 to 11 points"),
    ((0.93, 0.27), "these suites can only see drops above 27 to 93 points"),
    ((0.4, None), "these suites can only see drops above 40 points, and 1 of 2 none at all"),
    ((None, None), "these suites are too small to see a drop of any size"),
]


@pytest.mark.parametrize(("drops", "sight"), SIGHTS)
def test_a_pass_of_small_suites_says_what_they_cannot_see(
    drops: tuple[float | None, ...], sight: str
) -> None:
    card = seeing("repaired", *drops)
    (judged_card,) = card.candidates()
    found = page_view(card, Spotlight())

    assert judged_card.sight == sight
    if sight:
        assert found.headline == ("No loss found in repaired", sight)
        assert judged_card.summary == f"No loss was found in repaired, but {sight}."
        assert found.candidates[0].facts[1] == (
            "About 150 to 250 cases in a suite would find a drop of 5 points four times in five."
            if drops != (0.05, 0.11)
            else "About 250 cases in a suite would find a drop of 5 points four times in five."
        )
    else:
        assert found.headline == ("Deploy repaired",)


def test_what_non_inferiority_has_shown_is_shown() -> None:
    assert seeing("repaired", None, policy="non_inferiority").candidates()[0].sight == ""


def test_a_bar_that_few_cases_reach_is_reached_and_no_more() -> None:
    few = row("invoices", "base", rate(3, 3, 0.44, 1.0), Verdict.PASS)
    made = info(
        suites=(suite("invoices", 3, gate={"min_pass_rate": 0.9}),),
        variants=(replace(variant("base"), role=VariantRole.CANDIDATE),),
        baseline=None,
    )
    card = build_scorecard(made, GateReport((replace(few, role=VariantRole.CANDIDATE),), None))

    sight = "on so few cases a true pass rate may be as low as 44 %"
    assert page_view(card, Spotlight()).headline == ("Bars reached by base", sight)
    assert card.variants[0].summary == f"base reaches its bars, but {sight}."


def test_a_baseline_below_the_bar_is_said_before_an_adapter_is_blamed() -> None:
    row_ = replace(judged("repaired", Verdict.BELOW_THRESHOLD), baseline_below=True)
    (card,) = view(row_).candidates

    assert card.card.summary == (
        "repaired must not replace base: it is below the bar in invoices; base is below it too, "
        "so the suite, a check or the bar may be wrong."
    )


def test_suites_that_block_come_first() -> None:
    assert [each.suite.name for each in page_view(small(), Spotlight()).suites] == [
        "languages",
        "invoices",
    ]


def spotlight() -> Spotlight:
    """Failures, one of them required, and an error."""
    found = Spotlight()
    for number in range(5):
        found.see(result(f"fail-{number}", "repaired", outcome=Outcome.FAIL))
    found.see(result("must", "repaired", outcome=Outcome.FAIL, required=True))
    found.see(result("broke", "repaired", outcome=Outcome.ERROR))
    found.see(result("fine", "repaired"))
    return found


@pytest.mark.parametrize(
    ("verdict", "cases"),
    [
        (Verdict.REGRESSED, ["worse-1", "worse-2", "worse-3"]),
        (Verdict.BELOW_THRESHOLD, ["must", "fail-0", "fail-1"]),
        (Verdict.ERROR, ["broke", "must", "fail-0"]),
    ],
)
def test_three_cases_to_look_at_first(verdict: Verdict, cases: list[str]) -> None:
    names = [f"worse-{number}" for number in range(1, 6)]
    seen = view(judged("repaired", verdict, *names), spotlight=spotlight())
    links = seen.candidates[0].blocking[0].cases
    assert [link.case for link in links] == cases
    assert links[0].href == f"#case/invoices/{cases[0]}/repaired"


def test_a_terminal_names_the_cases_that_the_page_names() -> None:
    seen = view(
        judged("repaired", Verdict.BELOW_THRESHOLD),
        judged("forgetful", Verdict.PASS, "worse-1"),
        spotlight=spotlight(),
    )

    assert seen.named_first == {
        ("repaired", "invoices"): ("must", "fail-0", "fail-1"),
        ("forgetful", ""): ("worse-1",),
    }


def test_errors_of_the_baseline_are_to_look_at_too() -> None:
    found = spotlight()
    found.see(result("its-own", "base", outcome=Outcome.ERROR, reason="no  answer\nis recorded"))
    block = view(judged("repaired", Verdict.ERROR), spotlight=found).candidates[0].blocking[0]

    assert [link.case for link in block.cases] == ["broke", "its-own", "must"]
    only = Spotlight()
    only.see(result("its-own", "base", outcome=Outcome.ERROR, reason="no  answer\nis recorded"))
    block = view(judged("repaired", Verdict.ERROR), spotlight=only).candidates[0].blocking[0]
    assert [link.case for link in block.cases] == ["its-own"]
    assert block.broken == "no answer is recorded"


def test_an_open_verdict_shows_what_got_worse_first() -> None:
    seen = view(judged("repaired", Verdict.INCONCLUSIVE, "worse-1"), spotlight=spotlight())

    assert [link.case for link in seen.candidates[0].blocking[0].cases] == [
        "worse-1",
        "must",
        "fail-0",
    ]


def test_a_pass_has_cases_to_look_at_too() -> None:
    seen = view(judged("repaired", Verdict.PASS), spotlight=spotlight()).candidates[0]

    assert [link.case for link in seen.cases] == ["must", "fail-0", "fail-1"]


def test_of_a_pass_with_a_doubtful_gain_the_gains_are_to_look_at() -> None:
    gained = against_base(40, 0.4, 0.3, 0.5, 1.0, 1.0, (), ("up-1", "up-2"))
    plain = judged("repaired", Verdict.PASS)
    doubted = replace(plain, warnings=("a gain beyond belief",), comparison=gained)
    seen = view(doubted, spotlight=spotlight()).candidates[0]
    assert [link.case for link in seen.cases] == ["up-1", "up-2", "must"]


BLIND = (
    "invoices: too few cases to see a drop of any size: a pass says nothing about a loss there",
)


def unseeing(verdict: Verdict, method: str = "one-sided McNemar mid-p") -> SuiteResult:
    """A candidate's row of a suite that sees no drop at all."""
    plain = judged("repaired", verdict)
    assert plain.comparison is not None
    return replace(plain, comparison=replace(plain.comparison, mde=None, method=method))


def test_a_pass_of_a_suite_that_sees_nothing_is_warned_of() -> None:
    seen = view(unseeing(Verdict.PASS)).candidates[0]

    assert seen.warnings == BLIND
    assert seen.facts == ("0 cases got better, 0 got worse.",)
    assert view(judged("repaired", Verdict.PASS)).candidates[0].warnings == ()


def test_only_a_pass_that_shows_nothing_is_warned_of() -> None:
    early = unseeing(Verdict.PASS, method="e-value, valid whenever one stops")
    assert view(early).candidates[0].warnings == ()
    assert view(unseeing(Verdict.REGRESSED)).candidates[0].warnings == ()

    policy = {"policy": "non_inferiority", "max_drop": 0.05}
    made = info(
        suites=(suite("invoices", 40, gate=policy),),
        variants=(variant("base"), variant("repaired")),
    )
    card = build_scorecard(made, GateReport((unseeing(Verdict.PASS),), None))
    assert page_view(card, Spotlight()).candidates[0].warnings == ()


DEMANDS: list[tuple[dict[str, object], str]] = [
    ({}, "must not get worse"),
    ({"min_pass_rate": 0.9, "max_drop": 0.03}, "at least 90 % must pass; may lose up to 3 points"),
    ({"policy": "non_inferiority", "max_drop": 0.05}, "must be shown to lose less than 5 points"),
]


@pytest.mark.parametrize(("gate", "words"), DEMANDS)
def test_a_suites_bars_are_said_in_words(gate: dict[str, object], words: str) -> None:
    made = info(suites=(suite("invoices", 40, gate=gate),))
    card = build_scorecard(made, GateReport((), None))
    assert page_view(card, Spotlight()).suites[0].demands == words
