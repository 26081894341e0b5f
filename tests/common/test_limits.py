"""How reasons show values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.common import shown


@given(st.text(alphabet="aé'\"\\\n\r\t\x1b\x7f\xa0\xad\u200b\u2028\u3000\ud800\U0001f600 "))
def test_texts_are_shown_as_repr_shows_them(text: str) -> None:
    assert shown(text, 1_000) == repr(text)


def test_long_texts_are_cut() -> None:
    assert shown("é" * 7, 5) == "'ééééé'..."


def test_new_letters_look_the_same_on_every_version_of_python() -> None:
    """This one came with Unicode 15: Python 3.11 takes it for unprintable."""
    assert shown("\U0001e030") == "'\U0001e030'"
