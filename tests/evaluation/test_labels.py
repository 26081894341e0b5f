"""Files of labels: every form that is read, and what is said of lines that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.common import InputError
from harness.evaluation.labels import read_labels

TEXT = {"prompt": "Hello?", "answer": "Good morning!"}
GOOD: dict[str, tuple[dict[str, Any], str, str]] = {
    "good": ({**TEXT, "label": "good"}, "pass", "pass"),
    "false": ({**TEXT, "label": False}, "pass", "fail"),
    "incorrect": ({"question": "?", "response": "x", "label": "Incorrect"}, "pass", "fail"),
    "a score": ({**TEXT, "score": 4}, "rating", "4"),
    "a rating as a decimal": ({**TEXT, "rating": 5.0}, "rating", "5"),
    "a refusal": ({**TEXT, "label": "partial"}, "refusal", "partial"),
    "the second answer": ({"prompt": "?", "a": "x", "b": "y", "preferred": "b"}, "choice", "B"),
    "neither answer": (
        {"prompt": "?", "answer_a": "x", "answer_b": "y", "choice": "TIE"},
        "choice",
        "tie",
    ),
    "of a case": ({"case": "c1", "variant": "new", "score": 1}, "rating", "1"),
    "a variant of a case": ({"case": "c1", "preferred": "new"}, "choice", "new"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_line_is_read(name: str, tmp_path: Path) -> None:
    row, kind, value = GOOD[name]
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(row) + "\n\n")

    (label,) = read_labels(path)

    assert (label.kind, label.value, label.line, label.rater) == (kind, value, 1, "one person")


# What the second line is, and what is said of it: message, found, expected, hint.
BAD: dict[str, tuple[object, tuple[str, ...]]] = {
    "no JSON": ('{"prompt": ', ("not valid JSON",)),
    "no object": ([1], ("a label is a JSON object", "found: [1]")),
    "no label": (
        TEXT,
        ("the row has no label", "found: keys prompt, answer", "expected: label: good or bad"),
    ),
    "a misspelt label": ({**TEXT, "lable": "good"}, ("no label", "did you mean: label")),
    "two labels": ({**TEXT, "label": "good", "score": 4}, ("2 labels: label, score",)),
    "outside the scale": (
        {**TEXT, "score": 6},
        ("the score is outside its scale", "found: 6", "expected: a whole number from 1 to 5"),
    ),
    "between two scores": ({**TEXT, "score": 3.5}, ("outside its scale", "found: 3.5")),
    "a score in words": ({**TEXT, "score": "4"}, ("outside its scale", "found: '4'")),
    "an unknown word": (
        {**TEXT, "label": "goood"},
        ("none of those that are known", "found: 'goood'", "did you mean: good"),
    ),
    "a number as a label": ({**TEXT, "label": 4}, ("a rating from 1 to 5 is a score",)),
    "a side that is none": (
        {"prompt": "?", "a": "x", "b": "y", "preferred": "C"},
        ("the preference is none", "found: 'C'", "expected: A, B or tie"),
    ),
    "no answer": (
        {"label": "good", "promt": "?"},
        ("the row names no answer", "did you mean: prompt"),
    ),
    "no prompt": (
        {"answer": "x", "label": "good", "promt": "?"},
        ("an answer and no prompt", "did you mean: prompt"),
    ),
    "one answer of two": (
        {**TEXT, "preferred": "A"},
        ("a preference needs two answers", "expected: a and b"),
    ),
    "a label of two answers": (
        {"prompt": "?", "a": "x", "b": "y", "label": "good"},
        ("a label is about one answer", "expected: answer"),
    ),
    "a text that is none": (
        {**TEXT, "label": "good", "rater": 7},
        ("rater is no text", "found: 7"),
    ),
    "a turn that is none": (
        {"case": "c", "label": "good", "turn": -1},
        ("turn is wrong", "expected: a whole number from 0"),
    ),
    "another kind": (
        {**TEXT, "score": 3},
        ("labels of two kinds stand in one file", "found: rating, and pass at line 1"),
    ),
    "a review": (
        {"format": "harness review", "version": 1},
        ("a review that was filled in", "harness review --import"),
    ),
    "a key twice": ('{"prompt": "?", "prompt": "!"}', ("key 'prompt' stands twice",)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_line_that_is_wrong_is_named_with_its_place(name: str, tmp_path: Path) -> None:
    row, expected = BAD[name]
    path = tmp_path / "labels.jsonl"
    second = row if isinstance(row, str) else json.dumps(row)
    path.write_text(json.dumps({**TEXT, "label": "good"}) + "\n" + second + "\n")

    with pytest.raises(InputError) as caught:
        read_labels(path)

    told = str(caught.value)
    assert told.startswith(f"{path}:2")
    for part in expected:
        assert part in told


def test_a_file_without_a_label_is_no_file_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text("\n")

    with pytest.raises(InputError, match="the file holds no label"):
        read_labels(path)
