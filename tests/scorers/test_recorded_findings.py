"""The same answers have the same findings on every machine and every Python that is supported."""

from __future__ import annotations

import pytest

from tests.scorers.recorded_findings import found, recorded

AGAIN = "python -m tests.scorers.recorded_findings"


@pytest.fixture(scope="module")
def today() -> dict[str, tuple[int, str]]:
    return found()


def test_a_check_that_finds_something_else_has_another_version(
    today: dict[str, tuple[int, str]],
) -> None:
    changed = [
        name
        for name, (version, held) in recorded().items()
        if name in today and today[name][0] == version and today[name][1] != held
    ]

    assert not changed, f"raise their version, unless only rows were added, and run {AGAIN}"


def test_every_check_is_recorded_as_it_is_now(today: dict[str, tuple[int, str]]) -> None:
    assert recorded() == today, f"run {AGAIN}"
