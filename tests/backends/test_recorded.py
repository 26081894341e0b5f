"""Files of recorded answers: what is read, and every way in which one can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.backends import check_rows, recorded_variants
from harness.backends.replay import Recording
from harness.common import InputError, ToolCall
from harness.results import Outcome, Result, result_to_json


def write(path: Path, *rows: dict[str, Any] | str) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


def test_variant_and_repeat_may_be_left_out(file: Path) -> None:
    write(file, {"case": "a", "response": "x"}, {"case": "a", "repeat": 1, "response": "y"})

    recording = Recording(file)

    assert recording.variants == ("base",)
    assert recording.row("a", "base").responses == ("x",)  # type: ignore[union-attr]
    assert recording.row("a", "base", 1).responses == ("y",)  # type: ignore[union-attr]
    assert recording.row("a", "tuned") is None


def test_variants_come_in_the_order_of_the_file(file: Path) -> None:
    rows = [{"case": "a", "variant": name, "response": ""} for name in ("tuned", "base", "v1.2")]

    assert recorded_variants(write(file, *rows)) == ("tuned", "base", "v1.2")


def test_a_run_s_own_results_are_recorded_answers(file: Path) -> None:
    common: dict[str, Any] = {"suite": "s", "category": "c", "variant": "base", "repeat": 0}
    passed = Result(case="a", outcome=Outcome.PASS, score=1.0, responses=("x", "y"), **common)
    error = Result(
        case="b", outcome=Outcome.ERROR, score=0.0, responses=(), reason="no GPU", **common
    )
    write(file, *(dict(result_to_json(result)) for result in (passed, error)))

    recording = Recording(file)

    recording.check({"a": 2, "b": 1})
    assert recording.row("a", "base").responses == ("x", "y")  # type: ignore[union-attr]
    assert recording.row("b", "base").broken == (  # type: ignore[union-attr]
        "recorded without an answer: no GPU"
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(), min_size=1))
def test_any_text_comes_back_as_it_was(texts: list[str], file: Path) -> None:
    write(file, *({"case": str(i), "response": text} for i, text in enumerate(texts)))

    recording = Recording(file)

    assert [recording.row(str(i), "base").responses for i in range(len(texts))] == [  # type: ignore[union-attr]
        (text,) for text in texts
    ]


WRONG = [
    ('{"case": "a", "response": "x"', 'FILE:1:30: not valid JSON: Expecting \',\' delimiter'),
    ("[1, 2]", "FILE:1: is not a JSON object\n  hint: write one object per line"),
    ('{"response": "x"}', "FILE:1: 'case' is missing\n  found: response"),
    ('{"case": "a"}', "FILE:1: 'response' is missing\n  found: case"),
    ("{}", "FILE:1: 'case' is missing\n  found: an empty object\n"
           "FILE:1: 'response' is missing\n  found: an empty object"),
    ('{"case": 7, "response": "x"}', "FILE:1: 'case' is wrong\n  found: 7\n  expected: a text"),
    ('{"case": "a", "response": 7}',
     "FILE:1: 'response' is wrong\n  found: 7\n  expected: a text"),
    ('{"case": "a", "responses": ["x", 1]}',
     'FILE:1: \'responses\' is wrong\n  found: ["x", 1]\n  expected: a list of texts'),
    ('{"case": "a", "response": "x", "repeat": true}',
     "FILE:1: 'repeat' is wrong\n  found: true\n  expected: a number from 0"),
    ('{"case": "a", "response": "x", "repeat": -1}',
     "FILE:1: 'repeat' is wrong\n  found: -1\n  expected: a number from 0"),
    ('{"case": "a", "response": "x", "varaint": "b"}',
     "FILE:1: key 'varaint' is not known\n  did you mean: variant"),
    ('{"case": "a", "response": "x", "responses": ["x"]}',
     "FILE:1: has both 'response' and 'responses'\n  hint: keep one of them"),
    ('{"case": "a", "response": "x", "variant": "a b"}',
     "FILE:1: variant name 'a b' is not allowed\n  expected: letters, digits, '_', '.', '-'"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_line_is_named_with_its_number(line: str, message: str, file: Path) -> None:
    with pytest.raises(InputError) as caught:
        Recording(write(file, line))

    assert str(caught.value) == message.replace("FILE", str(file))


def test_keys_of_the_user_s_own_are_passed_over(file: Path) -> None:
    write(file, {"case": "a", "response": "x", "latency_ms": 12, "model": "m", "id": 3})

    assert recorded_variants(file) == ("base",)


def test_a_repeated_key_names_both_lines(file: Path) -> None:
    row = {"case": "a", "variant": "base", "repeat": 0, "response": "x"}
    write(file, row, {"case": "b", "response": "x"}, "", {"case": "a", "response": "y"})

    with pytest.raises(InputError) as caught:
        Recording(file)

    assert str(caught.value) == (
        f"{file}:4: case 'a', variant 'base', repeat 0 is recorded twice\n  found: first in line 1"
    )


def test_bytes_that_are_no_utf8_are_named(file: Path) -> None:
    file.write_bytes(b'{"case": "a", "response": "\xff"}\n')

    with pytest.raises(InputError) as caught:
        Recording(file)

    assert str(caught.value) == (
        f"{file}:1: the file is not UTF-8\n  found: byte 0xff\n  hint: save it as UTF-8"
    )


def test_an_empty_file_is_refused(file: Path) -> None:
    with pytest.raises(InputError) as caught:
        Recording(write(file, ""))

    assert str(caught.value) == f"{file}: holds no recorded answers"


def test_a_missing_file_is_refused(file: Path) -> None:
    with pytest.raises(InputError) as caught:
        Recording(file)

    assert str(caught.value) == (
        f"{file}: cannot read recorded answers: No such file or directory\n"
        "  hint: give a JSONL file: --responses FILE"
    )


def test_a_file_of_the_wrong_kind_is_not_listed_line_by_line(file: Path) -> None:
    with pytest.raises(InputError) as caught:
        Recording(write(file, *["prose"] * 300))

    assert len(caught.value.problems) == 21
    assert str(caught.value.problems[-1]) == f"{file}: 280 more problems of this file"


def test_rows_are_checked_against_the_cases(file: Path) -> None:
    write(
        file,
        {"case": "refnd", "response": "x"},
        {"case": "chat", "responses": ["x"]},
        {"case": "refund", "responses": ["x"]},
        {"case": "refund", "variant": "tuned", "responses": ["x", "y"]},
    )

    with pytest.raises(InputError) as caught:
        check_rows(file, {"refund": 1, "chat": 2}, ("base", "tunde"))

    assert str(caught.value) == (
        f"{file}:1: case 'refnd' is in no loaded suite\n"
        "  did you mean: refund\n"
        "  hint: name the suite that it belongs to, or remove the row\n"
        f"{file}:2: the number of answers is wrong\n"
        "  in case: chat\n"
        "  found: 1 answer\n"
        "  expected: 2, one for each user turn\n"
        f"{file}:4: the number of answers is wrong\n"
        "  in case: refund\n"
        "  found: 2 answers\n"
        "  expected: 1, one for each user turn\n"
        f"{file}: there is no answer of variant 'tunde'\n"
        "  found: base, tuned\n"
        "  did you mean: tuned"
    )


def test_rows_that_fit_pass(file: Path) -> None:
    write(file, {"case": "a", "response": "x"}, {"case": "b", "responses": ["x", "y"]})

    check_rows(file, {"a": 1, "b": 2, "not_recorded": 1}, ("base",))


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('{"case": "a", "response": "x", "response": "y"}', "response"),
        ('{"case": "a", "case": "b", "response": "x"}', "case"),
        ('{"case": "a", "response": "x", "own": {"n": 1, "n": 2}}', "n"),
    ],
)
def test_a_key_that_stands_twice_is_refused(line: str, key: str, file: Path) -> None:
    with pytest.raises(InputError, match=f"key '{key}' stands twice") as caught:
        Recording(write(file, {"case": "z", "response": "x"}, line))

    assert [problem.line for problem in caught.value.problems] == [2]


def test_null_for_a_text_is_an_empty_answer_with_a_note(file: Path) -> None:
    rows = [{"case": f"c{number}", "response": None} for number in range(30)]
    recording = Recording(write(file, *rows, {"case": "a", "responses": ["x", None]}))

    assert recording.row("c3", "base").responses == ("",)  # type: ignore[union-attr]
    assert recording.row("a", "base").responses == ("x", "")  # type: ignore[union-attr]
    note = "answers.jsonl: 31 rows with null for a text, read as an empty answer: first in line 1"
    assert recording.notes == (note,)


def test_steps_say_more_than_a_response(file: Path) -> None:
    row = {"case": "a", "response": None, "steps": [{"text": "hm", "tool_calls": []}]}

    assert Recording(write(file, row)).row("a", "base").responses == ("hm",)  # type: ignore[union-attr]


@pytest.mark.parametrize("key", ["call", "calls", "tool_call", "function_call"])
def test_null_beside_a_call_under_another_name_is_refused(key: str, file: Path) -> None:
    with pytest.raises(InputError, match=f"holds a call of a tool under '{key}'"):
        Recording(write(file, {"case": "a", "response": None, key: {"name": "f"}}))


def test_an_answer_may_be_a_call_alone(file: Path) -> None:
    opened = [{"id": "1", "function": {"name": "f", "arguments": '{"x": 1}'}}]
    row = Recording(write(file, {"case": "a", "response": None, "tool_calls": opened})).row(
        "a", "base"
    )

    assert row is not None
    assert row.responses == ("",)
    assert row.steps[0].calls == (ToolCall("f", {"x": 1}, "1"),)


def test_a_turn_may_have_several_steps(file: Path) -> None:
    steps = [
        {"turn": 0, "text": "", "tool_calls": [{"name": "f", "arguments": {}}]},
        {"turn": 0, "text": "Done."},
        {"turn": 1, "text": "Bye."},
    ]
    row = Recording(write(file, {"case": "a", "steps": steps})).row("a", "base")

    assert row is not None
    assert (row.turns, row.responses) == (2, ("Done.", "Bye."))
    assert row.step(0, 1) == row.steps[1]
    assert row.step(0, 2) is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"steps": ["x"]}, r"steps\[0\] is wrong"),
        ({"steps": [{"turn": 1, "text": "x"}]}, r"steps\[0\]: 'turn' is wrong"),
        ({"steps": [{"turn": 0}, {"turn": 2}]}, r"steps\[1\]: 'turn' is wrong"),
        ({"steps": [{"text": 3}]}, r"steps\[0\]: 'text' is wrong"),
        ({"steps": [{"tool_calls": [{}]}]}, r"steps\[0\]: 'tool_calls' is wrong"),
        ({"tool_calls": ["f"]}, "'tool_calls' is wrong"),
        ({"steps": {}}, "'steps' is wrong"),
    ],
)
def test_steps_that_are_none_are_refused(more: dict[str, Any], message: str, file: Path) -> None:
    with pytest.raises(InputError, match=message):
        Recording(write(file, {"case": "a", "response": "", **more}))


def test_texts_have_no_note(file: Path) -> None:
    assert Recording(write(file, {"case": "a", "response": ""})).notes == ()
