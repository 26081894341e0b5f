"""Numbers in running text."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scorers.numbers import Convention, numbers, plain


def _values(text: str, convention: Convention = "auto") -> list[Fraction]:
    return [number.value for number in numbers(plain(text), convention)]


@given(st.integers(-(10**12), 10**12))
def test_grouped_integers_are_read(number: int) -> None:
    for group in (",", "_", "\u202f", "'"):
        text = f"{number:,}".replace(",", "" if group == "_" else group)
        expected = Fraction(number)
        assert _values(f"It is {text}.", "point") == [expected]


@given(st.decimals(-(10**9), 10**9, places=2, allow_nan=False))
def test_both_conventions_say_the_same(number: object) -> None:
    point = f"{number:,}"
    comma = point.translate(str.maketrans(",.", ".,"))

    assert _values(point, "point") == _values(comma, "comma") == [Fraction(str(number))]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("3 of 12 cost 4.50 each", ["3", "12", "4.5"]),
        ("2024-05-01, 10:30, 1.2.3, 192.168.0.1, 5/6/2024", []),
        ("from 3-5 to -7", ["3", "5", "-7"]),
        ("x1 a2b 3c", ["3"]),
        ("1 234 5", ["1234", "5"]),
        ("1 2345", ["1", "2345"]),
        ("-1/4 and 2½", ["-1/4", "5/2"]),
        ("5e-3; 2*10^3", ["1/200", "2000"]),
        ("1e999999999", []),
        ("9" * 2000, []),
        ("**42**", ["42"]),
        ("$-3, -$4, (5)", ["-3", "-4", "5"]),
        ("42.\n7", ["42", "7"]),
        ("约35分到40分, 第3章, 제3장", ["35", "40", "3", "3"]),
        ("코로나-19, 0.5到-3, 3e8米", ["19", "1/2", "-3", "300000000"]),
    ],
)
def test_table(text: str, values: list[str]) -> None:
    assert _values(text) == [Fraction(value) for value in values]


@given(st.text())
def test_places_are_right(text: str) -> None:
    text = plain(text)
    found = list(numbers(text))

    assert all(text[n.start : n.end] == n.text for n in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
