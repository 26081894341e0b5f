"""The engine replay: recorded answers, and errors where there are none."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from harness.backends import Address, Backend, BackendOptions, Completion, Request, open_backend
from harness.backends.replay import recording
from harness.common import InputError, Message, Sampling, Variant

ROWS: list[dict[str, Any]] = [
    {"case": "one", "response": "twelve chars"},
    {"case": "one", "repeat": 1, "response": "again", "finish_reason": "length",
     "prompt_tokens": 40, "completion_tokens": 2},
    {"case": "chat", "variant": "tuned", "responses": ["first", "second"],
     "finish_reason": "length", "prompt_tokens": 99},
    {"case": "lost", "outcome": "error", "response": "half", "reason": "out of memory"},
    {"case": "long", "outcome": "skipped", "responses": []},
]  # fmt: skip


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return open_backend("replay", BackendOptions(responses=file))


def answer(backend: Backend, case: str, variant: str = "base", **more: int) -> Completion:
    chosen = Variant(variant, "recorded")
    prompt = backend.prompt((Message("user", "Hi"),), chosen)
    request = Request("key", Address(case, variant, **more), chosen, prompt, Sampling())
    [(_, completion)] = backend.generate([request])
    return completion


def test_an_answer_comes_back_with_estimated_counts(backend: Backend) -> None:
    assert answer(backend, "one") == Completion("twelve chars", "stop", 5, 3, counted=False)


def test_what_was_recorded_about_an_answer_holds(backend: Backend) -> None:
    assert answer(backend, "one", repeat=1) == Completion("again", "length", 40, 2)


def test_turns_are_answered_in_order_and_the_last_one_ended_as_recorded(backend: Backend) -> None:
    first = Completion("first", "stop", 5, 2, counted=False)
    assert answer(backend, "chat", "tuned", turn=0) == first
    second = Completion("second", "length", 5, 2, counted=False)
    assert answer(backend, "chat", "tuned", turn=1) == second


@pytest.mark.parametrize(
    ("case", "turn", "error"),
    [
        ("unrecorded", 0, "none is recorded"),
        ("one", 1, "none is recorded for turn 2"),
        ("lost", 0, "recorded without an answer: out of memory"),
        ("long", 0, "recorded without an answer: no reason is recorded"),
    ],
)
def test_no_answer_is_an_error_and_never_an_empty_answer(
    case: str, turn: int, error: str, backend: Backend
) -> None:
    assert answer(backend, case, turn=turn) == Completion("", "error", error=error)


def test_files_differ_in_the_fingerprint_and_not_in_the_environment(
    backend: Backend, tmp_path: Path
) -> None:
    other_file = tmp_path / "other.jsonl"
    other_file.write_text('{"case": "one", "response": "other"}\n')
    other = open_backend("replay", BackendOptions(responses=other_file))
    base, tuned = Variant("base", "recorded"), Variant("tuned", "recorded")

    assert backend.environment(base) == other.environment(tuned)
    assert backend.environment(base).addressed
    assert len({b.fingerprint(v).weights for b in (backend, other) for v in (base, tuned)}) == 4


def test_execution_names_the_file(backend: Backend, tmp_path: Path) -> None:
    assert backend.execution() == {"responses": str(tmp_path / "answers.jsonl")}


def test_replay_without_a_file_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        open_backend("replay")

    assert str(caught.value) == (
        "backend 'replay' needs recorded answers\n  hint: add --responses FILE.jsonl"
    )


def test_a_file_is_read_once_as_long_as_it_stays_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text('{"case": "a", "response": "x"}\n')
    os.utime(file, (1_000_000, 1_000_000))
    first = recording(file)

    assert recording(file) is first
    file.write_text('{"case": "a", "response": "y"}\n')
    assert recording(file) is not first
    assert recording(file) is not recording(file)  # written just now
    os.utime(file, (1_000_000, 1_000_000))
    again = recording(file)
    assert again is not first
    assert again.digest != first.digest
    file.unlink()
    with pytest.raises(InputError, match="cannot read"):
        recording(file)


def test_tokens_of_several_steps_are_shared_out_by_their_length(tmp_path: Path) -> None:
    file = tmp_path / "steps.jsonl"
    texts = ["a" * 30, "b" * 30, "c" * 41, ""]
    steps = [{"turn": 0, "text": text} for text in texts]
    row = {"case": "one", "steps": steps, "prompt_tokens": 9, "completion_tokens": 20}
    file.write_text(json.dumps(row) + "\n")
    backend = open_backend("replay", BackendOptions(responses=file))

    answers = [answer(backend, "one", step=number) for number in range(4)]

    assert [each.completion_tokens for each in answers] == [5, 6, 9, 0]
    assert [each.prompt_tokens for each in answers] == [0, 0, 0, 9]
    assert all(each.counted for each in answers)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"response": None, "error": "timeout"}, "timeout"),
        ({"response": "hello", "error": {"code": 500}}, '{"code": 500}'),
        ({"error": "gone", "reason": "the server was down"}, "the server was down"),
        ({"steps": [{"turn": 0, "text": "half", "finish_reason": "error"}]}, "no reason"),
        ({"steps": [{"turn": 0, "text": "half"}, {"turn": 1, "error": "x"}]}, "no reason"),
    ],
)
def test_what_went_wrong_is_no_answer_by_whichever_name(
    tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps({"case": "one", **row}) + "\n")

    done = answer(open_backend("replay", BackendOptions(responses=file)), "one")

    assert done.finish_reason == "error" and reason in done.error


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"response": "x", "outcome": "eror"}, "'outcome' is wrong\n  found: \"eror\""),
        ({"response": "x", "outcome": "Error"}, "did you mean: error"),
        ({"response": "x", "finish_reason": "ERROR"}, "did you mean: error"),
        ({"response": "x", "outcome": "skip"}, "did you mean: skipped"),
        ({"steps": [{"text": "x", "finish_reason": "errored"}]}, "steps[0]: 'finish_reason' is"),
    ],
)
def test_a_misspelt_word_for_no_answer_is_told(
    tmp_path: Path, row: dict[str, Any], said: str
) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text(json.dumps({"case": "one", **row}) + "\n")

    with pytest.raises(InputError, match=re.escape(said)):
        recording(file)


def test_words_of_others_for_an_answer_that_is_there_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    row = {
        "case": "one",
        "response": "hi",
        "outcome": "correct",
        "finish_reason": "eos",
        "error": "",
    }
    file.write_text(json.dumps(row) + "\n")

    assert answer(open_backend("replay", BackendOptions(responses=file)), "one").text == "hi"
