"""A small project whose answers are recorded, as the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recorded_project import Record, recorder, write_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One configured suite; answers come from `answers.jsonl`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    write_project(tmp_path)
    return tmp_path


@pytest.fixture
def record(project: Path) -> Record:
    """Records answers of this project."""
    return recorder(project)
