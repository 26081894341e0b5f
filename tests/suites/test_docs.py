"""The page of the suite file is what the code says."""

from __future__ import annotations

from pathlib import Path

from harness.suites.docs import MEANINGS, SECTIONS, document

PAGE = Path(__file__).parents[2] / "docs" / "suite.md"


def test_the_page_is_up_to_date() -> None:
    """If this fails: python -m harness.suites.docs docs/suite.md"""
    assert PAGE.read_text("utf-8") == document()


def test_every_key_has_a_meaning_and_no_other_has() -> None:
    keys = {model.__name__: set(model.model_fields) for _, model in SECTIONS}

    assert {name: set(meanings) for name, meanings in MEANINGS.items()} == keys
