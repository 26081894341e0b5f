"""Ctrl-C and SIGTERM: what was reported as done is kept, and the next run does the rest."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.runner import Store, stats

COMMAND = [sys.executable, "-m", "harness", "run", "--backend", "echo"]


def answers() -> int:
    """How many answers the store holds."""
    store = Path(".harness/store.db")
    if not store.exists():
        return 0
    with Store(store) as opened:
        return stats(opened).answers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_what_it_has(project: Path, number: signal.Signals) -> None:
    Path("harness.toml").write_text('suites = ["suites"]\n')
    slow = subprocess.Popen(
        [*COMMAND, "--engine-arg", "delay=0.3"], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while answers() < 3 and time.monotonic() < deadline:
        time.sleep(0.05)

    slow.send_signal(number)
    _, said = slow.communicate(timeout=60)
    kept = answers()
    again = subprocess.run(COMMAND, capture_output=True, text=True, timeout=60)

    assert slow.returncode == 130
    assert said.endswith("stopped; finished answers are kept: run the same command again\n")
    assert 3 <= kept < 12
    assert f"{12 - kept} answers generated, {kept} from the store" in again.stdout
