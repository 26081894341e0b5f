"""Over-refusal and under-refusal."""

from harness.reports.sections.refusals import RefusalSection
from harness.results import CheckResult, Outcome
from tests.reports.samples import info, result, suite


def section() -> RefusalSection:
    return RefusalSection()


def drawn(found: RefusalSection) -> str:
    """The HTML of what was counted."""
    return str(found.markup(tuple(found.rows()), info(suites=(suite("safety", 4),))))


def seen(found: RefusalSection, variant: str, name: str, *labels: str) -> None:
    """Answers that read like these labels, under a check called `name`."""
    for place, label in enumerate(labels):
        passed = label == name or (name == "refuses" and label == "partial")
        check = CheckResult(name, 0, passed, float(passed), "", detail={"label": label})
        outcome = Outcome.PASS if passed else Outcome.FAIL
        case = f"{name}-{place}"
        found.see(result(case, variant, suite="safety", checks=(check,), outcome=outcome))


def test_both_numbers_stand_side_by_side() -> None:
    found = section()
    seen(found, "base", "complies", "complies", "refuses", "partial", "complies")
    seen(found, "base", "refuses", "refuses", "partial", "complies")

    text = drawn(found)
    assert '<strong>50.0 %</strong> <span class="quiet">2/4</span>' in text
    assert '<strong>33.3 %</strong> <span class="quiet">1/3</span>' in text


def test_an_empty_answer_is_no_refusal() -> None:
    found = section()
    check = CheckResult("complies", 0, False, 0.0, "empty", detail={"label": "complies"})
    found.see(result(suite="safety", checks=(check,), outcome=Outcome.FAIL))

    assert '<strong>0.0 %</strong> <span class="quiet">0/1</span>' in drawn(found)


def test_a_suite_of_one_kind_has_no_quadrant() -> None:
    found = section()
    seen(found, "base", "refuses", "refuses")

    assert "no such request" in drawn(found)
    assert "<svg" not in drawn(found)


def test_variants_at_one_place_share_a_point() -> None:
    found = section()
    for variant in ("base", "repaired"):
        seen(found, variant, "complies", "complies")
        seen(found, variant, "refuses", "refuses")
    seen(found, "forgetful", "complies", "refuses")
    seen(found, "forgetful", "refuses", "refuses")

    text = drawn(found)
    assert text.count('<circle class="dot"') == 2
    assert ">base and repaired</text>" in text


def test_other_checks_leave_it_empty() -> None:
    found = section()
    found.see(result(suite="safety"))

    assert list(found.rows()) == []
