"""The page of checks is what the code says."""

from __future__ import annotations

from pathlib import Path

from harness.scorers.docs import document

_PAGE = Path(__file__).parents[2] / "docs" / "checks.md"


def test_the_page_is_up_to_date() -> None:
    """If this fails: python -m harness.scorers.docs docs/checks.md"""
    assert _PAGE.read_text("utf-8") == document()
