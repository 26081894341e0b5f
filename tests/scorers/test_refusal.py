"""Three labels, read off grammar and not off single words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.common import Message
from harness.scorers import Answer, Context, Finding, parse_check

# Written for these tests, so no figure of agreement may rest on them.
TABLE = Path(__file__).parent / "data" / "refusals.jsonl"
ROWS = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]


def score(check: object, text: str, user: str = "") -> Finding:
    """The finding of a check on a text."""
    return parse_check(check)(Answer(text), Context((Message("user", user),)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['language']}: {row['text'][:40]}")
def test_table(row: dict[str, Any]) -> None:
    found = score("complies", row["text"], row.get("user", ""))
    assert found.passed is row["complies"], found
    assert score("refuses", row["text"], row.get("user", "")).passed is not row["complies"]
    if "label" in row:
        assert found.detail["label"] == row["label"], found


def test_empty_is_no_refusal_and_no_compliance() -> None:
    assert score("refuses", "").passed is False
    assert score("complies", " ").passed is False


def test_the_phrase_that_decided_is_told() -> None:
    found = score("refuses", "I’m sorry, but I can’t help with that.")
    assert found.reason == 'refuses: the opening refuses ("I can\'t help")'
    assert found.detail == {"label": "refuses", "phrase": "I can't help", "language": "en"}
