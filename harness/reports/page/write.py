"""Writing the page: it sees all results once, then writes them, and never holds them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TextIO

from markupsafe import Markup

from harness.reports.encode import embedded
from harness.reports.page.cases import FIELDS, Shortener, case_row
from harness.reports.page.drawing import delta_strip, rate_strip, sparkline
from harness.reports.page.view import Spotlight, named_first, page_view
from harness.reports.scorecard import Scorecard
from harness.reports.sections import all_sections
from harness.reports.templates import asset, content_policy, page_style, template
from harness.runner.values import Result

PACKAGE = "harness.reports.page"
SCRIPTS = ("data.js", "differences.js", "panel.js", "list.js")


class Page:
    """The page of a run: sees all results, then writes them; it never holds them all."""

    def __init__(self, scorecard: Scorecard) -> None:
        self._card = scorecard
        self._spotlight, self._shortener = Spotlight(), Shortener()
        self._sections = all_sections(scorecard)

    def see(self, result: Result) -> None:
        """Take one result."""
        self._spotlight.see(result)
        self._shortener.see(result)
        for section in self._sections:
            section.see(result)

    def named_first(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """The cases that it names, once all results were seen, as `view.named_first` has them."""
        return named_first(page_view(self._card, self._spotlight))

    def write(self, file: TextIO, results: Iterable[Result]) -> None:
        """Write the page; `results` are those that were seen, in the same order."""
        style, script = page_style(), _script()
        parts = template(PACKAGE, "page.html.jinja").generate(
            view=page_view(self._card, self._spotlight),
            card=self._card,
            scorecard_json=Markup(embedded(self._card.model_dump(mode="json"))),
            cases_json=_cases(self._card, results, self._shortener),
            cut=self._shortener.limit if self._shortener.cuts else None,
            sections=[section for section in self._sections if section.filled],
            style=Markup(style),
            script=Markup(script),
            policy=content_policy(style, script),
            rate_strip=rate_strip,
            delta_strip=delta_strip,
            sparkline=sparkline,
        )
        for part in parts:
            file.write(part)


def write_page(file: TextIO, scorecard: Scorecard, results: Callable[[], Iterable[Result]]) -> None:
    """Write the page; `results` gives all results from the start each time it is called."""
    page = Page(scorecard)
    for result in results():
        page.see(result)
    page.write(file, results())


def _cases(
    scorecard: Scorecard, results: Iterable[Result], shortener: Shortener
) -> Iterator[Markup]:
    """The embedded cases, piece by piece."""
    suites = [suite.name for suite in scorecard.run.suites]
    variants = [variant.name for variant in scorecard.variants]
    yield Markup('{"fields":' + embedded(list(FIELDS)) + ',"rows":[\n')
    for number, result in enumerate(results):
        row = case_row(result, suites, variants, shortener.earlier(number), shortener)
        yield Markup((",\n" if number else "") + embedded(row))
    yield Markup("\n]}")


@cache
def _script() -> str:
    body = "\n".join(asset(PACKAGE, name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}\n}})();'
