"""The HTML scorecard in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness.reports import write_reports
from harness.results import CheckResult, Outcome
from tests.reports.browser import CHROMIUM, DRIVER, MISSING, Browser, browser
from tests.reports.conftest import LargeReport
from tests.reports.samples import INJECTION, result, small
from tests.reports.story import story

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING),
]


@dataclass(frozen=True)
class Open:
    """A browser and the page of the story."""

    browser: Browser
    page: Path


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    home = tmp_path_factory.mktemp("reports")
    card, results = story()
    options = ("--model", "models/base", "--adapter", "it's=out/a b")
    card = replace(card, run=replace(card.run, options=options))
    page = write_reports(home, "story", card, results).html
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield Open(driver, page)


@pytest.fixture
def story_page(window: Open) -> Iterator[Browser]:
    """The story, freshly opened; whatever a test does, nothing is fetched and nobody complains."""
    window.browser.size(1280, 950)
    window.browser.open(window.page)
    yield window.browser
    assert window.browser.complaints() == []
    assert {url.partition("#")[0] for url in window.browser.requests()} == {window.page.as_uri()}


def ids(page: Browser) -> list[str]:
    """The ids of the cases in the list."""
    return [text.split()[0] for text in page.texts("#list .id")]


def test_the_verdict_is_above_the_fold(story_page: Browser) -> None:
    assert story_page.one("h1").text == (
        "No loss found in repaired, on few cases; forgetful must not replace base"
    )
    assert story_page.texts(".candidate h2") == [
        "Do not deploy forgetful",
        "No loss found in repaired",
    ]
    assert story_page.texts(".matrix thead th") == ["Suite", "forgetful", "repaired"]
    assert story_page.texts(".matrix tbody tr")[0] == "languages ✗ regressed −30.0 ✓ pass +2.5"
    assert story_page.one(".candidate .look").rect["y"] < 950


def test_a_link_of_the_verdict_opens_the_case_side_by_side(story_page: Browser) -> None:
    link = story_page.one(".candidate .look a")
    case = link.text
    link.click()
    story_page.wait("document.querySelector('.panel')")
    row = story_page.one("#list .row[aria-expanded='true']")
    assert row.text.startswith("▸\n" + case)
    assert story_page.run("return document.activeElement === arguments[0]", row)
    assert [text.split()[0] for text in story_page.texts(".side .head")] == ["base", "forgetful"]
    assert story_page.texts(".side del") != [] != story_page.texts(".side ins")


def test_a_case_says_how_to_run_it_again(window: Open) -> None:
    window.browser.open(window.page, "#case/persona/per-03/repaired")
    window.browser.wait("document.querySelector('.panel')")
    assert window.browser.texts(".again code") == [
        "pytest 'suites/starter/persona.yaml::per-03[repaired]' --model models/base "
        "--adapter 'it'\\''s=out/a b'"
    ]


def test_the_address_of_a_case_opens_it(window: Open) -> None:
    window.browser.open(window.page, "#case/persona/per-03/repaired")
    window.browser.wait("document.querySelector('.panel')")
    heads = window.browser.texts(".said h4")
    assert heads == ["System", "User, turn 1 of 2", "User, turn 2 of 2"]
    assert len(window.browser.all(".panel .side")) == 4
    assert window.browser.one("#filter-right").get_attribute("value") == "repaired"


def test_each_filter_leaves_the_right_cases(story_page: Browser) -> None:
    assert story_page.one("#count").text == "240 cases"
    story_page.choose("change", "worse")
    worse = ids(story_page)
    story_page.choose("suite", "languages")
    assert 0 < len(ids(story_page)) <= len(worse) < 50
    assert set(story_page.texts("#list .mark.changed")) == {"↓ got worse"}
    story_page.choose("tag", "fr")
    assert {case[:2] for case in ids(story_page)} == {"fr"}
    story_page.choose("outcome", "pass")
    assert ids(story_page) == []
    story_page.one("#filters button[type=reset]").click()
    assert story_page.one("#count").text == "240 cases"
    assert story_page.one("#filter-right").get_attribute("value") == "forgetful"


def test_the_filters_look_at_the_variant_that_is_compared(story_page: Browser) -> None:
    story_page.choose("suite", "languages")
    story_page.choose("outcome", "fail")
    forgetful = story_page.one("#count").text
    story_page.choose("right", "repaired")
    repaired = story_page.one("#count").text
    assert int(repaired.split()[0]) < int(forgetful.split()[0])


def test_answers_that_differ_and_answers_that_are_the_same_are_all(story_page: Browser) -> None:
    counts = []
    for change in ("differs", "same"):
        story_page.choose("change", change)
        counts.append(int(story_page.one("#count").text.split()[0]))
    assert sum(counts) == 240
    assert min(counts) > 0


def test_search_finds_answers_in_any_language(story_page: Browser) -> None:
    story_page.search("リスボン")
    assert {case[:2] for case in ids(story_page)} == {"ja"}


@pytest.mark.parametrize("width", [1280, 390])
def test_a_term_explains_itself_on_focus_and_escape_puts_it_away(
    story_page: Browser, width: int
) -> None:
    story_page.size(width, 844)
    shown = "return getComputedStyle(arguments[0], '::after').content"
    seen = set()
    for term in story_page.all("#suites .term"):
        if not term.is_displayed():
            continue
        assert story_page.run(shown, term) == "none"
        story_page.run("arguments[0].focus()", term)
        said = story_page.run(shown, term)
        assert story_page.one(f"#{term.get_attribute('aria-describedby')}").text in said
        assert story_page.run("return document.documentElement.scrollWidth") <= width
        term.send_keys("\ue00c")  # Escape
        assert story_page.run(shown, term) == "none"
        seen.add(term.text)
        if len(seen) == 3:
            break
    assert {"p", "Holm"} < seen


def test_a_slice_leads_to_its_cases(story_page: Browser) -> None:
    link = story_page.one("a[href='#slice/languages/ja/forgetful']")
    link.click()
    story_page.wait("document.getElementById('count').textContent.startsWith('8 of')")
    assert {case[:2] for case in ids(story_page)} == {"ja"}
    assert story_page.one("#filter-right").get_attribute("value") == "forgetful"


def test_a_failing_case_says_why_before_it_is_opened(story_page: Browser) -> None:
    story_page.choose("suite", "languages")
    story_page.choose("change", "worse")
    assert story_page.texts("#list .because")[0].startswith("found en, wanted ")


def test_on_a_phone_the_filters_fold(window: Open) -> None:
    window.browser.size(390, 844)
    window.browser.open(window.page)
    assert not window.browser.one("#filter-text").is_displayed()
    window.browser.one("#fold summary").click()
    assert window.browser.one("#filter-text").is_displayed()


def test_pages_hold_fifty_cases(story_page: Browser) -> None:
    assert len(story_page.all("#list > li")) == 50
    assert story_page.one("#page").text == "1–50 of 240"
    story_page.one("#next").click()
    assert story_page.one("#page").text == "51–100 of 240"
    assert not story_page.one("#previous").get_attribute("disabled")


def test_the_keyboard_alone_opens_a_case(story_page: Browser) -> None:
    button = story_page.one("#list .row")
    story_page.run("arguments[0].focus()", button)
    button.send_keys("\ue007")  # Enter
    assert button.get_attribute("aria-expanded") == "true"
    button.send_keys(" ")
    assert button.get_attribute("aria-expanded") == "false"
    assert story_page.all(".panel") == []


def test_a_script_from_a_model_is_shown_and_never_run(story_page: Browser) -> None:
    story_page.search("window.hacked")
    story_page.one("#list .row").click()
    assert INJECTION in story_page.one(".side .text").text
    assert story_page.run("return window.hacked") is None
    assert story_page.all("#list img, #list script") == []


def test_injection_in_every_field_is_text(window: Open, tmp_path: Path) -> None:
    check = CheckResult(INJECTION, 0, False, 0.0, INJECTION, detail={"found": INJECTION})
    hostile = result(
        responses=(INJECTION,),
        outcome=Outcome.FAIL,
        checks=(check,),
        reason=INJECTION,
        finish_reason=INJECTION,
        tags=(INJECTION,),
        prompt=({"role": "system", "content": INJECTION}, {"role": "user", "content": INJECTION}),
    )
    page = write_reports(tmp_path, "run", small(), lambda: [hostile]).html
    window.browser.open(page)
    window.browser.one("#list .row").click()
    assert window.browser.one(".panel").text.count("window.hacked") >= 6
    assert window.browser.run("return window.hacked") is None
    assert window.browser.all("img") == []
    assert window.browser.complaints() == []
    assert set(window.browser.requests()) == {page.as_uri()}


def test_an_error_says_its_reason_where_no_check_can(window: Open, tmp_path: Path) -> None:
    broken = result(outcome=Outcome.ERROR, responses=(), checks=(), reason="no recorded answer")
    window.browser.open(write_reports(tmp_path, "run", small(), lambda: [broken]).html)
    window.browser.one("#list .row").click()
    assert window.browser.texts(".checks li") == ["!\nno recorded answer"]
    assert window.browser.texts(".side .empty") == ["No answer"]


def test_repeats_are_shown_one_by_one_and_a_failure_in_any_is_the_cases(
    window: Open, tmp_path: Path
) -> None:
    runs = [
        result(repeat=repeat, outcome=outcome, responses=(f"answer {repeat}",))
        for repeat, outcome in enumerate((Outcome.PASS, Outcome.FAIL))
    ]
    window.browser.open(write_reports(tmp_path, "run", small(), lambda: runs[::-1]).html)
    window.browser.choose("right", "base")
    assert window.browser.texts("#list .mark") == ["✗ base"]
    window.browser.one("#list .row").click()
    assert window.browser.texts(".side .text") == ["answer 0", "answer 1"]


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_nothing_is_wider_than_the_window(story_page: Browser, width: int) -> None:
    story_page.size(width, 900)
    story_page.run("location.hash = document.querySelector('.look a').getAttribute('href')")
    story_page.wait("document.querySelector('.panel')")
    assert story_page.run("return document.documentElement.scrollWidth") <= width


CONTRAST = """
const luminance = (colour) => {
  const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map((v) => {
    v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const background = (node) => {
  for (; node; node = node.parentElement) {
    const colour = getComputedStyle(node).backgroundColor;
    if (!colour.endsWith(', 0)')) return colour;
  }
  return 'rgb(255, 255, 255)';
};
const weak = [];
for (const node of document.querySelectorAll('main *, header *')) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  if (!own || !node.getClientRects().length || node.closest(':disabled')) continue;
  const pair = [luminance(getComputedStyle(node).color), luminance(background(node))].sort();
  const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  if (ratio < 4.5) weak.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)}`);
}
return weak;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_of_wcag_aa(story_page: Browser, scheme: str) -> None:
    story_page.media(prefers_color_scheme=scheme)
    story_page.one("#list .row").click()
    assert story_page.run(CONTRAST) == []


NAMELESS = """
const named = (node) => node.textContent.trim() || node.getAttribute('aria-label')
  || node.labels?.length;
return [...document.querySelectorAll('button, a, input, select, summary, [role=region]')]
  .filter((node) => !named(node)).map((node) => node.outerHTML);
"""


def test_a_screen_reader_finds_names_headings_and_captions(story_page: Browser) -> None:
    story_page.one("#list .row").click()
    assert story_page.run(NAMELESS) == []
    assert len(story_page.all("h1")) == 1
    assert len(story_page.all("table")) == len(story_page.all("table caption"))
    levels = story_page.run(
        "return [...document.querySelectorAll('h1,h2,h3,h4')].map((h) => +h.tagName[1])"
    )
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert story_page.one("#count").get_attribute("aria-live") == "polite"
    assert story_page.run("return document.documentElement.lang") == "en"


def test_20_000_cases_stay_usable(window: Open, large_report: LargeReport) -> None:
    """Measured on 60,000 results: opened in 1.4 s, filtered in 6 ms, first search in 0.1 s."""
    window.browser.open(large_report.page)
    assert set(window.browser.texts("#list .mark.changed")[:3]) == {"↓ got worse"}  # at once
    window.browser.wait("document.documentElement.dataset.loaded === 'true'")
    assert window.browser.one("#count").text == "19,998 cases"
    timing = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    assert window.browser.run(timing) < 15_000
    filtering = window.browser.run(
        "const begun = performance.now();"
        "const select = document.getElementById('filter-change'); select.value = 'worse';"
        "select.dispatchEvent(new Event('change')); return performance.now() - begun"
    )
    assert filtering < 1_000
    searching = window.browser.run(
        "const begun = performance.now();"
        "const reset = new Event('reset', {cancelable: true});"
        "document.getElementById('filters').dispatchEvent(reset);"
        "document.getElementById('filter-text').value = 'lisbonne';"
        "document.getElementById('filter-outcome').dispatchEvent(new Event('change'));"
        "return performance.now() - begun"
    )
    assert searching < 5_000
    assert "of 19,998 cases" in window.browser.one("#count").text
    assert len(window.browser.all("#list > li")) == 50


def test_a_case_that_is_read_last_is_found_and_opened(
    window: Open, large_report: LargeReport
) -> None:
    window.browser.open(large_report.page, "#case/needles/needle-1536-d0-s3332/base")
    window.browser.wait("document.querySelector('.panel')")
    row = window.browser.one("#list .row[aria-expanded='true']")
    assert "3332" in row.text
    window.browser.wait("document.documentElement.dataset.loaded === 'true'")
    assert window.browser.all(".panel") != []
    assert not window.browser.one("#loading").is_displayed()
    assert window.browser.complaints() == []
    asked = {url.partition("#")[0] for url in window.browser.requests()}
    assert asked == {large_report.page.as_uri()}


def test_reasoning_is_folded_away_and_escaped(window: Open, tmp_path: Path) -> None:
    text = f"<think>{INJECTION}</think>Seven."
    results = [
        result("inv-01", responses=(text,), reasoning=(INJECTION,)),
        result("inv-01", "forgetful", responses=("<think>Well",), reasoning=("Well",), unended=1),
    ]
    page = write_reports(tmp_path, "thinking", small(), lambda: results).html

    window.browser.open(page, "#case/invoices/inv-01/forgetful")
    window.browser.wait("document.querySelector('.panel')")

    folded = window.browser.all(".thinking")
    assert [one.get_attribute("open") for one in folded] == [None, None]
    summaries = [f"Thinking ({length} characters)" for length in (len(INJECTION), 4)]
    assert window.browser.texts(".thinking summary") == summaries
    window.browser.run("document.querySelectorAll('.thinking').forEach((one) => (one.open = true))")
    assert window.browser.texts(".thinking .text") == [INJECTION, "Well"]
    assert window.browser.texts(".side > .text, .side > .empty") == [
        "Seven.",
        "No answer after the thinking",
    ]
    assert window.browser.run("return window.hacked") is None
    assert window.browser.complaints() == []
