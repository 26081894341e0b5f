"""The grid of languages."""

from harness.reports.sections.languages import LanguageSection
from harness.results import CheckResult, Outcome
from tests.reports.samples import INJECTION, info, result, suite


def section() -> LanguageSection:
    return LanguageSection()


def drawn(found: LanguageSection) -> str:
    """The HTML of what was counted."""
    return str(found.markup(tuple(found.rows()), info(suites=(suite("languages", 4),))))


def seen(grid: LanguageSection, variant: str, expected: str, *found: str | None) -> None:
    """Answers in these languages; `mixed` is in the expected one, but not enough of it."""
    for place, language in enumerate(found):
        passed = None if language is None else language == expected
        detail = {"expected": expected, "language": expected if language == "mixed" else language}
        check = CheckResult("language", 0, passed, 0.0, "", detail=detail)
        outcome = Outcome.PASS if passed else Outcome.FAIL
        grid.see(
            result(
                f"{expected}-{place}",
                variant,
                suite="languages",
                checks=(check,),
                outcome=outcome,
            )
        )


def test_a_cell_says_what_the_other_answers_were_in() -> None:
    grid = section()
    seen(grid, "base", "fr", "fr", "en", "en", "mixed", None)

    text = drawn(grid)
    assert "<strong>20 %</strong> <span>1/5</span>" in text
    assert "<span>en 2, mixed 1 and cannot tell 1</span>" in text


def test_languages_are_rows_and_variants_columns() -> None:
    grid = section()
    seen(grid, "forgetful", "de", "de")
    seen(grid, "base", "fr", "fr")

    text = drawn(grid)
    assert text.index('scope="col">base') < text.index('scope="col">forgetful')
    assert text.index('scope="row">de') < text.index('scope="row">fr')
    assert text.count("<td>–</td>") == 2


def test_checks_that_do_not_say_what_was_wanted_are_left_out() -> None:
    grid = section()
    old = CheckResult("language", 0, True, 1.0, "", detail={"language": "fr"})
    grid.see(result(suite="languages", checks=(old,)))
    grid.see(result(suite="languages", outcome=Outcome.ERROR, checks=()))

    assert list(grid.rows()) == []


def test_names_stay_text() -> None:
    grid = section()
    seen(grid, "base", INJECTION, "en")

    assert "<script" not in drawn(grid)


def test_the_same_item_in_two_languages_is_compared_below() -> None:
    grid = section()
    for language, outcome in (("fr", Outcome.PASS), ("de", Outcome.FAIL)):
        detail = {"expected": language, "language": language}
        check = CheckResult("language", 0, True, 1.0, "", detail=detail)
        grid.see(
            result(
                f"sky-{language}",
                suite="languages",
                cluster="sky",
                checks=(check,),
                outcome=outcome,
            )
        )

    assert "<td>sky (de)</td>" in drawn(grid)
