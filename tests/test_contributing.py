"""The lines that CONTRIBUTING.md shows stand in the files that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DIFFS: list[str] = re.findall(
    r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.mark.parametrize("diff", DIFFS)
def test_what_is_shown_is_there(diff: str) -> None:
    first, *lines = diff.splitlines()
    assert first.startswith("+++ b/"), first
    text = (ROOT / first.removeprefix("+++ b/")).read_text(encoding="utf-8")
    have = {line.rstrip() for line in text.splitlines()}

    assert [line for line in lines if line[1:].rstrip() not in have] == []


def test_something_is_shown() -> None:
    assert DIFFS
