"""`scorecard.html`: one file, opens offline, asks nobody for anything."""

from harness.reports.page.write import write_page

__all__ = ["write_page"]
