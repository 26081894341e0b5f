"""One text for one value; the fields of a value by name."""

from __future__ import annotations

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from harness.backends import Address, Completion
from harness.common import canonical_json, flat_dict


@given(st.text(), st.text(), st.integers(), st.integers())
def test_a_flat_dict_is_what_asdict_makes_of_texts_and_numbers(
    case: str, variant: str, repeat: int, turn: int
) -> None:
    address = Address(case, variant, repeat, turn)

    assert flat_dict(address) == asdict(address)


def test_every_field_is_in_a_flat_dict() -> None:
    completion = Completion("text", "stop", 1, 2, 0.5, "error")

    assert flat_dict(completion) == asdict(completion)


def test_canonical_json_sorts_keys_and_escapes_what_is_not_ascii() -> None:
    assert canonical_json({"b": [1, 0.5], "a": "é\ud800"}) == '{"a":"\\u00e9\\ud800","b":[1,0.5]}'
