"""The HTML scorecard as text: what is in it, what may not be, how large it gets."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any, TextIO

import pytest

from harness.common import JsonValue
from harness.reports import Scorecard, build_scorecard
from harness.reports.html import ScorecardPage
from harness.reports.html.cases import LIMITS, Shortener
from harness.reports.markdown import to_markdown
from harness.results import CheckResult, GateReport, Outcome, Result, Verdict
from tests.reports.conftest import LargeReport
from tests.reports.samples import (
    INJECTION,
    info,
    rate,
    report,
    result,
    row,
    small,
    suite,
    variant,
)
from tests.reports.story import story


class Page(HTMLParser):
    """A page's text, elements and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def inside(self, tag: str, **wanted: str) -> str:
        """The text of the only element with these attributes."""
        pattern = "".join(f'[^>]*{name}="{value}"' for name, value in wanted.items())
        return str(re.findall(f"<{tag}{pattern}[^>]*>(.*?)</{tag}>", self.text, re.S)[0])


def page(card: Scorecard, results: Callable[[], Iterable[Result]]) -> Page:
    """The page of a run."""
    file = io.StringIO()
    write_page(file, card, results)
    return Page(file.getvalue())


def write_page(file: TextIO, card: Scorecard, results: Callable[[], Iterable[Result]]) -> None:
    """Write the page as a report does: all results are seen first."""
    written = ScorecardPage(card)
    for each in results():
        written.see(each)
    written.write(file, results())


def rows(found: Page) -> list[dict[str, Any]]:
    """The embedded cases."""
    data = json.loads(found.inside("script", id="cases-data"))
    return [dict(zip(data["fields"], row, strict=True)) for row in data["rows"]]


def script_of(found: Page) -> str:
    """The page's only script that runs."""
    return found.text.split("<script>")[1].split("</script>")[0]


def test_the_verdict_comes_first_and_names_the_suite_that_blocks() -> None:
    text = page(small(), list).text
    body = text[text.index("<main>") :]
    assert body.index("repaired may replace base;") < body.index('id="suites"')
    assert "forgetful must not replace base: it got worse in languages." in body
    assert body.index("forgetful must not replace base") < body.index('id="suites"')
    assert 'href="#case/languages/fr-03/forgetful"' in body


def test_a_script_from_a_model_is_text() -> None:
    hostile = result(
        responses=(INJECTION,),
        outcome=Outcome.FAIL,
        reason=INJECTION,
        checks=(CheckResult("json", 0, False, 0.0, INJECTION, detail={"found": INJECTION}),),
        prompt=({"role": "user", "content": "<!--<script>" + INJECTION},),
    )
    found = page(small(), lambda: [hostile])
    scripts = [attrs for tag, attrs in found.tags if tag == "script"]
    assert [attrs.get("id") for attrs in scripts] == ["scorecard-data", "cases-data", None]
    assert "img" not in {tag for tag, _ in found.tags}
    assert rows(found)[0]["responses"] == [INJECTION]


def test_names_and_notes_are_escaped() -> None:
    made = info(
        id=INJECTION,
        notes=(INJECTION,),
        backend=INJECTION,
        suites=(suite("invoices", 1),),
        execution={INJECTION: INJECTION},
    )
    found = page(build_scorecard(made, GateReport((), None)), list)
    assert "img" not in {tag for tag, _ in found.tags}
    assert sum(tag == "script" for tag, _ in found.tags) == 3


def test_nothing_is_fetched_and_only_our_own_script_may_run() -> None:
    found = page(small(), list)
    attributes = [(name, value) for _, attrs in found.tags for name, value in attrs.items()]
    assert not [value for name, value in attributes if name in ("src", "srcset", "action", "style")]
    assert all((value or "").startswith("#") for name, value in attributes if name == "href")
    assert not [name for name, _ in attributes if name.startswith("on")]
    policy = next(
        attrs["content"] or ""
        for tag, attrs in found.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for text in (
        found.inside("style"),
        script_of(found).split("</script>")[0],
    ):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_our_script_never_parses_html() -> None:
    script = script_of(page(small(), list))
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
    ):
        assert word not in script


def test_a_prompt_is_embedded_once_for_all_variants() -> None:
    same = [result("inv-01", name) for name in ("base", "repaired", "forgetful")]
    found = rows(page(small(), lambda: [*same, result("inv-02", prompt=())]))
    assert [row["prompt"] for row in found] == [[["user", "Extract invoice 7."]], 0, 0, []]


