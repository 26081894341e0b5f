"""Practice: a suite's own generators once more, and never its cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError
from harness.suites import Suite, load_suite, practice_suite

SUITE = """\
suite: s
category: c
retire: [old]
cases:
  - {id: old, user: old question, checks: [{contains: x}]}
  - {id: own, user: own question, checks: [{contains: x}]}
from_file:
  - {path: plain.jsonl, case: {id: "p-{{ row.id }}", user: "{{ row.text }}", checks: [json]}}
  - path: rows.jsonl
    case: {id: "r-{{ row.id }}", user: "Say {{ row.text }}", checks: [{equals: "{{ row.text }}"}]}
generate:
  - haystack: {id: needle, lengths: [64, 128], depths: 0.5, seeds: 3}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "plain.jsonl").write_text('{"id": 1, "text": "first"}\n')
    (tmp_path / "rows.jsonl").write_text('{"id": 1, "text": "first"}\n')
    (tmp_path / "others.jsonl").write_text('{"id": 8, "text": "eighth"}\n{"id": 9, "text": "n"}\n')
    (tmp_path / "suite.yaml").write_text(SUITE)
    return load_suite(tmp_path / "suite.yaml")


def practised(suite: Suite, tag: str = "t", seeds: int = 0, **rows: str) -> Suite:
    files = {f"{name}.jsonl": file for name, file in rows.items()}
    found = practice_suite(suite.path, tag=tag, seeds=seeds, rows=files)
    assert found is not None
    return found


def test_other_rows_go_through_the_same_template(suite: Suite) -> None:
    cases = practised(suite, rows="others.jsonl").cases

    assert [case.id for case in cases] == ["r-8.t", "r-9.t"]
    assert [case.turns[0].user for case in cases] == ["Say eighth", "Say n"]
    assert cases[0].turns[0].checks[0].as_json() == {"equals": {"text": "eighth"}}


def test_a_practice_case_stands_where_its_family_stands(suite: Suite) -> None:
    places = {case.id: case.position for case in suite.cases}
    cases = practised(suite, seeds=1, rows="others.jsonl").cases

    assert {case.position for case in cases[:2]} == {places["r-1"]}
    assert {case.position for case in cases[2:]} == {places["needle-64-d50-s1"]}


def test_haystacks_get_other_keys_and_values_under_every_tag(suite: Suite) -> None:
    values = [
        case.haystack.values
        for found in (suite, practised(suite, "a", 2), practised(suite, "b", 2))
        for case in found.cases
        if case.haystack
    ]

    assert len(values) == 6 + 4 + 4
    assert len(set(values)) == len(values)


def test_a_suite_without_families_has_nothing_to_practise(suite: Suite) -> None:
    assert practice_suite(suite.path, tag="t") is None


def test_a_file_of_rows_that_is_missing_is_told_at_its_template(suite: Suite) -> None:
    with pytest.raises(InputError) as caught:
        practised(suite, rows="other.jsonl")

    assert str(caught.value) == (
        f"{suite.path}:9:11: data file 'other.jsonl' does not exist\n  did you mean: others.jsonl"
    )
