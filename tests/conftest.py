"""What all tests share."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_works() -> None:
    """A shell starts background jobs with SIGINT ignored, and tests of Ctrl-C inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
