"""`--help` of every command: what it does, an example, and what its exit codes mean."""

from __future__ import annotations

import pytest

from harness.cli import COMMANDS, main
from harness.cli.parser import EXIT_CODES, OTHER_CODES, new_parser

INNER = (
    "baseline save",
    "baseline show",
    "engine down",
    "engine status",
    "engine up",
    "import ifeval",
    "import jsonl",
    "import xstest",
)
UNGATED = ("join-training", "lint-adapter", "merge", "train", "view")


def commands() -> list[str]:
    _, choices = new_parser()
    for family in COMMANDS:
        family.add_commands(choices)
    return sorted(choices.choices)


@pytest.mark.parametrize("command", [*commands(), *INNER])
def test_every_command_is_explained(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])

    usage, description, *rest = capsys.readouterr().out.split("\n\n")
    assert usage.startswith(f"usage: harness {command} ")
    assert description.endswith(".") and len(description.split()) > 2
    examples = next(part for part in rest if part.startswith("examples:\n"))
    assert f"\n  harness {command}" in examples
    assert "\n\n".join(rest).endswith(OTHER_CODES if command in UNGATED else EXIT_CODES)


@pytest.mark.parametrize("command", UNGATED)
def test_a_command_that_gates_nothing_says_what_its_success_means(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])

    assert "Exit code 0: " in capsys.readouterr().out


@pytest.mark.parametrize("words", [["engine", "up", "--backend", "hf"], ["runs", "--model=x"]])
def test_an_option_of_other_commands_is_not_suggested(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"harness {' '.join(word for word in words[:2] if not word.startswith('-'))}"

    assert main(words) == 2
    assert capsys.readouterr().err == (
        f"unknown option {next(word for word in words if word.startswith('-'))!r}\n"
        f"  found: other commands have it, `{command}` has not\n"
        f"  hint: see {command} --help\n"
    )


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (
            ["--system", "x"],
            "say it in the suite, under defaults; by variant under [variants.NAME] in harness.toml",
        ),
        (["--lora=x"], "name each adapter: --adapter NAME=DIR"),
        (["--tensor-parallel-size", "2"], "--engine-arg tensor_parallel_size=VALUE"),
        (["--max_model_len=512"], "--engine-arg max_model_len=VALUE"),
    ],
)
def test_what_other_tools_say_with_an_option_is_told_in_the_words_of_this_one(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words]) == 2
    assert capsys.readouterr().err == f"unknown option {words[0]!r}\n  hint: {hint}\n"


def test_an_argument_too_many_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "latest", "2"]) == 2
    said = "one argument too many: '2'\n  hint: see harness view --help\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("words", "said", "meant"),
    [
        (["judge", "calibrat"], "argument 'calibrat' is not known\n", "calibrate"),
        (["cache", "splt"], "argument 'splt' is not known\n", "split"),
        (["import", "promptfo", "x.yaml"], "argument 'promptfo' is not known\n", "promptfoo"),
        (["review", "--by", "score"], "--by 'score' is not known\n", "scores"),
        (["engine", "dwn"], "argument 'dwn' is not known\n", "down"),
    ],
)
def test_a_word_that_is_no_choice_is_told_with_the_nearest(
    words: list[str], said: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith(said)
    assert f"\n  did you mean: {meant}\n" in told


def test_a_command_without_an_engine_says_nothing_of_engine_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["runs", "--max-model-len", "2"]) == 2
    assert "--engine-arg" not in capsys.readouterr().err


def test_a_slip_is_sought_among_the_options_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["lint-adapter", "out", "--modle", "x"]) == 2
    assert capsys.readouterr().err == (
        "unknown option '--modle'\n"
        "  did you mean: --model\n"
        "  hint: see harness lint-adapter --help\n"
    )
