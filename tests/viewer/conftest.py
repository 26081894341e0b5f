"""A store that several modules look at, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.viewer.worlds import RUNS, write_runs


@pytest.fixture(scope="session")
def sixty_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty runs, one a day; a module that writes takes a copy."""
    path = tmp_path_factory.mktemp("runs") / "store.db"
    write_runs(path, RUNS)
    return path
