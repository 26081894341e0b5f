"""`fix:` blocks: each mistake with its place, before anything is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from harness.common import InputError
from harness.config import JudgeSettings, Settings
from harness.suites import Suite, load_suite
from harness.training.repair import block_warnings, check_blocks

CASES = "cases:\n  - {id: a, user: q, checks: [{contains: red}]}\n"


def suite(folder: Path, block: str, more: str = CASES) -> Suite:
    (folder / "pool.jsonl").write_text("")
    file = folder / "s.yaml"
    file.write_text(f"suite: s\ncategory: c\nfix:\n{block}{more}")
    return load_suite(file)


def said(folder: Path, block: str, more: str = CASES) -> str:
    settings = Settings(root=folder, teachers={"big": JudgeSettings()})
    with pytest.raises(InputError) as caught:
        check_blocks(settings, [suite(folder, block, more)])
    return str(caught.value).replace(f"{folder}/", "")


def test_a_block_in_which_all_is_there(tmp_path: Path) -> None:
    block = "  pools: [pool.jsonl#5]\n  teacher: {name: big}\n  train: {max_steps: 4}\n"
    found = suite(tmp_path, block)

    check_blocks(Settings(root=tmp_path, teachers={"big": JudgeSettings()}), [found])
    assert list(block_warnings(found)) == []


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            "  pools: [pool.jsonl, pol.jsonl#9]\n",
            "s.yaml:4:23: pool 'pol.jsonl#9' does not exist\n"
            "  found: pol.jsonl\n"
            "  did you mean: pool.jsonl",
        ),
        (
            "  pairs:\n    pools: [pol.jsonl]\n",
            "s.yaml:5:13: pool 'pol.jsonl' does not exist\n"
            "  found: pol.jsonl\n"
            "  did you mean: pool.jsonl",
        ),
        (
            "  method: grpo\n  pools: [pool.jsonl]\n",
            "s.yaml:4:11: method: grpo has no prompts to learn from\n"
            "  expected: generate, beside it: prompts that no case has\n"
            "  hint: say generate: {seeds: 2} or {rows: {FILE: OTHER FILE}}; or method: dpo, with "
            "pairs",
        ),
        (
            "  train: {method: dpo}\n",
            "s.yaml:4:11: 'method' is not said under fix: train: say fix: {method: ...}\n"
            "  hint: leave it out",
        ),
        (
            "  replay:\n    pools: [.]\n",
            "s.yaml:5:13: pool '.' is a folder\n  expected: a file of rows",
        ),
        (
            "  teacher: {name: bog}\n",
            "s.yaml:4:19: no teacher is called 'bog'\n"
            "  did you mean: big\n"
            "  hint: add [tool.harness.teachers.bog] to pyproject.toml, with backend and model",
        ),
        (
            "  train: {model: foo}\n",
            "s.yaml:4:11: 'model' is not said under fix: train: the run's base is trained\n"
            "  hint: leave it out",
        ),
        (
            "  train: {trust_remote_code: true}\n",
            "s.yaml:4:11: 'trust_remote_code' is not said under fix: train: an option of the "
            "command line: a suite may come from somebody else\n"
            "  hint: leave it out",
        ),
        (
            "  train:\n    epochs: many\n",
            "s.yaml:5:13: wrong value for 'train.epochs'\n"
            "  found: text 'many'\n  expected: a number",
        ),
    ],
)
def test_a_mistake_in_a_block_has_its_place(tmp_path: Path, block: str, message: str) -> None:
    assert said(tmp_path, block) == message


def test_a_pool_outside_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    assert said(tmp_path / "project", "  pools: [../pool.jsonl]\n") == (
        "s.yaml:4:11: pool '../pool.jsonl' is outside of the project\n"
        f"  expected: a file below {tmp_path}/project\n"
        "  hint: copy it into the project"
    )


def test_a_setting_that_the_trainer_does_not_know(tmp_path: Path) -> None:
    message = said(tmp_path, "  train: {lerning_rate: 0.002}\n")

    assert message.startswith("s.yaml:4:11: key 'lerning_rate' is not known here\n")
    assert "did you mean: learning_rate\n" in message
    assert "output" not in message


FAMILY = (
    "from_file:\n  - path: rows.jsonl\n"
    '    case: {id: "{{ row.q }}", user: q, checks: [{contains: a}]}\n'
)


def test_rows_from_outside_of_the_suites_folder(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for folder in (tmp_path, project):
        (folder / "rows.jsonl").write_text('{"q": "a"}\n')
    block = "  generate: {rows: {rows.jsonl: ../rows.jsonl}}\n"

    assert said(project, block, FAMILY) == (
        "s.yaml:4:33: data file '../rows.jsonl' is outside of the suite's folder\n"
        "  hint: put it beside the suite file, or below"
    )


def test_rows_that_are_to_take_the_place_of_others(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"q": "a"}\n')
    block = "  generate: {rows: {rows.jsonl: row.jsonl}}\n"

    assert said(tmp_path, block, FAMILY) == (
        "s.yaml:4:33: data file 'row.jsonl' does not exist\n  did you mean: rows.jsonl"
    )


def test_rows_that_are_to_take_their_own_place(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"q": "a"}\n')
    block = "  generate: {rows: {rows.jsonl: rows.jsonl}}\n"

    assert said(tmp_path, block, FAMILY) == (
        "s.yaml:4:33: 'rows.jsonl' has the cases themselves, and what is learned must not gate\n"
        "  expected: another file of such rows\n"
        "  hint: rows: {FILE: OTHER FILE} makes prompts that no case has"
    )


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    message = said(tmp_path, "  pools: [a.jsonl]\n  train: {output: x, epochs: 0}\n")

    assert [line.split(": ")[0] for line in message.splitlines() if "s.yaml" in line] == [
        "s.yaml:4:11", "s.yaml:5:11", "s.yaml:5:30"
    ]  # fmt: skip


def test_a_block_without_any_source_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    suite(tmp_path, "  rounds: 1\n")

    assert main(["validate", "s.yaml"]) == 0
    assert capsys.readouterr().out == (
        "s.yaml: s, 1 case, c\n"
        "  warning: fix: names no pools and no generate: nothing but --bad-cases would teach "
        "anything\n"
    )


@pytest.mark.parametrize(
    ("block", "warnings"),
    [
        (
            "  pools: [pool.jsonl]\n  pairs: {pools: [pool.jsonl]}\n",
            ["fix: pairs (line 5) is not used by sft; method: dpo learns from it"],
        ),
        (
            "  pools: [pool.jsonl]\n  method: dpo\n  rewards: {}\n",
            ["fix: rewards (line 6) is not used by dpo; method: grpo learns from it"],
        ),
        ("  pools: [pool.jsonl]\n  method: auto\n  pairs: {}\n  rewards: {}\n", []),
        ("  method: dpo\n  pairs: {pools: [pool.jsonl]}\n", []),
    ],
)
def test_what_the_method_does_not_learn_from_is_warned_about(
    tmp_path: Path, block: str, warnings: list[str]
) -> None:
    assert list(block_warnings(suite(tmp_path, block))) == warnings


def test_validate_looks_at_the_blocks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    suite(tmp_path, "  pools: [pools.jsonl]\n")

    assert main(["validate", "s.yaml"]) == 2
    assert capsys.readouterr().err == (
        "s.yaml:4:11: pool 'pools.jsonl' does not exist\n"
        "  found: pools.jsonl\n"
        "  did you mean: pool.jsonl\n"
    )
