"""The same item in several languages."""

from __future__ import annotations

from harness.reports.sections.languages import LanguageSection
from harness.results import CheckResult, Outcome
from tests.reports.samples import INJECTION, info, result, suite


def see(
    parity: LanguageSection,
    item: str | None,
    lang: str,
    outcome: Outcome = Outcome.PASS,
    variant: str = "base",
    repeat: int = 0,
    unsaid: bool = False,
) -> None:
    """One answer; `unsaid`: it was empty, so that its check says nothing of languages."""
    detail = {} if unsaid else {"expected": lang}
    check = CheckResult("language", 0, not unsaid, 1.0, "", detail=detail)
    made = result(
        f"{item}-{lang}",
        variant,
        suite="languages",
        cluster=item,
        outcome=outcome,
        repeat=repeat,
        checks=(check,),
    )
    parity.see(made)


def drawn(section: LanguageSection) -> str:
    """The table of parities of the suite `languages`; empty where no item is in two languages."""
    rows = tuple(section.rows())
    text = section.markup(rows, info(suites=(suite("languages", 4),))) if rows else ""
    return text.partition("The same item in several languages")[2]


def test_items_pass_in_all_in_none_or_in_some_languages() -> None:
    parity = LanguageSection()
    for item, german, hindi in (
        ("whole", Outcome.PASS, Outcome.PASS),
        ("half", Outcome.PASS, Outcome.FAIL),
        ("lost", Outcome.FAIL, Outcome.ERROR),
        ("other", Outcome.FAIL, Outcome.PASS),
    ):
        see(parity, item, "de", german)
        see(parity, item, "hi", hindi)

    text = drawn(parity)
    assert text.count('<strong>25.0 %</strong> <span class="quiet">of 4</span>') == 2
    assert '<strong>50.0 %</strong> <span class="quiet">of 4</span>' in text
    assert "<td>half (hi) and other (de)</td>" in text


def test_a_language_passes_when_all_repeats_do() -> None:
    parity = LanguageSection()
    see(parity, "a", "de")
    see(parity, "a", "fr", Outcome.FAIL, repeat=0)
    see(parity, "a", "fr", Outcome.PASS, repeat=1)

    assert "<td>a (fr)</td>" in drawn(parity)


def test_an_empty_answer_is_never_left_out() -> None:
    parity = LanguageSection()
    for lang in ("de", "fr"):
        see(parity, "a", lang)
    see(parity, "a", "hi", Outcome.FAIL, unsaid=True)

    assert "<td>a (a-hi)</td>" in drawn(parity)


def test_another_variant_says_which_language_an_empty_answer_was_to_be_in() -> None:
    parity = LanguageSection()
    see(parity, "a", "de")
    see(parity, "a", "hi", Outcome.FAIL, unsaid=True)
    see(parity, "a", "hi", variant="tuned")

    assert "<td>a (hi)</td>" in drawn(parity)


def test_what_is_not_in_two_languages_is_no_item() -> None:
    parity = LanguageSection()
    see(parity, "single", "de")
    see(parity, None, "de")
    see(parity, None, "fr")
    see(parity, "skipped", "de")
    see(parity, "skipped", "fr", Outcome.SKIPPED)

    assert drawn(parity) == ""


def test_names_are_escaped() -> None:
    parity = LanguageSection()
    see(parity, INJECTION, "de")
    see(parity, INJECTION, "fr", Outcome.FAIL)

    assert "<img" not in drawn(parity)
    assert "&lt;img" in drawn(parity)
