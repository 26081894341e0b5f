"""A report of 20,000 cases on three variants, written once for all tests that want it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.reports import write_reports
from tests.reports.story import story


@dataclass(frozen=True)
class LargeReport:
    """A large page."""

    page: Path


@pytest.fixture(scope="session")
def large_report(tmp_path_factory: pytest.TempPathFactory) -> LargeReport:
    card, results = story(20_000 // 6)
    page = write_reports(tmp_path_factory.mktemp("large"), "run", card, results).html
    return LargeReport(page)
