"""Disks that are full or read-only, files that are locked: a clear message, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.store import Store, verify
from tests.evaluation.worker import engine, plan
from tests.evaluation.worlds import go

ROOT = Path(__file__).parents[2]


def work(store: Path, *options: str, cases: int = 400) -> subprocess.CompletedProcess[str]:
    """A run in another process."""
    command = [sys.executable, "-m", "tests.evaluation.worker", str(store), "run", str(cases), "0"]
    return subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def reported(output: str) -> int:
    """How many answers a worker said were done."""
    lines = (line.split() for line in output.splitlines())
    return sum(int(words[1]) for words in lines if words[0] == "answers")


def check_nothing_was_lost(store: Path, output: str) -> None:
    """The next run has all that was reported from the store, and makes only the rest."""
    counts, results = go(store, plan(400), engine())

    assert counts.cached >= reported(output) > 0
    assert counts.generated > 0
    assert {str(result.outcome) for result in results} == {"pass"}
    assert verify(store).faults == ()


def test_a_file_that_may_not_grow_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    """As a quota does."""
    path = tmp_path / "db"

    worker = work(path, "--limit", "600000")

    assert worker.returncode == 3
    assert worker.stderr.splitlines()[0] in (
        f"{path}: no space left for the store",
        f"{path}: the disk refused to read or write the store",
    )
    assert worker.stderr.splitlines()[-1].endswith("finished answers are kept")
    check_nothing_was_lost(path, worker.stdout)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of one megabyte."""
    place = Path(tempfile.mkdtemp())
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        place.rmdir()
        pytest.skip("mounting a small file system takes an administrator")
    yield place
    subprocess.run(["umount", str(place)], check=True)
    place.rmdir()


def test_a_full_disk_ends_the_run_and_loses_nothing(small_disk: Path) -> None:
    path = small_disk / "db"

    worker = work(path)

    assert worker.returncode == 3
    assert worker.stderr == (
        f"{path}: no space left for the store\n"
        "  found: database or disk is full\n"
        "  hint: free some space and run the same command again: finished answers are kept\n"
    )
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    check_nothing_was_lost(path, worker.stdout)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that everybody may read and nobody may write."""
    place = Path(tempfile.mkdtemp())
    yield place
    place.chmod(0o755)
    for file in place.iterdir():
        file.unlink()
    place.rmdir()


@pytest.mark.parametrize("there", [False, True])
def test_a_read_only_folder_is_said_before_anything_is_generated(
    read_only: Path, there: bool
) -> None:
    path = read_only / "db"
    if there:
        Store(path).close()
        path.chmod(0o444)
    read_only.chmod(0o555)

    worker = work(path, "--unprivileged")

    assert worker.returncode == 2
    assert worker.stdout == ""
    lines = worker.stderr.splitlines()
    assert lines[0] == f"{path}: the store cannot be written"
    assert lines[-1] == (
        "  hint: give yourself write permission to the file and its folder, or name another file"
    )


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    worker = work(tmp_path / "file" / "db")

    assert worker.returncode == 2
    assert worker.stderr.startswith(f"{tmp_path}/file/db: the store cannot be opened\n")


def test_a_writer_waits_for_another_one(tmp_path: Path) -> None:
    """The other one holds the file for a moment in the middle of the run."""
    path = tmp_path / "db"
    Store(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    command = [sys.executable, "-m", "tests.evaluation.worker", str(path), "run", "5", "0"]
    worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(timeout=2)
    other.execute("COMMIT")
    other.close()

    assert worker.communicate(timeout=60)[0].count("done") == 10
    assert worker.returncode == 0
