"""The pages of `harness view`, by their addresses."""

from __future__ import annotations

from functools import partial

from starlette.routing import Route

from harness.config import Settings
from harness.viewer.cases import case_page, prompt_page
from harness.viewer.comparing import Comparisons
from harness.viewer.runs import live, report, run_page, runs_page
from harness.viewer.trends import trend_page

NAVIGATION = {"Runs": "/", "Trend": "/trend", "Compare": "/compare"}


def view_routes(settings: Settings) -> list[Route]:
    """Return the routes over a project's store and reports; nothing is written by any of them."""
    return [
        Route(path, partial(answer, settings))
        for path, answer in {
            "/": runs_page,
            "/run/{run}": run_page,
            "/live/{run}": live,
            "/scorecard/{run}": report,
            "/case": case_page,
            "/prompt": prompt_page,
            "/trend": trend_page,
            "/compare": Comparisons().page,
        }.items()
    ]
