"""Progress: a bar on a terminal, a line now and then elsewhere."""

import io
import re

from rich.console import Console

from harness.reports import Progress
from harness.results import Completed, Event, Finished, Note, Planned, Reused, Waiting


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


def test_the_first_answer_of_a_server_that_warms_up_says_nothing_about_the_time_left() -> None:
    file, clock = io.StringIO(), Clock()
    with Progress(Console(file=file, width=100), clock=clock) as progress:
        progress(Planned(trials=84, requests=84))
        clock.now += 31
        progress(Completed(1, 31))
        clock.now += 30
        progress(Completed(12, 600))
    assert file.getvalue().splitlines() == [
        "1 of 84 answers · 1 tokens/s",
        "13 of 84 answers · 20 tokens/s · 2 min 58 s left",
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


def drawn(*steps: Event | float, width: int = 80) -> str:
    """The last state of the bar after these events; a number lets so many seconds pass."""
    file, clock = io.StringIO(), Clock()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    with Progress(console, clock=clock) as progress:
        for step in steps:
            if isinstance(step, float):
                clock.now += step
            else:
                progress(step)
    states = [part for part in re.split(r"[\r\n]|\x1b\[[?\d;]*[A-Za-z]", file.getvalue()) if part]
    return " ".join(re.sub("[━╸╺]+", "━", states[-1]).split())


def test_a_terminal_of_80_columns_shows_answers_speed_and_time_left() -> None:
    events = (Planned(2_400, 2_400), Reused(600), Waiting("loading the model"), 20.0)

    answers = (Completed(20, 2_000), 10.0, Completed(200, 24_000))

    bar, wide = drawn(*events, *answers), drawn(*events, *answers, width=100)

    assert bar == "answering ━ 820/2,400 · 2,400 tokens/s · 1 min 19 s left"
    assert wide == f"{bar} · 600 from the store"


def test_a_bar_says_what_it_waits_for_and_how_long() -> None:
    bar = drawn(Planned(240, 240), Waiting("loading the model"), 12.0)

    assert bar == "loading the model, 12 s 0/240"


def test_before_the_plan_there_is_nothing_to_count() -> None:
    assert drawn() == "answering ━"


def test_loading_a_second_model_is_said_and_counts_into_no_speed() -> None:
    first = (Planned(40, 40), Waiting("loading one"), 9.0, Completed(10, 90), 5.0)
    second = (Completed(10, 500), Waiting("loading two"), 30.0)

    assert drawn(*first, *second) == "loading two, 30 s ━ 20/40"
    assert drawn(*first, *second, Completed(1, 9), 2.0, Completed(9, 80)) == (
        "answering ━ 30/40 · 40 tokens/s · 2 s left"
    )


def test_what_matters_least_is_left_out_where_there_is_no_room() -> None:
    events = (Planned(2_400, 2_400), Reused(600), Completed(20, 2_000), 10.0)

    bar = drawn(*events, Completed(200, 24_000), width=50)

    assert bar == "answering ━ 820/2,400 · 2,400 tokens/s"


def test_no_speed_is_made_up_from_a_moment() -> None:
    assert drawn(Planned(9, 9), Completed(3, 900), 0.1, Completed(3, 900)) == "answering ━ 6/9"
