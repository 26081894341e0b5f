"""`scorecard.html`: one file, opens offline, asks nobody for anything."""

from harness.reports.html.view import ScorecardPage

__all__ = ["ScorecardPage"]
