"""Bad cases of production: a part trains, a part gates one day, none does both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.common import InputError
from harness.scorers import Answer, Context
from harness.suites import load_suite
from harness.training.sources import BadCases, read_bad_cases


def read(folder: Path, *rows: Mapping[str, Any]) -> BadCases:
    file = folder / "bad.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_bad_cases(file, folder / "drafts" / "d.yaml", category="c", holdout=0.5)


def row(at: int, **more: object) -> dict[str, object]:
    return {"prompt": f"question {at}", "response": "wrong", "expected": f"right {at}", **more}


def test_the_draft_is_a_suite_that_can_be_loaded(tmp_path: Path) -> None:
    found = read(tmp_path, *map(row, range(8)))
    suite = load_suite(found.draft)

    assert (len(suite.cases), len(suite.retired)) == (4, 4)
    assert {case.id for case in found.gating} == {case.id for case in suite.cases}
    assert {case.id for case in found.training} == {case.id for case in suite.retired}


def test_the_bad_answer_fails_and_the_expected_one_passes(tmp_path: Path) -> None:
    checks = read(tmp_path, row(1), row(2)).training[0].turns[0].checks
    wanted = checks[0].as_json()["equals"]
    assert isinstance(wanted, dict)
    right = str(wanted["text"])

    assert [bool(check(Answer(right), Context()).passed) for check in checks] == [True, True]
    assert [bool(check(Answer("wrong"), Context()).passed) for check in checks] == [False, False]


def test_a_prompt_without_a_right_answer_trains_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, *({"prompt": f"q {at}", "response": "bad"} for at in range(4)))

    assert (found.training, found.unchecked) == ((), 2)
    assert len(found.gating) == 2


def test_prompts_are_no_templates(tmp_path: Path) -> None:
    said = ["{{ 7 * 7 }}", "{% endraw %}{{ secret }}", "plain { text"]
    found = read(tmp_path, *({**row(1), "prompt": text} for text in said))

    assert {case.turns[0].user for case in (*found.training, *found.gating)} == set(said)


def test_the_same_prompt_twice_is_one_case(tmp_path: Path) -> None:
    found = read(tmp_path, row(1), row(1), row(2))

    assert len(found.training) + len(found.gating) == 2


def test_all_wrong_rows_are_told_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, row(1), {"promt": "x", "response": "y"}, {"prompt": 7})

    assert str(caught.value) == "\n".join(
        [
            f"{tmp_path}/bad.jsonl:2: key 'promt' is not known here",
            "  expected: prompt, messages, system, response, expected, checks, id",
            "  did you mean: prompt",
            f"{tmp_path}/bad.jsonl:2: a bad case has either a prompt or messages",
            f"{tmp_path}/bad.jsonl:3: 'prompt' is no text",
            "  found: 7",
        ]
    )


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file of bad cases"):
        read_bad_cases(tmp_path / "x.jsonl", tmp_path / "d.yaml", category="c", holdout=0.5)


def test_both_answers_of_production_are_kept_for_pairs(tmp_path: Path) -> None:
    found = read(tmp_path, *map(row, range(4)))
    case = found.training[0]
    mine = [answer for answer in found.answers if answer.group == case.id]

    assert [(answer.answer, answer.good) for answer in mine] == [
        (case.turns[0].user.replace("question", "right"), True),
        ("wrong", False),
    ]
    assert {answer.prompt[-1].content for answer in mine} == {case.turns[0].user}


def test_a_bad_answer_that_is_the_expected_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, row(1), row(2, response="right 2 "))

    assert str(caught.value) == (
        f"{tmp_path}/bad.jsonl:2: the bad answer and the expected one are the same\n"
        "  hint: say in `expected` what should have been answered"
    )


def test_an_expected_answer_that_fails_the_rows_own_checks_is_named(tmp_path: Path) -> None:
    checks = [{"contains": "please"}]
    with pytest.raises(InputError) as caught:
        read(tmp_path, *(row(at, checks=checks) for at in range(2)))

    assert "the expected answer does not pass the row's own checks" in str(caught.value)
    assert "hint: mend the answer or the checks" in str(caught.value)
