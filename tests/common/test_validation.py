"""What pydantic says, in plain words: one problem a place, of whatever kind the value may be."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from harness.common.validation import in_words, one_each, told


class Part(BaseModel):
    path: str


class Settings(BaseModel):
    names: tuple[str, ...] = ()
    either: int | float = 0
    parts: tuple[str | Part, ...] = ()
    url: Annotated[str, Field(pattern="^https?://")] = ""
    code: Annotated[str, Field(pattern="^[A-Z]+$")] = ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"names": "a"},
            {"found": "text 'a'", "expected": "a list", "hint": 'put it in brackets: ["a"]'},
        ),
        ({"names": 7}, {"found": "number 7", "expected": "a list"}),
        ({"either": "many"}, {"found": "text 'many'", "expected": "a whole number"}),
        (
            {"url": "file:///"},
            {"found": "text 'file:///'", "expected": "http://... or https://..."},
        ),
        ({"code": "x"}, {"found": "text 'x'", "expected": "a text that matches ^[A-Z]+$"}),
    ],
)
def test_a_wrong_value_is_one_problem(given: dict[str, Any], said: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(given)

    (row,) = one_each(caught.value.errors())
    (name,) = given
    assert in_words(row, name) == {"message": f"wrong value for {name!r}", **said}


def test_a_key_that_looks_like_a_kind_stays() -> None:
    class Strict(BaseModel, extra="forbid"):
        path: str = ""

    class Several(BaseModel):
        parts: tuple[Strict, ...] = ()

    with pytest.raises(ValidationError) as caught:
        Several.model_validate({"parts": [{"Part": 1, "int": 2}]})

    assert [told(row) for row in caught.value.errors()] == [
        ("parts", 0, "Part"),
        ("parts", 0, "int"),
    ]


def test_a_place_has_no_kinds_in_it() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"parts": [3, {"path": 1}], "either": "x"})

    places = {row["loc"]: told(row) for row in caught.value.errors()}
    assert places == {
        ("either", "int"): ("either",),
        ("either", "float"): ("either",),
        ("parts", 0, "str"): ("parts", 0),
        ("parts", 0, "Part"): ("parts", 0),
        ("parts", 1, "str"): ("parts", 1),
        ("parts", 1, "Part", "path"): ("parts", 1, "path"),
    }
