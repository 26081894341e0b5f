"""The page of commands and settings is what the code says."""

from __future__ import annotations

from pathlib import Path

from harness.cli.docs import document

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_is_up_to_date() -> None:
    """If this fails: python -m harness.cli.docs docs/commands.md"""
    assert PAGE.read_text("utf-8") == document()
