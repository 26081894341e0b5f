"""Reasoning is taken out once, before any check."""

from __future__ import annotations

import pytest

from harness.scorers.reasoning import strip_reasoning


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ("Yes.", "Yes."),
        (" [1]\n", " [1]\n"),
        ("", ""),
        ("<think>Hm.</think>\n\nYes.", "Yes."),
        ("<think>\n\n</think>\n\nYes.\n", "Yes.\n"),
        ("<THINK>Hm.</Think>Yes.", "Yes."),
        ("<think>a<think>b</think>c</think>Yes.", "Yes."),
        ("One <think>a</think>two <think>b</think>three", "One two three"),
        ("<think>never closed", ""),
        ("Yes. <think>or not", ""),
        ("<think>a</think>Yes.<think>b", ""),
        ("the template opened it</think>\nYes.", "Yes."),
        ("a</think>b</think>Yes.", "Yes."),
        ("<think>a</think>b</think>Yes.", "Yes."),
        ("Write `<think>` first.", "Write `<think>` first."),
        ("<think>so `</think>` ends it</think>Yes.", "Yes."),
        ("<thinking>is part of the answer", "<thinking>is part of the answer"),
        ("</think>", ""),
    ],
)
def test_default_tags(raw: str, answer: str) -> None:
    assert strip_reasoning(raw) == answer


def test_tags_of_ones_own() -> None:
    assert strip_reasoning("[T]a[/T]b", [("[T]", "[/T]")]) == "b"
    assert strip_reasoning("<reason>a</reason>b", ["reason"]) == "b"
    assert strip_reasoning("<think>a</think>b", ["reason"]) == "<think>a</think>b"
    assert strip_reasoning("<think>a", []) == "<think>a"


def test_a_megabyte_of_tags_is_read() -> None:
    assert strip_reasoning("<think>" * 150_000) == ""
    assert strip_reasoning("</think>" * 150_000) == ""
