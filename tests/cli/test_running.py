"""`harness run` and `harness score`: exit codes, files and what a wrong word says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from tests.recorded_project import Record

ALL = "++++++++++++"


@pytest.mark.parametrize(
    ("answers", "code", "verdict"),
    [
        ({"base": ALL, "new": ALL}, 0, "pass"),
        ({"base": ALL, "new": "-------+++++"}, 1, "regressed"),
        ({"base": "-------+++++", "new": "-------+++++"}, 1, "below_threshold"),
        ({"base": ALL, "new": "+++++++++++"}, 3, "error"),
        ({"base": ALL}, 0, "pass"),
    ],
)
def test_the_exit_code_is_the_verdict(
    record: Record, answers: dict[str, str], code: int, verdict: str
) -> None:
    record(answers)

    assert main(["run"]) == code
    assert json.loads(Path("reports/latest/scorecard.json").read_text())["verdict"] == verdict


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        ({"base": "+++++----+++"}, "\n  look at: c05, c06 and c07\n"),  # a pass of the base alone
        ({"base": "-------+++++"}, "\n  look at: c00, c01 and c02\n"),  # below its threshold
        ({"base": ALL, "new": "+++++-++++++"}, "\n  look at: c05\n"),
        ({"base": ALL, "new": "+++++++++++"}, "\n  look at: c11\n"),  # an answer is missing
    ],
)
def test_the_cases_that_the_page_names_are_named(
    record: Record, capsys: pytest.CaptureFixture[str], answers: dict[str, str], line: str
) -> None:
    record(answers)

    main(["run"])

    assert line in capsys.readouterr().out


def test_without_a_failing_case_there_is_nothing_to_look_at(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    record({"base": ALL, "new": ALL})

    assert main(["run"]) == 0
    assert "look at" not in capsys.readouterr().out


def test_a_suite_that_cannot_decide_exits_with_4(record: Record) -> None:
    record({"base": ALL, "new": ALL})
    suite = Path("suites/colours.yaml")
    suite.write_text(
        suite.read_text().replace(
            "{min_pass_rate: 0.5}", "{policy: non_inferiority, max_drop: 0.03}"
        )
    )

    assert main(["run"]) == 4


def test_score_gates_recorded_answers_whatever_the_backend(record: Record) -> None:
    record({"base": ALL, "new": "-------+++++"})
    Path("harness.toml").write_text('suites = ["suites"]\n')

    assert main(["score", "--responses", "answers.jsonl"]) == 1


def test_score_has_no_options_of_engines(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["score", "--help"])
    told = capsys.readouterr().out
    assert "--responses FILE" in told and "--baseline" in told
    engines = ("--model", "--adapter", "--base-url", "--engine-arg", "--replicas", "--no-warm")
    assert not [option for option in engines if option in told]


def test_a_runs_own_results_can_be_scored_again(record: Record) -> None:
    record({"base": ALL, "new": "-------+++++"})
    main(["run"])
    Path("again.jsonl").write_bytes(Path("reports/latest/results.jsonl").read_bytes())

    assert main(["score", "--responses", "again.jsonl"]) == 1


def test_the_second_run_generates_nothing(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    record({"base": ALL, "new": ALL})
    main(["run"])
    capsys.readouterr()

    main(["run"])

    assert "0 answers read, 24 from the store" in capsys.readouterr().out


def test_the_noise_floor_is_reported_and_decides_nothing(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    record({"base": ALL, "new": ALL})

    assert main(["run", "--aa"]) == 0
    card = json.loads(Path("reports/latest/scorecard.json").read_text())
    (floor,) = card["noise"]
    assert (floor["suite"], floor["variant"], floor["pairs"]) == ("colours", "base", 12)
    assert (floor["flip_rate"], floor["flaky"]) == (0.0, [])
    line = "noise floor, base asked twice: colours 0.0 % of 12 cases"
    assert line in capsys.readouterr().out
    assert line in Path("reports/latest/summary.md").read_text()
    assert main(["show"]) == 0
    assert line in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["run", "--adaptor", "x=y"],
            "unknown option '--adaptor'\n  did you mean: --adapter\n  hint: see harness run --help",
        ),
        (
            ["run", "--backend", "hff"],
            "backend 'hff' is not known\n"
            "  did you mean: hf\n"
            "  hint: use one of echo, hf, openai, replay, vllm",
        ),
        (
            ["run", "--backend", "replay", "--baseline", "nwe"],
            "--baseline 'nwe' names no variant of this run, and no earlier run\n"
            "  expected: one of base, new; a run (`harness runs` lists them); FILE.json\n"
            "  did you mean: new",
        ),
        (
            ["run", "--baseline", "answers.jsonl"],
            "answers.jsonl: this file is no run and no baseline\n"
            "  expected: a run (`harness runs` lists them), its folder under reports/, or a "
            "FILE.json that `harness baseline save` wrote",
        ),
        (
            ["run", "suites/colors.yaml"],
            "no such file or folder: suites/colors.yaml\n  did you mean: suites/colours.yaml",
        ),
        (
            ["run", "--model"],
            "argument --model: expected one argument\n  hint: see harness run --help",
        ),
        (
            ["run", "--report-dir", "harness.toml"],
            "harness.toml: no report can be written here\n"
            "  found: Not a directory\n"
            "  hint: choose another directory with --report-dir DIR",
        ),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    record: Record, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    record({"base": ALL, "new": ALL})

    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.err.rstrip("\n") == message
    assert not Path("reports").exists()


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rnu"]) == 2
    first, wanted, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("unknown command 'rnu'", "  did you mean: run")
    assert {"run", "score", "validate"} <= set(wanted.removeprefix("  expected: ").split(", "))


def test_no_recorded_answers(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("harness.toml").write_text('suites = ["suites"]\n')

    assert main(["score"]) == 2
    assert capsys.readouterr().err == (
        "no recorded answers given\n  hint: add --responses FILE (JSONL)\n"
    )


def test_recorded_answers_that_the_engine_would_not_read(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    record({"base": ALL})

    assert main(["run", "--backend", "hf", "--model", "m"]) == 2
    assert capsys.readouterr().err == (
        "--responses names recorded answers, and backend 'hf' makes its own\n"
        "  hint: add --backend replay, or use `harness score`\n"
    )


def test_answers_for_unknown_cases(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    record({"base": ALL})
    with Path("answers.jsonl").open("a") as file:
        file.write('{"case": "c1", "response": "red"}\n')

    assert main(["run"]) == 2
    assert capsys.readouterr().err.startswith("answers.jsonl:13: ")


def test_without_a_word_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "COMMAND" in capsys.readouterr().out


def test_rows_of_another_format_say_what_to_rename(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    record({"base": ALL})
    Path("answers.jsonl").write_text('{"id": "c00", "answer": "red"}\n')

    assert main(["run"]) == 2
    assert capsys.readouterr().err == (
        "answers.jsonl:1: 'case' is missing\n"
        "  found: id, answer\n"
        "  hint: rename 'id' to 'case'\n"
        "answers.jsonl:1: 'response' is missing\n"
        "  found: id, answer\n"
        "  hint: rename 'answer' to 'response'\n"
        "2 problems\n"
    )


def test_validate_counts_cases(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("suites/one.yaml").write_text(
        "suite: one\ncategory: c\ncases: [{id: o, user: Hi, checks: [json]}]\n"
    )

    assert main(["validate"]) == 0
    assert capsys.readouterr().out == (
        "suites/colours.yaml: colours, 12 cases, instruction_following\n"
        "suites/one.yaml: one, 1 case, c\n"
    )


def test_the_scorecard_says_what_was_sampled_and_how_to_run_it_again(record: Record) -> None:
    record({"base": ALL, "new": ALL})
    main(["run", "--reference", "new"])
    run = json.loads(Path("reports/latest/scorecard.json").read_text())["run"]

    assert run["options"] == [*("--reference=new", "--backend=replay", "--responses=answers.jsonl")]
    assert run["suites"][0]["sampling"] == {
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": 0,
        "repetition_penalty": 1.0,
        "max_new_tokens": 256,
        "seed": 0,
        "stop": [],
        "repeats": 1,
    }
    assert "greedy, up to 256 tokens" in Path("reports/latest/scorecard.html").read_text()


def test_help_has_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    text = capsys.readouterr().out
    assert "examples:\n  harness run suites/ --model Qwen2.5-7B-Instruct/" in text
    assert "exit codes:\n  0  passed" in text
