"""Which words differ between two answers."""

from __future__ import annotations

import pytest

from harness.viewer.cases import MOST_WORDS, differences


def marked(pieces: list[tuple[str, bool]]) -> str:
    return "".join(f"[{text}]" if differs else text for text, differs in pieces)


@pytest.mark.parametrize(
    ("left", "right", "first", "second"),
    [
        ("in 5 days", "in 7 days", "in [5 ]days", "in [7 ]days"),
        ("a b c", "a b c", "a b c", "a b c"),
        ("Grüße, Lina", "Grüße, Lena", "Grüße, [Lina]", "Grüße, [Lena]"),
        ("a b c d", "a b d", "a b [c ]d", "a b d"),
        ("我们明天去", "我们今天去", "我们[明]天去", "我们[今]天去"),
        ("line\none", "line\none more", "line\n[one]", "line\n[one more]"),
        ("नमस्ते दुनिया आज", "नमस्ते दुनिया कल", "नमस्ते दुनिया [आज]", "नमस्ते दुनिया [कल]"),
    ],
)
def test_words_that_differ(left: str, right: str, first: str, second: str) -> None:
    found = differences(left, right)
    assert found is not None
    assert (marked(found[0]), marked(found[1])) == (first, second)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("alpha beta gamma", "eins zwei drei"),
        ("a " * (MOST_WORDS + 1), "a b"),
        ("a b", "a " * (MOST_WORDS + 1)),
    ],
)
def test_texts_that_are_not_marked(left: str, right: str) -> None:
    assert differences(left, right) is None


@pytest.mark.parametrize("left", ["", "a", "\x00\u202e", "e\u0301 " * 500, "a" * 100_000])
def test_nothing_of_a_text_is_lost(left: str) -> None:
    right = f"{left} and more"
    if (found := differences(left, right)) is not None:
        assert "".join(text for text, _ in found[0]) == left
        assert "".join(text for text, _ in found[1]) == right
