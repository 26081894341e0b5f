"""Tests of events as lines."""

from __future__ import annotations

import pytest

from harness.training.sft import Evaluated, Event, Saved, Started, Stepped, TrainingNote
from harness.training.sft.job import TrainingFailed, from_line, to_line

EVENTS = (
    Started(1, "cpu", "float32", 10, 2, 12, 0, 5, 8, 2, False, 1000),
    Stepped(1, 5, 0.5, 1e-4, 1.0, 300, 0.25),
    Evaluated(5, 0.25, best=True),
    Saved(5, "out/checkpoint-5"),
    TrainingNote("a note\nof two lines"),
    TrainingFailed("what", "found", "hint"),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives_its_line(event: Event) -> None:
    line = to_line(event)

    assert line.count("\n") == 1
    assert from_line(line) == event


@pytest.mark.parametrize("line", ["", "{", "[]", '{"event": "none"}', '{"event": "saved"}'])
def test_half_a_line_is_no_event(line: str) -> None:
    with pytest.raises(ValueError):
        from_line(line)
