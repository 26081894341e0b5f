"""Progress: a bar on a terminal, a line now and then elsewhere."""

import io

from rich.console import Console

from harness.reports import Progress
from harness.runner.events import Completed, Finished, Note, Planned, Reused


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_pipe_gets_a_line_every_half_minute() -> None:
    file, clock = io.StringIO(), Clock()
    with Progress(Console(file=file, width=100), clock=clock) as progress:
        progress(Planned(trials=240, requests=240))
        progress(Reused(60))
        for _ in range(9):
            clock.now += 10
            progress(Completed(10, 500))
        progress(Finished(90, 60))
    assert file.getvalue().splitlines() == [
        "90 of 240 answers · 50 tokens/s · 60 from the store · 2 min 30 s left",
        "120 of 240 answers · 50 tokens/s · 60 from the store · 2 min 00 s left",
        "150 of 240 answers · 50 tokens/s · 60 from the store · 1 min 30 s left",
    ]


def test_a_short_run_in_a_pipe_is_silent() -> None:
    file = io.StringIO()
    with Progress(Console(file=file), clock=Clock()) as progress:
        progress(Planned(trials=2, requests=2))
        progress(Completed(2, 10))
        progress(Finished(2, 0))
    assert file.getvalue() == ""


def test_a_note_is_printed_as_text() -> None:
    file = io.StringIO()
    with Progress(Console(file=file, width=80)) as progress:
        progress(Note("row 7 was damaged [bold]"))
    assert file.getvalue() == "note: row 7 was damaged [bold]\n"


def test_a_terminal_gets_a_bar_with_speed_and_answers_from_the_store() -> None:
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=True, color_system=None)
    with Progress(console, clock=Clock()) as progress:
        progress(Planned(trials=240, requests=240))
        progress(Reused(60))
        progress(Completed(20, 500))
    assert "80/240" in file.getvalue()
    assert "60 from the store" in file.getvalue()
    assert "tokens/s" in file.getvalue()
