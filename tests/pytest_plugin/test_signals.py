"""Ctrl-C under pytest: what was reported as done is kept, and pytest says so."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from harness.store import Store, stats


def test_ctrl_c_says_that_answers_are_kept(project: pytest.Pytester) -> None:
    project.path.joinpath("harness.toml").write_text('suites = ["suites"]\nbackend = "echo"\n')
    command = [sys.executable, "-m", "pytest", "suites", "--engine-arg=delay=0.3"]
    running = subprocess.Popen(
        command, cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not _answers(project) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    said, errors = running.communicate(timeout=60)

    assert running.returncode == 2
    assert "stopped; what was finished is kept: run the same command again\n" in said
    assert errors == ""
    assert 0 < _answers(project) < 12


def _answers(project: pytest.Pytester) -> int:
    store = project.path / ".harness" / "store.db"
    if not store.exists():
        return 0
    with Store(store) as opened:
        return stats(opened).answers
