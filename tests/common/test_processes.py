"""Processes of our own: lines arrive as they were, and nothing outlives who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from harness.common import processes

HERE = "tests.common.process_child"
LINES = processes.JsonLines(TypeAdapter(dict[str, int]))


def ends(process: int) -> bool:
    """Whether a process is gone, or a zombie, within ten seconds."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_lines_go_to_and_fro_and_prints_go_to_the_log(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        child = processes.Child(f"{HERE}", errors=log)
        long = {str(number): number for number in range(50_000)}  # more than a pipe holds
        child.send(LINES.to_line({"a": 1}))
        first = child.receive()
        child.send(LINES.to_line(long))
        second = child.receive()
        processes.end(child.process)

    assert first is not None and second is not None
    assert LINES.from_line(first) == {"a": 1}
    assert LINES.from_line(second) == long
    assert (tmp_path / "log").read_text() == "printed\n" * 2


def test_one_that_has_ended_says_nothing_more() -> None:
    child = processes.Child(HERE)
    code = processes.end(child.process)

    assert code == -signal.SIGKILL
    assert not child.is_alive


def test_a_line_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        LINES.from_line(b"{")


@pytest.mark.parametrize("role", ["lines", "input"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent(role: str, how: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-m", HERE, "parent", role],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    parent.send_signal(how)
    parent.wait(20)
    parent.stdout.close()

    assert ends(child)


def test_what_a_child_has_started_ends_also_where_the_child_alone_is_killed() -> None:
    """Ray kills the processes that a worker has started, and not those that these have."""
    keeper = processes.start(HERE, "keeper", output=subprocess.PIPE)
    assert keeper.stdin is not None and keeper.stdout is not None
    started = int(keeper.stdout.readline())

    keeper.kill()
    keeper.wait()
    keeper.stdin.close()
    keeper.stdout.close()

    assert ends(started)


def test_one_that_will_not_stop_is_killed_after_its_patience() -> None:
    process = processes.start(HERE, "input", "0.2", output=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"stubborn\n"
    process.stdin.close()

    assert process.wait(20) == -signal.SIGKILL
    process.stdout.close()
