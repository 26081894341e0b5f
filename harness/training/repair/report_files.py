"""The files of a repair's report: one page that opens offline, JSON and Markdown."""

from __future__ import annotations

import base64
import json

from markupsafe import Markup

from harness.reports.files import whole_file
from harness.reports.page.drawing import rate_strip
from harness.reports.templates import asset, content_policy, page_style, template
from harness.settings import Settings
from harness.training.repair import report_text
from harness.training.repair.promotion import shown
from harness.training.repair.report_json import report_to_json
from harness.training.repair.values import FixPaths, FixReport, RoundReport
from harness.training.trainer.curve import draw
from harness.training.trainer.history import History

PACKAGE = "harness.training.repair"


def write_report(settings: Settings, report: FixReport) -> FixPaths:
    """Write the report below the report directory; the same loop replaces its own."""
    home = settings.path(settings.report_dir) / f"fix-{report.loop}"
    home.mkdir(parents=True, exist_ok=True)
    paths = FixPaths(home / "fix.html", home / "fix.json", home / "fix.md")
    with whole_file(paths.json) as file:
        json.dump(report_to_json(report), file, ensure_ascii=False, indent=1)
    with whole_file(paths.markdown) as file:
        file.write(report_text.to_markdown(report))
    with whole_file(paths.html) as file:
        file.write(to_html(report))
    return paths


def to_html(report: FixReport) -> str:
    """The page; nothing in it is fetched, and texts of models and rows are escaped."""
    style = page_style() + asset(PACKAGE, "fix.css")
    return template(PACKAGE, "fix.html.jinja").render(
        report=report,
        others=report_text.others_of(report),
        headline=report_text.headline(report),
        cost=list(report_text.cost_lines(report)),
        was=shown(report.was),
        style=Markup(style),
        policy=content_policy(style, pictures=True),
        curve=_curve,
        strip=rate_strip,
        counts=report_text.counts_of,
    )


def _curve(made: RoundReport) -> str:
    """The losses as a picture inside the page; it brings its own style, so it is an image."""
    svg = draw(History(made.training.losses, made.training.held_out))
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