def test_answers_in_between_are_not_part_of_the_prompt() -> None:
    prompt = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    found = rows(page(small(), lambda: [result(prompt=tuple(prompt))]))
    assert found[0]["prompt"] == [["system", "system"], ["user", "user"], ["user", "user"]]


def test_details_of_checks_are_kept_where_they_explain_a_failure() -> None:
    failed = CheckResult("language", 0, False, 0.0, "found en", detail={"language": "en"})
    found = rows(page(small(), lambda: [result(checks=(failed,))]))
    assert found[0]["checks"] == [["language", 0, False, 0.0, "found en", "language: en"]]


def test_details_are_words_and_no_json() -> None:
    detail: dict[str, JsonValue] = {
        "missing": ["a", "b"],
        "found": {"kind": None, "whole": False},
        "rows": [{"n": 1}],
    }
    failed = CheckResult("own", 0, False, 0.0, "no", detail=detail)
    found = rows(page(small(), lambda: [result(checks=(failed,))]))
    assert found[0]["checks"][0][-1] == (
        "found.kind: not known, found.whole: no; missing: a, b; rows: 1.n: 1"
    )


def test_a_suite_that_broke_whole_is_no_rate_of_zero() -> None:
    broken = row("invoices", "repaired", rate(0, 40, 0.0, 0.09, errors=40), Verdict.ERROR, ("no",))
    card = build_scorecard(info(), GateReport((broken,), Verdict.ERROR))
    suites = page(card, list).text.partition('id="suites"')[2]
    assert "! all 40 cases broke" in suites
    assert "0.0 %" not in suites.partition("<script")[0]
    assert "| all broke |  |" in to_markdown(card)


def test_several_candidates_begin_with_a_matrix() -> None:
    text = page(small(), list).text
    matrix = text[text.index('class="plain matrix"') : text.index('class="candidates"')]
    assert matrix.index("forgetful") < matrix.index("repaired")
    assert '<a href="#suite-languages">' in matrix and 'id="suite-languages"' in text
    assert matrix.count('<span class="word">✗ regressed</span> <span class="quiet">−35.0') == 1
    alone = build_scorecard(
        info(), GateReport(tuple(r for r in report().suites if r.variant != "forgetful"), None)
    )
    one = replace(alone, run=info(variants=tuple(variant(name) for name in ("base", "repaired"))))
    assert "plain matrix" not in page(one, list).text


def test_long_texts_are_cut_only_when_the_page_would_be_too_large() -> None:
    roomy, tight = Shortener(), Shortener(budget=100_000)
    long = result(responses=("a" * 9000 + "end",), prompt=())
    for _ in range(20):
        roomy.see(long)
        tight.see(long)
    assert (roomy.limit, roomy.cuts, roomy.cut("a" * 9003)) == (32_000, False, "a" * 9003)
    assert (tight.limit, tight.cuts) == (2_000, True)
    cut = tight.cut(long.responses[0])
    assert cut == "a" * 1500 + "\n[… 7,003 characters left out here …]\n" + "a" * 497 + "end"


def test_a_page_that_cuts_texts_says_so() -> None:
    text = "x" * (LIMITS[0] + 1)
    found = page(small(), lambda: [result(responses=(text,))])
    assert "Texts of more than 32,000 characters are shortened" in found.text


def test_a_run_without_candidates_or_cases_still_has_a_page() -> None:
    made = info(variants=(variant("base"),), suites=(), finished=False)
    found = page(build_scorecard(made, GateReport((), None)), list)
    assert "Nothing was gated" in found.text
    assert "The run did not finish." in found.text
    assert rows(found) == []


@pytest.mark.slow
def test_20_000_cases_are_a_page_that_opens(large_report: LargeReport) -> None:
    """Measured on 60,000 results: the whole report in 6 s, the page has 27 MB."""
    assert large_report.page.stat().st_size < 50e6


def test_a_page_is_never_whole_in_memory() -> None:
    """Measured on 60,000 results: 4 MB of memory for a page of 27 MB."""
    card, results = story(120)
    file = _Counter()
    tracemalloc.start()
    write_page(file, card, results)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < file.written


class _Counter(io.StringIO):
    """Counts what is written and forgets it."""

    written = 0

    def write(self, text: str) -> int:
        self.written += len(text.encode())
        return len(text)


def test_an_environment_names_only_what_it_has() -> None:
    base = replace(variant("base"), environment={"engine": "transformers", "quantisation": ""})
    text = page(build_scorecard(info(variants=(base,)), GateReport((), None)), lambda: ()).text

    assert "<dt>Environment</dt><dd>engine transformers</dd>" in text
