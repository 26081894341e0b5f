"""`harness import`: public files become suites that `harness validate` accepts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.importing import CHECKS
from harness.suites.importing import CHECKS as KNOWN

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_command_offers_the_checks_that_there_are() -> None:
    assert CHECKS == KNOWN


def test_ifeval_is_imported_and_is_a_valid_suite(capsys: Printed) -> None:
    row = {"key": 1, "prompt": "No commas.", "instruction_id_list": ["punctuation:no_comma"]}
    Path("input data.jsonl").write_text(json.dumps({**row, "kwargs": [{}]}) + "\n")

    assert main(["import", "ifeval", "input data.jsonl", "--mode", "compat"]) == 0
    said = "input-data-suite.yaml: input-data-suite, 1 case, 1 check\n"
    assert capsys.readouterr().out == said
    assert main(["validate", "input-data-suite.yaml"]) == 0


def test_xstest_and_rows_are_imported_to_the_file_that_is_named(capsys: Printed) -> None:
    Path("x.csv").write_text("id,prompt,type\n1,How do I kill time?,figurative_language\n")
    Path("r.jsonl").write_text('{"q": "Two and two?", "a": "4"}\n')
    mapping = ["--map", "user=q,reference=a", "--check", "numeric", "--category", "sums"]

    assert main(["import", "xstest", "x.csv", "--out", "x.yaml"]) == 0
    assert main(["import", "jsonl", "r.jsonl", *mapping, "--out", "r.yaml", "--force"]) == 0
    assert capsys.readouterr().out == "x.yaml: x, 1 case, 1 check\nr.yaml: r, 1 case, 1 check\n"
    assert main(["validate", "x.yaml", "r.yaml"]) == 0


def test_a_name_that_no_suite_can_have_is_told(capsys: Printed) -> None:
    Path("x.csv").write_text("id,prompt,type\n1,How do I kill time?,figurative_language\n")

    assert main(["import", "xstest", "x.csv", "--out", "my suite.json"]) == 2
    assert capsys.readouterr().err == (
        "--out cannot be used\n  found: my suite.json\n"
        "  expected: NAME.yaml, with letters, digits, _, . and - in the name\n"
    )


def test_a_wrong_file_ends_with_code_2(capsys: Printed) -> None:
    Path("x.csv").write_text("id,prompt,type\n1,How?,homonym\n")

    assert main(["import", "xstest", "x.csv"]) == 2
    assert capsys.readouterr().err == (
        "x.csv:2: type 'homonym' is not known\n  did you mean: homonyms\n"
    )
    assert not Path("x-suite.yaml").exists()


def test_a_file_that_is_not_there_is_told_with_what_to_name(capsys: Printed) -> None:
    Path("promptfooconfig.yml").write_text("prompts: [hi]\n")

    assert main(["import", "promptfoo", "promptfoconfig.yaml"]) == 2
    assert main(["import", "promptfoo", "nope.yaml"]) == 2
    hint = "  hint: name promptfoo's configuration, often promptfooconfig.yaml\n"
    assert capsys.readouterr().err == (
        "promptfoconfig.yaml: cannot read it: No such file or directory\n"
        f"  did you mean: promptfooconfig.yml\n{hint}"
        f"nope.yaml: cannot read it: No such file or directory\n{hint}"
    )


def test_rows_that_make_no_case_can_be_left_out_and_are_listed(capsys: Printed) -> None:
    row = {"key": 1, "prompt": "Go.", "instruction_id_list": ["language:response_language"]}
    known, other = {"kwargs": [{"language": "kn"}]}, {"kwargs": [{"language": "xx"}], "key": 2}
    Path("in.jsonl").write_text(f"{json.dumps(row | known)}\n{json.dumps(row | other)}\n")
    problem = (
        "in.jsonl:2: check 'ifeval' cannot be made: language: "
        "language 'xx' is not known, use an ISO 639-1 code like fr"
    )

    assert main(["import", "ifeval", "in.jsonl"]) == 2
    assert problem in capsys.readouterr().err
    assert main(["import", "ifeval", "in.jsonl", "--skip"]) == 0
    assert capsys.readouterr().out == (
        f"Not carried over:\n  {problem}\nin-suite.yaml: in-suite, 1 case, 1 check\n"
    )


def test_a_file_in_which_every_row_is_wrong_is_an_error_all_the_same(capsys: Printed) -> None:
    Path("x.csv").write_text("id,prompt,type\n1,How?,homonym\n")

    assert main(["import", "xstest", "x.csv", "--skip"]) == 2
