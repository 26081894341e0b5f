"""`scorecard.html`: one file, opens offline, asks nobody for anything."""

from harness.reports.html.view import Page, write_page

__all__ = ["Page", "write_page"]
