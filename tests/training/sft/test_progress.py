"""Tests of what a person sees while a training runs."""

from __future__ import annotations

import io

from rich.console import Console

from harness.training.sft import (
    Evaluated,
    Event,
    Saved,
    Started,
    Stepped,
    TrainingNote,
    TrainingProgress,
)

STARTED = Started(1, "cpu", "float32", 32, 8, 40, 0, 10, 8, 2, False, 1000)


def seen(*events: Event, terminal: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=200, force_terminal=terminal)
    ticks = iter(range(0, 10_000, 40))
    with TrainingProgress(console, clock=lambda: float(next(ticks))) as progress:
        for event in events:
            progress(event)
    return stream.getvalue()


def test_the_beginning_is_said() -> None:
    assert seen(STARTED) == (
        "training: 10 steps over 32 samples (8 held out) on cpu in float32; 8 at once, 2 times a "
        "step; 1,000 parameters; 40 prompts proven to be as at inference\n"
    )


def test_elsewhere_than_on_a_terminal_lines_tell_of_the_steps() -> None:
    step = Stepped(2, 10, 1.5, 1e-3, 1.0, 500, 0.5)

    assert seen(step) == "step 2 of 10 · loss 1.5000 · 1,000 tokens/s · 4 s left\n"


def test_the_held_out_loss_and_notes_are_said() -> None:
    assert seen(
        Evaluated(4, 0.25, best=True), TrainingNote("memory ran out"), Saved(4, "out/c")
    ) == ("step 4: held out 0.2500, the best\nnote: memory ran out\nstep 4: saved as out/c\n")


def test_a_terminal_shows_a_bar() -> None:
    steps = [Stepped(at, 10, 1.5, 1e-3, 1.0, 500, 0.5) for at in (1, 2)]

    shown = seen(STARTED, *steps, terminal=True)

    assert "2/10" in shown
    assert "loss 1.5000 · 1,000 tokens/s" in shown
