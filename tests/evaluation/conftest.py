"""What the tests of the runner share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.evaluation.checks import registered


@pytest.fixture(autouse=True, scope="module")
def misbehaving_checks() -> Iterator[None]:
    """Checks that run away, raise and cannot tell."""
    with registered():
        yield
