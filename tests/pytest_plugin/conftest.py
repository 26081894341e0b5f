"""A small project whose answers are recorded: what pytest says of it is known in advance."""

from __future__ import annotations

import pytest
import scipy.stats  # noqa: F401  # pytester forgets modules after each run; numpy loads only once

import harness.evaluation.run  # noqa: F401  # as above, for speed
from harness.scorers import names
from tests.recorded_project import Record, recorder, write_project

names()  # registered here, they are registered once: pytester forgets the modules, not the checks


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with one suite, and the plugin switched on."""
    pytester.makeconftest('pytest_plugins = ["harness.pytest_plugin"]')
    write_project(pytester.path)
    return pytester


@pytest.fixture
def record(project: pytest.Pytester) -> Record:
    """Records answers of this project."""
    return recorder(project.path)
