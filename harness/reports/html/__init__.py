"""`scorecard.html`: one file, opens offline, asks nobody for anything."""

from harness.reports.html.view import ScorecardPage, headline_of, suites_markup

__all__ = ["ScorecardPage", "headline_of", "suites_markup"]
