"""The bar is a guest on pytest's terminal: pytest's own lines are as they would be without it."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest._io import TerminalWriter

from harness.pytest_plugin.batch import ERASE, Guest
from tests.recorded_project import Record

ROOT = Path(__file__).parents[2]


def on_a_terminal(folder: Path, *words: str) -> str:
    """What pytest writes on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65_536):
            written += chunk
    except OSError:  # Linux says so where the other end is closed
        pass
    finally:
        os.close(ours)
        process.wait()
    return written.decode()


def seen(written: str) -> list[str]:
    """The lines as a terminal shows them in the end, without colours."""
    lines = [""]
    for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r?\n|\r|[^\x1b\r\n]+", written):
        if part.endswith("\n"):
            lines.append("")
        elif part == "\x1b[1A":
            lines.pop()
        elif part in ("\x1b[2K", "\r"):
            lines[-1] = "" if part == "\x1b[2K" else lines[-1]
        elif not part.startswith("\x1b"):
            lines[-1] += part
    return lines


@pytest.mark.parametrize("where", ["terminal", "pipe"])
def test_the_first_dot_stands_behind_the_file(
    project: pytest.Pytester, record: Record, where: str
) -> None:
    record({"base": "+" * 12})

    if where == "terminal":
        written = on_a_terminal(project.path, "suites")
        assert "12/12" in written
        lines = seen(written)
    else:
        lines = project.runpytest_subprocess("suites").outlines

    dots = [line for line in lines if line.startswith("suites/colours.yaml")]
    assert [re.sub(r"\s+", " ", line) for line in dots] == [
        "suites/colours.yaml ............. [100%]"
    ]
    assert not [line for line in lines if re.fullmatch(r"\.+.*", line)]


@pytest.mark.parametrize(
    ("erases", "written"),
    [
        (False, "suites/a.yaml ..\nnote: one\nnote: two\nsuites/a.yaml .."),
        (True, f"suites/a.yaml ..{ERASE}note: one\nnote: two\nsuites/a.yaml .."),
    ],
)
def test_pytest_s_line_is_given_back_after_lines_of_ours(erases: bool, written: str) -> None:
    file = io.StringIO()
    writer = TerminalWriter(file)
    writer.write("suites/a.yaml ")
    writer.write("..")

    guest = Guest(writer, erases=erases)
    guest.write("note: one\n")
    guest.write("note: two\n")
    guest.leave()

    assert file.getvalue() == written


def test_nothing_changes_where_nothing_is_written() -> None:
    file = io.StringIO()
    writer = TerminalWriter(file)
    writer.write("suites/a.yaml ")

    Guest(writer, erases=True).leave()

    assert file.getvalue() == "suites/a.yaml "
