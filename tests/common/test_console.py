"""The console: wide and whole lines in a pipe, the terminal's own width on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.table import Table

from harness.common.console import PIPE_WIDTH, Terminal

PATH = "/srv/models/" + "a-long-folder/" * 10 + "scorecard.html"


def written(text: str, **options: object) -> list[str]:
    """The lines of a message on a console that writes into memory, as into a pipe."""
    file = io.StringIO()
    Terminal(file=file, **options).print(text, highlight=False)
    return file.getvalue().splitlines()


def test_a_path_is_whole_in_a_pipe() -> None:
    message = f"{'word ' * 30}{PATH}: cannot be read"

    assert written(message) == [message]


def test_a_log_with_colours_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = Terminal(file=io.StringIO())

    assert (console.width, console.soft_wrap) == (PIPE_WIDTH, True)


def test_a_terminal_wraps_at_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    lines = written("word " * 30, width=40, force_terminal=True)

    assert [len(line.rstrip()) <= 40 for line in lines] == [True] * 4


def test_tables_are_wide_in_a_pipe_and_as_wide_as_columns_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert Terminal(file=io.StringIO()).width == PIPE_WIDTH
    monkeypatch.setenv("COLUMNS", "200")
    assert Terminal(file=io.StringIO()).width == 200


def test_a_wide_table_keeps_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    file = io.StringIO()
    table = Table(box=None, show_header=False, padding=0)
    table.add_row("x" * 100)
    Terminal(file=file).print(table)

    assert file.getvalue().splitlines()[0].rstrip() == "x" * 100


def test_a_pipe_that_is_closed_is_an_error_as_any_other() -> None:
    with pytest.raises(BrokenPipeError):
        Terminal(file=io.StringIO()).on_broken_pipe()
