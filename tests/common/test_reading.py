"""Files from outside: rows that were cut off, lines without anything, keys that have no end."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.common import InputError, Problem
from harness.common.reading import JsonLine, parse_json, read_json_lines, read_toml

CUT = "the file ends in the middle of a row"
WHOLE = '{"a": {"b": [1, true, null, -2.5e-3, "x\\u00e9\\n"]}, "c": "é"}'


def rows(tmp_path: Path, data: bytes) -> list[JsonLine | Problem]:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    return list(read_json_lines(path))


def test_a_row_that_was_cut_off_anywhere_is_said_to_be(tmp_path: Path) -> None:
    data = WHOLE.encode()
    for size in range(1, len(data)):
        (found,) = rows(tmp_path, data[:size])
        assert isinstance(found, Problem)
        assert found.message == CUT, data[:size]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b'{"a": NaN}', "not valid JSON: NaN is no JSON number"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "not valid JSON: a number of more than 19 digits"),
        (b"[" * 101 + b"]" * 101, "not valid JSON: more than 100 levels"),
        (b"[" * 101, "not valid JSON: more than 100 levels"),
        (b'{"a": 1} x', "not valid JSON: Extra data"),
        (b'{"a": tree}', "not valid JSON: Expecting value"),
        (b'{"a": 1, a', "not valid JSON: Expecting property name enclosed in double quotes"),
        (b'{"a": "\xe9"}', "the file is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "the file is in UTF-16, not in UTF-8"),
    ],
)
def test_what_else_is_wrong_with_the_last_row_is_told(
    tmp_path: Path, row: bytes, said: str
) -> None:
    (found,) = rows(tmp_path, row)

    assert isinstance(found, Problem)
    assert found.message == said


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \n", b"\t \r\n"])
@pytest.mark.parametrize("count", [0, 1, 7, 200_000])
def test_lines_without_anything_keep_the_places_of_the_rows(
    tmp_path: Path, blank: bytes, count: int
) -> None:
    data = blank * count + b'{"a": 1}\n' + blank * count + b'{"b": 2}\n' + blank * count
    path, digest = tmp_path / "rows.jsonl", hashlib.sha256()
    path.write_bytes(data)

    found = list(read_json_lines(path, digest=digest))

    assert digest.digest() == hashlib.sha256(data).digest()
    assert [row for row in found if isinstance(row, JsonLine)] == [
        JsonLine(count + 1, len(blank) * count, {"a": 1}),
        JsonLine(2 * count + 2, 2 * len(blank) * count + 9, {"b": 2}),
    ]


def test_brackets_in_texts_are_no_levels() -> None:
    text = '{"a": "' + '[\\"' * 200 + '", "b": ' + "[" * 99 + "]" * 99 + "}"

    assert isinstance(parse_json(text, "x")["a"], str)
    with pytest.raises(InputError, match="more than 100 levels"):
        parse_json(f"[{text}]", "x")


def test_keys_with_many_dots_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "harness.toml"
    path.write_text("a" + ".a" * 20_000 + " = 1\n")
    with pytest.raises(InputError, match="not valid TOML: more than 100 levels"):
        read_toml(path)

    prompt = "One sentence. " * 1_000
    path.write_text(f'a.b.c = "{prompt}"\n')
    assert read_toml(path) == {"a": {"b": {"c": prompt}}}
