"""Work for one process at a time: another one is told, and the lock goes with its holder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.common import MachineryError, alone, whole_file

HOLD = """
import sys, pathlib
from harness.common.files import alone
with alone(pathlib.Path(sys.argv[1]), "taken"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "lock"
    command = [sys.executable, "-c", HOLD, str(lock)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(MachineryError) as caught, alone(lock, "the loop runs", tmp_path):
            pass
        other.kill()
        other.wait()

    with alone(lock, "the loop runs"):
        pass
    assert str(caught.value) == (
        f"{tmp_path}: the loop runs\n  hint: wait for it, or end it: the lock goes with its process"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="pipes with names")
def test_what_is_no_regular_file_is_written_into_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        with whole_file(pipe) as file:
            file.write("said")

        assert os.read(reader, 10) == b"said"
        assert pipe.is_fifo()
    finally:
        os.close(reader)


@pytest.mark.parametrize("name", ["", ".", "..", "/", "folder"])
def test_a_folder_is_no_file_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()

    with pytest.raises(IsADirectoryError), whole_file(Path(name)):
        pass
