"""Every page is in the navigation, and every link of the pages leads to a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from website.blocks import ROOT
from website.building import CONFIGURATION, FROM_ROOT, linked, staged

PLACES = staged()


def named(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    else:
        for each in part.values() if isinstance(part, dict) else part:
            yield from named(each)


def test_the_navigation_has_every_page_once() -> None:
    shown = sorted(named(yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["nav"]))

    assert shown == sorted(place for place in PLACES.values() if place.endswith(".md"))


@pytest.mark.parametrize("name", sorted(name for name in PLACES if name.endswith(".md")))
def test_every_link_leads_to_a_file(name: str) -> None:
    assert linked((ROOT / name).read_text(encoding="utf-8"), name, PLACES)


def test_links_fit_where_a_page_lies_in_the_site() -> None:
    text = (
        "[a](docs/suite.md#gate) [b](README.zh.md) [c](pyproject.toml) `[d](docs/suite.md)`\n"
        "![e](docs/images/scorecard.png) [f](https://example.org/x.md)\n"
    )

    assert linked(text, "README.md", PLACES) == (
        "[a](suite.md#gate) [b](zh/index.md) [c] `[d](docs/suite.md)`\n"
        "![e](images/scorecard.png) [f](https://example.org/x.md)\n"
    )
    assert linked("[a](README.md)", "README.zh.md", PLACES) == "[a](../index.md)"


def test_a_link_that_leads_nowhere_is_told() -> None:
    with pytest.raises(ValueError, match=r"README\.md: docs/nothing\.md is not there"):
        linked("[a](docs/nothing.md)", "README.md", PLACES)


def test_pages_from_outside_docs_are_there() -> None:
    assert [name for name in FROM_ROOT if not (ROOT / name).is_file()] == []
