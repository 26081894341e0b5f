"""Scoring in several processes, where other tests have imported torch: in a process without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.embedded import ROOT


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")
def test_answers_are_scored_in_forked_processes() -> None:
    words = [
        "-m",
        "pytest",
        "tests/evaluation/test_scoring_pool.py",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
