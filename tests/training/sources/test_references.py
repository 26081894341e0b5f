"""Right answers that checks give away, and only those that every check passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.suites import Case, load_suite
from harness.training.sources import reference_conversation


def case(folder: Path, body: str) -> Case:
    folder.joinpath("s.yaml").write_text(f"suite: s\ncategory: c\ncases:\n  - {body}\n")
    return load_suite(folder / "s.yaml").cases[0]


@pytest.mark.parametrize(
    ("checks", "answer"),
    [
        ("[{equals: yes}]", "yes"),
        ('[{numeric: 7}, {regex: {pattern: "[0-9]", full: true}}]', "7"),
        ("[json, {json_value: {path: $, equals: {a: [1, null]}}}]", '{"a": [1, null]}'),
        ("[{needle: 1234567}]", "1234567"),
        ("[{needles: [1234567, 7654321]}]", "1234567, 7654321"),
        ("[{one_of: [red, blue]}, {not: {contains: red}}]", "blue"),
        ("[{equals: yes}, {contains: no}]", None),
        ("[{contains: yes}]", None),
    ],
)
def test_an_answer_is_given_away_where_all_checks_pass_it(
    checks: str, answer: str | None, tmp_path: Path
) -> None:
    messages = reference_conversation(case(tmp_path, f"{{id: a, user: q, checks: {checks}}}"))

    assert (messages[-1].content if messages else None) == answer


def test_every_turn_of_a_conversation_needs_its_answer(tmp_path: Path) -> None:
    turns = "{user: one, checks: [{equals: a}]}, {user: two, checks: [{equals: b}]}"
    messages = reference_conversation(case(tmp_path, f"{{id: a, system: s, turns: [{turns}]}}"))

    assert messages is not None
    assert [(m.role, m.content) for m in messages] == [
        ("system", "s"), ("user", "one"), ("assistant", "a"), ("user", "two"), ("assistant", "b")
    ]  # fmt: skip


def test_a_haystack_is_asked_with_its_filler(tmp_path: Path) -> None:
    text = "suite: s\ncategory: c\ngenerate: [{haystack: {id: n, lengths: 64}}]\n"
    tmp_path.joinpath("s.yaml").write_text(text)
    found = load_suite(tmp_path / "s.yaml").cases[0]

    messages = reference_conversation(found, "the long text")

    assert messages is not None and found.haystack is not None
    assert [m.content for m in messages] == ["the long text", found.haystack.values[0]]
