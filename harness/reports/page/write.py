"""Writing the page: two passes over the results, neither of which holds them all."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import TextIO

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from harness.reports import words
from harness.reports.encode import embedded
from harness.reports.page.cases import FIELDS, Prompts, Shortener, case_row
from harness.reports.page.drawing import DeltaScale, delta_strip, rate_strip, sparkline
from harness.reports.page.view import Spotlight, page_view
from harness.reports.scorecard import Scorecard
from harness.reports.sections import all_sections
from harness.runner.values import Result

SCRIPTS = ("data.js", "differences.js", "panel.js", "list.js")


def write_page(file: TextIO, scorecard: Scorecard, results: Callable[[], Iterable[Result]]) -> None:
    """Write the page; `results` gives all results from the start each time it is called."""
    spotlight, sections = Spotlight(), all_sections(scorecard)
    shortener = Shortener()
    for result in results():
        spotlight.see(result)
        shortener.see(result)
        for section in sections:
            section.see(result)
    style, script = _style(), _script()
    parts = _template().generate(
        view=page_view(scorecard, spotlight),
        card=scorecard,
        scorecard_json=Markup(embedded(scorecard.model_dump(mode="json"))),
        cases_json=_cases(scorecard, results(), shortener),
        cut=shortener.limit if shortener.cuts else None,
        sections=[section for section in sections if section.filled],
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )
    for part in parts:
        file.write(part)


def _cases(
    scorecard: Scorecard, results: Iterable[Result], shortener: Shortener
) -> Iterator[Markup]:
    """The embedded cases, piece by piece."""
    prompts = Prompts()
    suites = [suite.name for suite in scorecard.run.suites]
    variants = [variant.name for variant in scorecard.variants]
    yield Markup('{"fields":' + embedded(list(FIELDS)) + ',"rows":[\n')
    for number, result in enumerate(results):
        row = case_row(result, suites, variants, prompts, shortener)
        yield Markup((",\n" if number else "") + embedded(row))
    yield Markup("\n]}")


def _policy(style: str, script: str) -> str:
    """Nothing may be fetched, and only our own style and script may run."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _style() -> str:
    return _asset("page.css")


@cache
def _script() -> str:
    body = "\n".join(_asset(name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}\n}})();'


def _asset(name: str) -> str:
    return (files("harness.reports.page") / "assets" / name).read_text("utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("harness.reports.page", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=words.percent,
        span=words.span,
        points=words.points,
        points_span=words.points_span,
        probability=words.probability,
        plural=words.plural,
        duration=words.duration,
        because=words.because,
        label=words.label,
        moment=words.moment,
    )
    environment.globals.update(
        rate_strip=rate_strip, delta_strip=delta_strip, DeltaScale=DeltaScale, sparkline=sparkline
    )
    return environment.get_template("page.html.jinja")
