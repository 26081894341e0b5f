"""Work for one process at a time: another one is told, and the lock goes with its holder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.common import MachineryError, alone, make_folder, whole_file

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


def test_a_folder_is_made_with_those_above_it_and_none_too_deep(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    with pytest.raises(OSError, match="File name too long") as caught:
        make_folder(tmp_path.joinpath(*["d"] * 1_000))

    assert caught.value.errno == errno.ENAMETOOLONG
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_is_told_with_the_path() -> None:
    with (
        pytest.raises(OSError, match="No space left") as caught,
        whole_file(Path("/dev/full")) as f,
    ):
        f.write("said")

    assert caught.value.filename == "/dev/full"
