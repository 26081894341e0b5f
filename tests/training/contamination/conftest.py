from __future__ import annotations

import pytest

from harness.suites import Suite, load_suites
from harness.training.contamination import Guard


@pytest.fixture(scope="session")
def starter() -> tuple[Suite, ...]:
    return load_suites(["suites/starter"])


@pytest.fixture(scope="session")
def guard(starter: tuple[Suite, ...]) -> Guard:
    return Guard(starter)
