"""YAML by the rules of version 1.2, with the place of everything."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from yaml.composer import Composer
from yaml.resolver import BaseResolver

from harness.common import InputError, yaml_positions
from harness.common.yaml_positions import _PythonParser, read_document

SCALARS: list[tuple[str, Any]] = [
    ("yes", "yes"),
    ("NO", "NO"),
    ("on", "on"),
    ("y", "y"),
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("nUll", "nUll"),
    ("42", 42),
    ("-7", -7),
    ("+7", 7),
    ("0", 0),
    ("010", "010"),
    ("0049", "0049"),
    ("00.5", "00.5"),
    ("0o17", 15),
    ("0x1F", 31),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("12:30:45", "12:30:45"),
    ("2020-01-01", "2020-01-01"),
    ("1.50", 1.5),
    (".5", 0.5),
    ("1e3", 1000.0),
    ("1.2.3", "1.2.3"),
    ("e5", "e5"),
    ("=", "="),
    ("<<", "<<"),
    ("'true'", "true"),
    ('"42"', "42"),
    ("!!str 42", "42"),
    ("!!int '42'", 42),
    ("!!float '1'", 1.0),
    ("|\n  no\n", "no\n"),
    (">-\n  1\n  2\n", "1 2"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS, ids=[repr(text) for text, _ in SCALARS])
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = read_document("a.yaml", f"a: {text}\n".encode()).value["a"]

    assert (type(found), found) == (type(value), value)


def test_keys_are_text_as_it_is_written() -> None:
    document = read_document("a.yaml", b"{1: a, true: b, 1.0: c, on: d, '': e}")

    assert document.value == {"1": "a", "true": "b", "1.0": "c", "on": "d", "": "e"}


def test_an_alias_is_a_copy_of_its_anchor() -> None:
    document = read_document("a.yaml", b"a: &x {b: [1]}\nc: *x\n")

    assert document.value == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert document.value["a"] is not document.value["c"]


def test_a_byte_order_mark_and_windows_lines_are_fine() -> None:
    document = read_document("a.yaml", "\ufeffa: 1\r\nb: é\r\n".encode())

    assert document.value == {"a": 1, "b": "é"}


TEXT = b"""\
suite: s
cases:
  - id: a
    checks:
      - not: {contains: [x, yy]}
"""


@pytest.mark.parametrize(
    ("loc", "of_key", "place"),
    [
        ((), False, (1, 1)),
        (("suite",), False, (1, 8)),
        (("suite",), True, (1, 1)),
        (("cases", 0), False, (3, 5)),
        (("cases", 0, "id"), False, (3, 9)),
        (("cases", 0, "checks", 0, "not"), True, (5, 9)),
        (("cases", 0, "checks", 0, "not", "contains", 1), False, (5, 29)),
        (("cases", 0, "checks", 0, "not", "check", "contains", "texts", 1), False, (5, 29)),
        (("cases", 0, "user"), False, (3, 5)),
        (("cases", 7, "user"), False, (3, 3)),
    ],
)
def test_a_place_in_the_value_is_found_in_the_file(
    loc: tuple[str | int, ...], of_key: bool, place: tuple[int, int]
) -> None:
    """Steps that the file has not, such as arguments in short form, are passed over."""
    position = read_document("a.yaml", TEXT).position(loc, of_key=of_key)

    assert (position.line, position.column) == place


def test_without_libyaml_the_events_come_from_python() -> None:
    """Where PyYAML was built without C, the same nodes come, only slower."""

    class Slow(Composer, _PythonParser, BaseResolver):
        def __init__(self, text: str) -> None:
            _PythonParser.__init__(self, text)
            Composer.__init__(self)
            BaseResolver.__init__(self)

    slow = Slow(TEXT.decode()).get_single_node()
    document = read_document("a.yaml", TEXT)

    assert yaml.serialize(slow) == yaml.serialize(document.root)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'a: "x\\ud83d\\ude00"\n',
            "s.yaml:1:8: not valid YAML: \\ud83d\\ude00 is one character in two halves, as "
            "json.dumps writes it\n"
            '  hint: write 😀, or "\\U0001f600" (json.dumps: ensure_ascii=False)',
        ),
        (
            "cases:\n  - id: a\n    user: Hi\n   - id: b\n",
            "s.yaml:4:4: not valid YAML: did not find expected '-' indicator\n"
            "  found: while parsing a block collection, begun on line 2\n"
            "  hint: the entries of a list, and the keys in an entry, begin in one column",
        ),
    ],
)
def test_what_other_programs_and_slips_leave_is_named(text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        read_document("s.yaml", text.encode())

    assert str(caught.value) == expected


@pytest.mark.parametrize("more", ["0", "[]", "{a: b}", "&x{} y", "!z y"])
def test_a_file_of_too_many_values_is_given_up_while_it_is_read(
    more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_positions, "MAX_NODES", 1_000)
    values = ", ".join(more.replace("{}", str(number)) for number in range(1_000))
    with pytest.raises(InputError) as caught:
        read_document("a.yaml", f"a: [{values}\nthis is not even YAML: [".encode())

    said = str(caught.value)
    assert "a.yaml:1:" in said
    assert "more than 1,000 keys and values" in said
    assert "hint: keep rows in a JSONL file and name it under from_file" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("".join(f"k{n}: 1\n" for n in range(20_000)), "a.yaml:10001:1: not valid YAML: more than"),
        ("[" * 500, "a.yaml:1:102: not valid YAML: more than 100 levels"),
        (
            "".join(f"&x{n:03} [" for n in range(500)),
            "a.yaml:1:708: not valid YAML: more than 100 levels",
        ),
        ("- " * 500, "a.yaml:1:203: not valid YAML: more than 100 levels"),
        ("{a: " * 500, "a.yaml:1:405: not valid YAML: more than 100 levels"),
    ],
)
def test_floods_of_keys_and_levels_are_given_up_with_their_place(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_document("a.yaml", text.encode())

    assert str(caught.value).startswith(said)
    assert isinstance(read_document("a.yaml", b"[" * 100 + b"]" * 100).value, list)
