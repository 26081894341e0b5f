"""Places in TOML files: of keys and values, in tables of every form."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.common.toml_positions import TomlPlace, find_place

ROOT = Path(__file__).parents[2]
TEXT = '''# a comment with [brackets] = and "quotes"
model = "m" # "another = comment"
"quoted key" = 1
a.b . "c.d" = { x = 1, y = [ 2,
  # inside
  "th]ree", ['}', {z = 4}],
] }
long = """
fake = 1
[fake]
ends in a quote: """"
raw = \'\'\'fake = 2\'\'\'
[variants.new]
adapter = 'x'
sampling = {temperature = 0.5, "top_p" = 1}
[ tool . harness ]
model = 1979-05-27T07:32:00Z
'''
TABLE = [
    (("model",), TomlPlace(2, 1), TomlPlace(2, 9)),
    (("quoted key",), TomlPlace(3, 1), TomlPlace(3, 16)),
    (("a",), TomlPlace(4, 1), TomlPlace(4, 1)),
    (("a", "b"), TomlPlace(4, 3), TomlPlace(4, 3)),
    (("a", "b", "c.d"), TomlPlace(4, 7), TomlPlace(4, 15)),
    (("a", "b", "c.d", "x"), TomlPlace(4, 17), TomlPlace(4, 21)),
    (("a", "b", "c.d", "y", 0), TomlPlace(4, 30), TomlPlace(4, 30)),
    (("a", "b", "c.d", "y", 1), TomlPlace(6, 3), TomlPlace(6, 3)),
    (("a", "b", "c.d", "y", 2, 0), TomlPlace(6, 14), TomlPlace(6, 14)),
    (("a", "b", "c.d", "y", 2, 1, "z"), TomlPlace(6, 20), TomlPlace(6, 24)),
    (("long",), TomlPlace(8, 1), TomlPlace(8, 8)),
    (("raw",), TomlPlace(12, 1), TomlPlace(12, 7)),
    (("variants",), TomlPlace(13, 2), TomlPlace(13, 1)),
    (("variants", "new", "adapter"), TomlPlace(14, 1), TomlPlace(14, 11)),
    (("variants", "new", "sampling", "temperature"), TomlPlace(15, 13), TomlPlace(15, 27)),
    (("variants", "new", "sampling", "top_p"), TomlPlace(15, 32), TomlPlace(15, 42)),
    (("tool", "harness", "model"), TomlPlace(17, 1), TomlPlace(17, 9)),
]


@pytest.mark.parametrize(("loc", "key", "value"), TABLE)
def test_every_form_has_its_place(
    loc: tuple[str | int, ...], key: TomlPlace, value: TomlPlace
) -> None:
    tomllib.loads(TEXT)  # what is scanned is valid

    assert find_place(TEXT, loc, of_key=True) == key
    assert find_place(TEXT, loc) == value


def test_what_is_not_there_has_the_place_around_it() -> None:
    assert find_place(TEXT, ("variants", "new", "sampling", "top_k")) == TomlPlace(15, 12)
    assert find_place(TEXT, ("nowhere",)) == TomlPlace(0, 0)


def leaves(value: Any, loc: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, (*loc, key))
    elif loc and isinstance(value, str | int | float):
        yield loc


def test_every_key_of_a_real_file_is_found_where_it_stands() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lines = text.splitlines()
    found = list(leaves(tomllib.loads(text)))

    assert len(found) > 10
    for loc in found:
        line, column = find_place(text, loc, of_key=True)
        assert lines[line - 1][column - 1 :].lstrip("\"'").startswith(str(loc[-1]))


PIECES = st.sampled_from([*"a=[]{},#\n ", "b.c", "= 1\n", "[[", "'x'", '"y"', "'''", '"""'])


@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_valid_file_is_walked_to_its_end(text: str) -> None:
    try:
        value = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return

    for loc in leaves(value):
        assert find_place(text, loc) != TomlPlace(0, 0)
