"""The embedded model's failing run, made once for all tests that repair it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.embedded import Done
from tests.training.repair.workplace import Workplace, new_workplace


@pytest.fixture(scope="session")
def answered(gated: Done, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a project in which the base has answered all starter suites, and failed.

    Its answers are those of the session's run of the starter suites.
    """
    store = gated.folder / "store.db"
    place = new_workplace(tmp_path_factory.mktemp("answered") / "project", store)
    done = place.here("run")
    assert done.code == 1, done.out
    assert "\n0 answers generated, " in done.out, done.out
    return place.folder / ".harness" / "store.db"


@pytest.fixture
def failing(answered: Path, tmp_path: Path) -> Workplace:
    """A project of its own with the failing run in its store."""
    return new_workplace(tmp_path / "project", answered)
