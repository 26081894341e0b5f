"""The heat map of long texts."""

from dataclasses import replace

import pytest

from harness.reports.sections.long_context import LongContextSection
from harness.results import HaystackCell, Outcome
from harness.suites import HaystackSpec
from harness.suites.haystack import expand
from tests.reports.samples import INJECTION, info, result, suite, variant


def section() -> LongContextSection:
    """A section that has counted nothing."""
    return LongContextSection()


def drawn(found: LongContextSection) -> str:
    """The HTML of what was counted of the suite `needles`."""
    return str(found.markup(tuple(found.rows()), info(suites=(suite("needles", 12),))))


def test_every_haystack_of_a_family_has_its_cell() -> None:
    family = {"id": "needle", "lengths": (512, 1024), "depths": (0, 0.5, 0.125), "seeds": 2}
    found = section()
    for haystack in expand(HaystackSpec.model_validate(family)):
        cell = HaystackCell(haystack.length, haystack.depth)
        found.see(result(haystack.id, suite="needles", cell=cell))
    assert drawn(found).count("<strong>100 %</strong> <span>2/2</span>") == 6
    assert '<th scope="row">12.5 %</th>' in drawn(found)
    assert '<th scope="col">1,024</th>' in drawn(found)


def test_a_cell_counts_failures_and_errors_but_nothing_skipped() -> None:
    found = section()
    for repeat, outcome in enumerate(Outcome):
        cell = HaystackCell(512, 0.5)
        found.see(result("needle", suite="needles", repeat=repeat, outcome=outcome, cell=cell))
    assert '<td class="shade1"><strong>33 %</strong> <span>1/3</span></td>' in drawn(found)


def test_a_length_without_a_case_at_that_depth_is_a_dash() -> None:
    found = section()
    for cell in (HaystackCell(512, 0.0), HaystackCell(1024, 0.5)):
        found.see(result("needle", suite="needles", cell=cell))
    assert drawn(found).count("<td>–</td>") == 2


def test_other_cases_leave_it_empty() -> None:
    found = section()
    found.see(result("inv-01"))
    assert list(found.rows()) == []


def test_names_are_escaped() -> None:
    found = section()
    found.see(result("needle", INJECTION, suite="needles", cell=HaystackCell(512, 0.0)))
    run = info(suites=(suite("needles", 1),), variants=(replace(variant("base"), name=INJECTION),))
    text = found.markup(tuple(found.rows()), run)
    assert "<img" not in text
    assert "&lt;img" in text


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
                    f"needle-{length}-{n}",
                    suite="needles",
                    cell=HaystackCell(length, n / 10),
                    outcome=Outcome.SKIPPED if count is None else outcome,
                )
            )
    assert said in drawn(found)
    assert "at least 85 % were found" in drawn(found)


def test_the_effective_length_is_in_the_row() -> None:
    found = section()
    for length, outcome in ((512, Outcome.PASS), (1024, Outcome.FAIL)):
        found.see(
            result("needle", suite="needles", cell=HaystackCell(length, 0.5), outcome=outcome)
        )

    (row,) = found.rows()
    assert (row.effective_length, row.effective) == (512, "512")
    assert [(c.length, c.depth, c.passed, c.n) for c in row.cells] == [
        (512, 0.5, 1, 1),
        (1024, 0.5, 0, 1),
    ]
