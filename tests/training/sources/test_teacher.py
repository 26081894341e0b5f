"""Rejection sampling: only answers that all checks pass become rows, each text once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.common import InputError, TeacherSettings, Variant, from_dicts
from harness.config import JudgeSettings, Settings
from harness.suites import Suite, load_suite, practice_suite
from harness.training.sources import (
    Teacher,
    find_teacher,
    paraphrases,
    replay_from_model,
    replay_prompts,
    teach,
)

SUITE = """\
suite: s
category: c
cases:
  - {id: a, user: Name a colour., checks: [{contains_any: [red, blue]}, lowercase]}
  - {id: b, system: Be brief., user: Name another., checks: [{contains: green}]}
"""
OWN = Variant("base", "model")


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "s.yaml").write_text(SUITE)
    return load_suite(tmp_path / "s.yaml")


def teacher(folder: Path, answers: Mapping[str, Sequence[str]]) -> Teacher:
    """A teacher whose answers are recorded: by case, one for each sample."""
    rows = [
        {"case": case, "variant": "teacher", "repeat": at, "response": text}
        for case, texts in answers.items()
        for at, text in enumerate(texts)
    ]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = JudgeSettings(backend="replay", model="m", responses=Path("answers.jsonl"))
    settings = Settings(root=folder, teachers={"big": table})
    return find_teacher(settings, TeacherSettings(name="big"), OWN, folder / "home")


def test_what_the_checks_pass_is_kept_once(suite: Suite, tmp_path: Path) -> None:
    said = {"a": ["red", "RED", "red", "blue sky"], "b": ["no", "no", "no", "no"]}
    found = teach(teacher(tmp_path, said), suite, suite.cases, TeacherSettings(samples=4))

    assert [row.messages[-1].content for row in found.rows] == ["red", "blue sky"]
    assert {row.group for row in found.rows} == {"a"}
    assert (found.offered, found.kept) == (8, 2)
    assert found.left_out == {"a check did not pass it": 5, "the same answer again": 1}


def test_the_prompt_of_a_row_is_the_one_that_was_answered(suite: Suite, tmp_path: Path) -> None:
    said = {"a": ["x"], "b": ["green"]}
    (row,) = teach(teacher(tmp_path, said), suite, suite.cases).rows

    assert [(m.role, m.content) for m in row.messages] == [
        ("system", "Be brief."), ("user", "Name another."), ("assistant", "green")
    ]  # fmt: skip


def test_reasoning_that_stands_apart_is_part_of_the_row(suite: Suite, tmp_path: Path) -> None:
    wise = teacher(tmp_path, {"a": ["red"], "b": ["<think>Leaves.</think>green"]})
    first, second = (tmp_path / "answers.jsonl").read_text().splitlines()
    row = {**json.loads(first), "reasoning": "Roses."}
    (tmp_path / "answers.jsonl").write_text(f"{json.dumps(row)}\n{second}\n")

    found = teach(wise, suite, suite.cases)

    assert [(r.messages[-1].content, r.messages[-1].reasoning) for r in found.rows] == [
        ("red", "Roses."), ("<think>Leaves.</think>green", "")
    ]  # fmt: skip


def test_a_teacher_leaves_the_users_runs_alone(suite: Suite, tmp_path: Path) -> None:
    teach(teacher(tmp_path, {"a": ["red"], "b": ["green"]}), suite, suite.cases)

    assert [file.name for file in (tmp_path / ".harness").glob("*.db")] == ["fix-home.db"]
    assert not (tmp_path / "reports").exists()


def test_a_teacher_that_nobody_configured(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, teachers={"big": JudgeSettings()})
    with pytest.raises(InputError) as caught:
        find_teacher(settings, TeacherSettings(name="bog"), OWN, tmp_path)

    assert str(caught.value) == (
        "no teacher is called 'bog'\n"
        "  did you mean: big\n"
        "  hint: add [tool.harness.teachers.bog] to pyproject.toml, with backend and model"
    )


def test_paraphrases_are_cases_with_the_same_checks(suite: Suite, tmp_path: Path) -> None:
    lines = "1. Which colour comes to mind?\n- Name a colour.\n\n* Say a colour\n* One too many"
    lines = f"<think>Two of them.</think>{lines}"
    said = teacher(tmp_path, {"a-reworded": [lines]})
    found = paraphrases(said, suite, suite.cases[:1], 2)

    assert [case.turns[0].user for case in found] == [
        "Which colour comes to mind?", "Say a colour"
    ]  # fmt: skip
    assert found[0].turns[0].checks == suite.cases[0].turns[0].checks
    assert [case.id for case in found] == ["a-p1", "a-p2"]


def test_the_models_own_answers_are_replayed_where_they_pass(tmp_path: Path) -> None:
    text = "suite: h\ncategory: c\ngenerate: [{haystack: {id: n, lengths: 200, depths: [0, 1]}}]\n"
    (tmp_path / "h.yaml").write_text(text)
    suite = load_suite(tmp_path / "h.yaml")
    practice = practice_suite(suite.path, tag="replay-1", seeds=2)
    assert practice is not None
    right = {case.id: case.haystack.values[0] for case in practice.cases if case.haystack}
    first, *others = right
    said = teacher(tmp_path, {first: ["0"], **{name: [right[name]] for name in others}})

    (found,) = replay_from_model(said, replay_prompts([suite], seed="1"), count=2, seed="1")

    assert (found.offered, found.kept) == (4, 2)
    assert all(row.replay and row.messages[-1].content == right[row.group] for row in found.rows)
    assert not {row.group for row in found.rows} & {case.id for case in suite.cases}


def test_a_model_that_passes_nothing_has_nothing_to_replay(tmp_path: Path) -> None:
    text = "suite: h\ncategory: c\ngenerate: [{haystack: {id: n, lengths: 200, depths: 0}}]\n"
    (tmp_path / "h.yaml").write_text(text)
    prompts = replay_prompts([load_suite(tmp_path / "h.yaml")], seed="1")
    said = teacher(tmp_path, {case.id: ["0"] for case in prompts[0].cases})
    with pytest.raises(InputError) as caught:
        replay_from_model(said, prompts, count=5, seed="1")

    assert str(caught.value).startswith(
        "nothing to replay: no answer of big to generated prompts passes\n"
    )


def test_without_any_prompt_of_its_own_nothing_can_be_replayed(
    suite: Suite,
) -> None:
    with pytest.raises(InputError) as caught:
        replay_prompts([suite], seed="1")

    assert str(caught.value) == (
        "nothing to replay: no pool is named, and no other suite makes prompts of its own\n"
        "  expected: rows of what the model can do, against forgetting\n"
        "  hint: name pools under fix: {replay: {pools: [...]}}, or set its share to 0"
    )


@pytest.mark.parametrize(
    ("answer", "reasoning", "text", "kept"),
    [
        ("red", "It is warm.", "red", "It is warm."),  # as a server gives it, apart
        ("<think>It is warm.</think>red", None, "<think>It is warm.</think>red", ""),
    ],
)
def test_reasoning_is_a_part_of_the_row(
    answer: str, reasoning: str | None, text: str, kept: str, suite: Suite, tmp_path: Path
) -> None:
    asked = teacher(tmp_path, {})
    row = {"case": "a", "variant": "teacher", "response": answer}
    row |= {"reasoning": reasoning} if reasoning else {}
    (tmp_path / "answers.jsonl").write_text(json.dumps(row) + "\n")

    (found,) = teach(asked, suite, suite.cases[:1]).rows

    assert (found.messages[-1].content, found.messages[-1].reasoning) == (text, kept)
    assert from_dicts(found.as_json()["messages"]) == found.messages  # as a stage writes it
