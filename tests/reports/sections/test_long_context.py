"""The heat map of long texts."""

import pytest

from harness.reports import build_scorecard
from harness.reports.sections.long_context import LongContext
from harness.results import Outcome
from harness.suites import HaystackSpec
from harness.suites.haystack import expand
from tests.reports.samples import INJECTION, info, report, result, suite


def section() -> LongContext:
    """An empty section for a run of the suite `needles`."""
    return LongContext(build_scorecard(info(suites=(suite("needles", 12),)), report()))


def test_every_haystack_of_a_family_has_its_cell() -> None:
    family = {"id": "needle", "lengths": (512, 1024), "depths": (0, 0.5, 0.125), "seeds": 2}
    found = section()
    for haystack in expand(HaystackSpec.model_validate(family)):
        found.see(result(haystack.id, suite="needles"))
    assert found.markup().count("<strong>100 %</strong> <span>2/2</span>") == 6
    assert '<th scope="row">12.5 %</th>' in found.markup()
    assert '<th scope="col">1,024</th>' in found.markup()


def test_a_cell_counts_failures_and_errors_but_nothing_skipped() -> None:
    found = section()
    for repeat, outcome in enumerate(Outcome):
        case = "needle-512-d50-s1"
        found.see(result(case, suite="needles", repeat=repeat, outcome=outcome))
    assert '<td class="shade1"><strong>33 %</strong> <span>1/3</span></td>' in found.markup()


def test_a_length_without_a_case_at_that_depth_is_a_dash() -> None:
    found = section()
    for case in ("needle-512-d0-s1", "needle-1024-d50-s1"):
        found.see(result(case, suite="needles"))
    assert found.markup().count("<td>–</td>") == 2


def test_other_cases_leave_it_empty() -> None:
    found = section()
    found.see(result("inv-01"))
    assert not found.filled


def test_names_are_escaped() -> None:
    made = info(suites=(suite("needles", 1),))
    found = LongContext(build_scorecard(made, report()))
    found.scorecard = found.scorecard.model_copy(
        update={"variants": [found.scorecard.variants[0].model_copy(update={"name": INJECTION})]}
    )
    found.see(result("needle-512-d0-s1", INJECTION, suite="needles"))
    assert "<img" not in found.markup()
    assert "&lt;img" in found.markup()


LENGTHS = [
    ((10, 9, 2), "effective length 1,024</span>"),
    ((10, 8, 10), "effective length 512</span>"),
    ((8, 10, 10), "effective length below 512</span>"),
    ((10, 9, 9), "effective length 2,048 or more</span>"),
    ((10, 10, None), "effective length 1,024, longer ones were skipped</span>"),
    ((None, None, None), "effective length unknown</span>"),
]


@pytest.mark.parametrize(("passed", "said"), LENGTHS)
def test_the_effective_length_is_the_longest_before_the_first_that_fails(
    passed: tuple[int | None, ...], said: str
) -> None:
    found = section()
    for length, count in zip((512, 1024, 2048), passed, strict=True):
        for n in range(10):
            outcome = Outcome.PASS if n < (count or 0) else Outcome.FAIL
            found.see(
                result(
                    f"needle-{length}-d{n}-s0",
                    suite="needles",
                    outcome=Outcome.SKIPPED if count is None else outcome,
                )
            )
    assert said in found.markup()
    assert "at least 85 % were found" in found.markup()
