from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.training.contamination.ordinary import ordinary
from harness.training.contamination.words import ngrams, squeezed, words

SAMPLE = Path(__file__).parent / "data" / "ordinary.jsonl"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Flute, please!", ("the", "flute", "please")),
        ("7,858,243 or 7 858 243", ("7858243", "or", "7858243")),
        ("7858243 100", ("7858243", "100")),
        ("583.31 euros", ("583", "31", "euros")),
        ("ＡＢ１２", ("ab12",)),
        ("在房间9523", ("在", "房", "间", "9523")),
        ("", ()),
    ],
)
def test_words_are_small_and_bare(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected


def test_squeezed_texts_are_letters_alone() -> None:
    assert squeezed("A b,\nC-3!") == "abc3"


def test_ngrams_are_runs_of_words() -> None:
    assert list(ngrams(("a", "b", "c"), 2)) == [("a", "b"), ("b", "c")]
    assert list(ngrams(("a",), 2)) == []


def test_signs_without_spaces_count_half() -> None:
    said = words("我们的会议 now")

    assert ["".join(run) for run in ngrams(said, 2)] == [
        "我们的会",
        "们的会议",
        "的会议now",
        "会议now",
    ]


def test_ordinary_answers_are_told_from_made_up_ones_on_a_labelled_sample() -> None:
    sample = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    runs = {words(one["text"]): one["ordinary"] for one in sample}

    found = [runs[run] for run in ordinary(runs)]

    # docs/training-data.md has these figures: what is missed are runs of four words, and titles.
    assert (list(runs.values()).count(True), found.count(True)) == (60, 53)
    assert (list(runs.values()).count(False), found.count(False)) == (30, 0)
