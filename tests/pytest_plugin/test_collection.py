"""What is collected, under which names, and what a wrong file says."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.conftest import CASES, Record

ALL = "++++++++++++"


def test_node_ids_name_case_and_variant(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL, "new": ALL})
    done = project.runpytest("suites", "--collect-only", "-q")

    ids = [f"suites/colours.yaml::{case}[{v}]" for case in CASES for v in ("base", "new")]
    assert done.outlines[:25] == [*ids, "suites/colours.yaml::gate[new]"]


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan", "--setup-only"])
def test_listing_runs_nothing(project: pytest.Pytester, record: Record, option: str) -> None:
    record({"base": ALL})
    project.runpytest("suites", option)

    assert not (project.path / ".harness").exists()
    assert not (project.path / "reports").exists()


def test_a_suite_elsewhere_is_collected_when_it_is_named(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": ALL})
    project.path.joinpath("suites").rename(project.path / "other")

    project.runpytest(".").assert_outcomes()
    project.runpytest("other").assert_outcomes(passed=13)
    project.runpytest("other/colours.yaml").assert_outcomes(passed=13)


def test_other_peoples_tests_are_left_alone(project: pytest.Pytester) -> None:
    project.makepyfile(test_mine="def test_mine(): pass")
    project.path.joinpath("harness.toml").write_text("nonsense = 1\n")

    project.runpytest("test_mine.py").assert_outcomes(passed=1)


def test_a_wrong_suite_is_a_collection_error_without_a_traceback(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": ALL})
    path = project.path / "suites" / "colours.yaml"
    path.write_text(path.read_text().replace("{contains: red}", "{contians: red}", 1))

    done = project.runpytest("suites")

    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(
        [
            "suites/colours.yaml:6:*: check 'contians' is not known",
            "  in case: c00",
            "  did you mean: contains",
        ]
    )
    done.stdout.no_fnmatch_line("*Traceback*")


def test_two_files_may_not_share_a_case(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL})
    path = project.path / "suites" / "colours.yaml"
    path.with_name("more.yaml").write_text(path.read_text().replace("colours", "more"))

    done = project.runpytest("suites")

    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["suites/more.yaml:6:*: *'c00'*"])


def test_wrong_settings_are_said_once(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL})
    project.path.joinpath("harness.toml").write_text('suites = ["suites"]\nbackand = "echo"\n')

    done = project.runpytest("suites")

    done.stdout.fnmatch_lines(["*harness.toml:2: unknown setting 'backand'"])


def test_no_model_is_said_in_one_line(project: pytest.Pytester) -> None:
    project.path.joinpath("harness.toml").write_text('suites = ["suites"]\n')

    done = project.runpytest("suites")

    done.stdout.fnmatch_lines(["*no model given", "  mend: add --model DIR*"])


def test_a_broken_engine_makes_every_item_an_error(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": ALL})
    project.path.joinpath("reports").write_text("a file where a folder should be")

    project.runpytest("suites").assert_outcomes(errors=13)
