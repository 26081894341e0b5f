"""What pytest says of cases and gates, for every kind of verdict."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from tests.backends.openai.serving import SmallServer, answer
from tests.recorded_project import CASES, Record

ALL = "++++++++++++"
SHADES = """
suite: shades
category: instruction_following
cases:
  - {id: s01, user: Say pink., checks: [{contains: pink}]}
  - {id: s02, user: Say pink., checks: [{contains: pink}]}
"""


def test_a_passing_candidate_is_green(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL, "new": ALL})

    project.runpytest("suites").assert_outcomes(passed=25)


def test_arguments_of_the_chat_template_are_told_the_server(project: pytest.Pytester) -> None:
    server = SmallServer(lambda heard: answer("red"))
    project.path.joinpath("harness.toml").write_text(
        f'backend = "openai"\nbase_url = "{server.url}"\nmodel = "small"\n'
        "chat_template_args = {enable_thinking = false}\n"
    )

    project.runpytest("suites").assert_outcomes(passed=13)
    server.close()

    assert {str(heard.body["chat_template_kwargs"]) for heard in server.heard} == {
        "{'enable_thinking': False}"
    }


def test_answers_that_a_judge_likes_less_fail_the_gate_alone(project: pytest.Pytester) -> None:
    suite = project.path / "suites" / "colours.yaml"
    suite.write_text("prefer: {rubric: Which is warmer?}\n" + suite.read_text())
    settings = project.path / "harness.toml"
    settings.write_text(
        settings.read_text() + '[judge]\nbackend = "replay"\nresponses = "judge.jsonl"\n'
    )
    said = ["Verdict: B", "Verdict: A"]  # the baseline's in both orders
    rows: dict[str, list[dict[str, object]]] = {
        "answers.jsonl": [
            {"case": case, "variant": name, "response": f"red, {name}"}
            for case in CASES
            for name in ("base", "new")
        ],
        "judge.jsonl": [{"case": case, "variant": "new", "responses": said} for case in CASES],
    }
    for name, lines in rows.items():
        project.path.joinpath(name).write_text("".join(json.dumps(row) + "\n" for row in lines))

    for more in ([], ["--early-stop"]):
        done = project.runpytest("suites", *more)
        done.assert_outcomes(passed=24, failed=1)
        done.stdout.fnmatch_lines(["*answers against base: 0 won, 0 tied, 12 lost*regressed"])
    done = project.runpytest("suites", "--baseline", "none")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stdout.fnmatch_lines(["suites/colours.yaml:1:1: prefer compares answers with a*"])


def test_failing_cases_of_a_passing_suite_are_tolerated(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": ALL, "new": "-+++++++++++"})
    done = project.runpytest("suites", "-rx")

    done.assert_outcomes(passed=24, xfailed=1)
    done.stdout.fnmatch_lines(["XFAIL suites/colours.yaml::c00[[]new[]] - tolerated: 11/12 ≥ 0.50"])


def test_cases_that_got_worse_fail_when_the_suite_regressed(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": "-+++++++++++", "new": "-------+++++"})
    done = project.runpytest("suites", "-rxf")

    done.assert_outcomes(passed=16, failed=7, xfailed=2)
    done.stdout.fnmatch_lines(
        [
            "XFAIL suites/colours.yaml::c00[[]base[]] - baseline: contains: *",
            "XFAIL suites/colours.yaml::c00[[]new[]] - not worse than base",
            "FAILED suites/colours.yaml::c01[[]new[]] - contains: *",
            "FAILED suites/colours.yaml::gate[[]new[]] - regressed: *",
        ]
    )


def test_all_failing_cases_fail_below_the_threshold(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": "-----------+", "new": "-----------+"})
    done = project.runpytest("suites", "-rf")

    done.assert_outcomes(passed=2, failed=12, xfailed=11)
    done.stdout.fnmatch_lines(["FAILED suites/colours.yaml::gate[[]new[]] - below_threshold: *"])


def test_a_lone_variant_is_judged_by_its_bars(project: pytest.Pytester, record: Record) -> None:
    record({"base": "------------"})

    project.runpytest("suites").assert_outcomes(failed=13)


def test_part_of_a_suite_has_no_verdict(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL, "new": "-+++++++++++"})
    done = project.runpytest("suites", "-k", "c00 or c01 or gate", "-rs")

    done.assert_outcomes(passed=3, failed=1, skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED * partial: 2 of 12 cases, no verdict"])


def test_one_variant_alone_is_still_compared(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL, "new": "-------+++++"})
    done = project.runpytest("suites", "-k", "new", "-rf")

    done.assert_outcomes(passed=5, failed=8)
    done.stdout.fnmatch_lines(["FAILED *gate[[]new[]] - regressed: *"])


def test_tags_are_marks(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL})

    project.runpytest("suites", "-m", "smoke", "--strict-markers").assert_outcomes(
        passed=3, deselected=10
    )


def test_last_failed_runs_what_failed(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL, "new": "-------+++++"})
    project.runpytest("suites")

    done = project.runpytest("suites", "--lf")

    done.assert_outcomes(failed=7, skipped=1)


def test_last_failed_takes_recorded_answers_of_files_that_it_passes_over(
    project: pytest.Pytester, record: Record
) -> None:
    add_shades(project)
    record({"base": ALL, "new": "-------+++++"})
    record_shades(project)
    project.runpytest("suites").assert_outcomes(passed=22, failed=8)

    done = project.runpytest("suites", "--lf", "-rfs")

    done.assert_outcomes(failed=7, skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED * partial: 7 of 12 cases, no verdict"])


def test_a_gate_alone_has_no_verdict_and_starts_no_run(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": ALL, "new": ALL})
    done = project.runpytest("suites/colours.yaml::gate[new]", "-rs")

    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED * partial: 0 of 12 cases, no verdict"])
    assert not project.path.joinpath(".harness").exists()


@pytest.mark.parametrize("other", ["s01 and new", "s01 and base", "s01"])
def test_a_gate_whose_cases_are_left_out_has_no_verdict(
    project: pytest.Pytester, record: Record, other: str
) -> None:
    add_shades(project)
    record({"base": ALL, "new": ALL})
    record_shades(project)
    done = project.runpytest("suites", "-k", f"gate or {other}", "-rs")

    done.assert_outcomes(passed=2 if other == "s01" else 1, skipped=2)
    done.stdout.fnmatch_lines(["SKIPPED * partial: 0 of 12 cases, no verdict"])


def add_shades(project: pytest.Pytester) -> None:
    """Write a second suite, of two cases."""
    project.path.joinpath("suites", "shades.yaml").write_text(SHADES)


def record_shades(project: pytest.Pytester) -> None:
    """Record right answers of base and new for the second suite, beside those of the first."""
    with project.path.joinpath("answers.jsonl").open("a") as file:
        for variant in ("base", "new"):
            for case in ("s01", "s02"):
                row = {"case": case, "variant": variant, "response": "pink"}
                file.write(json.dumps(row) + "\n")


def test_stopping_at_the_first_failure(project: pytest.Pytester, record: Record) -> None:
    record({"base": "-----------+", "new": "-----------+"})

    project.runpytest("suites", "-x").assert_outcomes(failed=1, xfailed=1)


def test_a_missing_answer_is_an_error_and_not_a_failure(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": ALL, "new": "+++++++++++"})
    done = project.runpytest("suites", "-rE")

    done.assert_outcomes(passed=23, errors=2)
    done.stdout.fnmatch_lines(
        [
            "ERROR suites/colours.yaml::c11[[]new[]] - *no answer: none is recorded*",
            "ERROR suites/colours.yaml::gate[[]new[]] - *error: *",
        ]
    )


def test_junit_tells_errors_from_failures(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL, "new": "-----------"})
    project.runpytest("suites", "--junitxml=junit.xml")

    suite = ElementTree.parse(project.path / "junit.xml").getroot()[0]  # our own file
    names = {case.get("name"): [part.tag for part in case] for case in suite.iter("testcase")}

    assert names["c00[new]"] == ["properties", "skipped"] or "failure" in names["c00[new]"]
    assert "error" in names["c11[new]"]
    assert "error" in names["gate[new]"]


def test_the_run_leaves_its_files(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL, "new": ALL})
    project.runpytest("suites")

    card = json.loads((project.path / "reports/latest/scorecard.json").read_text())

    assert card["verdict"] == "pass"
    assert len((project.path / "reports/latest/results.jsonl").read_text().splitlines()) == 24


def test_a_committed_baseline_is_compared_against(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL})
    project.runpytest("suites").assert_outcomes(passed=13)
    project.run(sys.executable, "-m", "harness", "baseline", "save", "base.json")
    record({"base": "-------+++++"})
    done = project.runpytest("suites", "--baseline", "base.json", "-rf")

    done.assert_outcomes(passed=5, failed=8)
    done.stdout.fnmatch_lines(["FAILED suites/colours.yaml::gate[[]base[]] - regressed: *"])


def test_cases_that_nobody_asked_are_skipped_and_never_passed(
    project: pytest.Pytester, record: Record
) -> None:
    cases = [f"c{number:02}" for number in range(60)]
    project.path.joinpath("suites", "colours.yaml").write_text(
        "suite: colours\ncategory: c\ncases:\n"
        + "".join(f"  - {{id: {c}, user: Say red., checks: [{{contains: red}}]}}\n" for c in cases)
    )
    rows = [
        {"case": case, "variant": variant, "response": text}
        for case in cases
        for variant, text in (("base", "red"), ("new", "blue"))
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    project.path.joinpath("answers.jsonl").write_text(lines)
    done = project.runpytest("suites", "--early-stop", "-rs")

    done.assert_outcomes(passed=25, failed=26, skipped=70)
    done.stdout.fnmatch_lines(["SKIPPED * not asked: the suite had shown its regression"])
