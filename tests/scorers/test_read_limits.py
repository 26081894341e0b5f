"""Checks that read long answers only in part say so."""

from __future__ import annotations

from typing import Any

import pytest

from harness.scorers import Answer, Context, parse_check

_LONG = "Привет, мир и друзья! Сегодня хороший день. "


@pytest.mark.parametrize(
    ("check", "read"),
    [
        ("complies", 20_000),
        ("refuses", 20_000),
        ({"no_code_switching": {"is": "ru"}}, 40_000),
        ({"script": "cyrillic"}, 200_000),
        ({"language": {"is": "ru", "among": ["ru"]}}, 200_000),
    ],
)
def test_what_was_read_is_said_where_it_is_not_all(check: Any, read: int) -> None:
    name = check if isinstance(check, str) else next(iter(check))
    cut = parse_check(check)(Answer(_LONG * (read // len(_LONG) + 2)), Context())
    whole = parse_check(check)(Answer(_LONG), Context())

    assert cut.detail["read"] == read, name
    assert "read" not in whole.detail
