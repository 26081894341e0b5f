"""What is collected, under which names, and what a wrong file says."""

from __future__ import annotations

import pytest

from tests.recorded_project import CASES, Record, write_project

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


def test_a_bare_pytest_leaves_other_yaml_and_other_tests_alone(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["harness.pytest_plugin"]')
    for name in ("mkdocs.yml", "docker-compose.yml", ".pre-commit-config.yaml"):
        pytester.path.joinpath(name).write_text("site_name: x\n")
    pytester.makepyfile(test_mine="def test_mine(): pass")

    pytester.runpytest().assert_outcomes(passed=1)


def test_before_a_model_is_chosen_other_tests_run(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["harness.pytest_plugin"]')
    write_project(pytester.path)
    pytester.path.joinpath("harness.toml").write_text('suites = ["suites"]\n')
    pytester.makepyfile(test_mine="def test_mine(): pass")

    bare = pytester.runpytest("-rs")
    bare.assert_outcomes(passed=1, skipped=1)
    bare.stdout.fnmatch_lines(["*no suite was run: no model given*"])
    assert pytester.runpytest("suites").ret == pytest.ExitCode.USAGE_ERROR


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


REFUSED = "!* _pytest.outcomes.Exit: wrong input: no case was run !*"


def test_wrong_settings_are_said_once(project: pytest.Pytester, record: Record) -> None:
    record({"base": ALL})
    project.path.joinpath("suites", "more.yaml").write_text("suite: more\n")
    project.path.joinpath("harness.toml").write_text('suites = ["suites"]\nbackand = "echo"\n')

    done = project.runpytest("suites")

    done.stdout.fnmatch_lines(["*harness.toml:2:1: unknown setting 'backand'", REFUSED])
    assert done.stdout.str().count("backand") == 1
    assert done.ret == 4


def test_no_model_is_said_in_one_line(project: pytest.Pytester) -> None:
    project.path.joinpath("harness.toml").write_text('suites = ["suites"]\n')

    done = project.runpytest("suites")

    done.stdout.fnmatch_lines(
        [
            "no model given",
            '  hint: add --model DIR, or model = "DIR" at the top of harness.toml',
            "collected 0 items",
            REFUSED,
        ]
    )
    assert done.ret == 4


UNWRITABLE = [
    "harness.toml: no report can be written here",
    "  found: Not a directory",
    "  hint: choose another directory with --report-dir DIR",
]


def test_wrong_input_ends_the_session_with_one_message(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": ALL})
    done = project.runpytest("suites", "--report-dir=harness.toml")

    said = ["suites/colours.yaml ", *UNWRITABLE, "", "*no tests ran in*", REFUSED]
    done.stdout.fnmatch_lines(said, consecutive=True)
    assert "Traceback" not in done.stdout.str()
    assert done.ret == 4


def test_under_xdist_the_first_item_says_it_and_the_others_point_there(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": ALL})
    done = project.runpytest("suites", "--report-dir=harness.toml", "-n1")

    done.assert_outcomes(errors=13)
    said, _ = done.stdout.str().split("short test summary info")  # where CI=1 has it whole, again
    assert said.count(UNWRITABLE[2]) == 1
    done.stdout.fnmatch_lines([f"{UNWRITABLE[0]} (see the first error)"])
    done.stdout.no_fnmatch_line("*During handling*")


def test_a_value_that_pytest_takes_for_a_path_is_refused(
    project: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    other.joinpath("pytest.ini").write_text("[pytest]\n")

    done = project.runpytest("suites", "--model", str(other))

    done.stderr.fnmatch_lines(
        [
            f"ERROR: pytest took the value of --model for a path to test, and {other} for the "
            "root of your project",
            f"  hint: write --model={other}, or put a pytest.ini beside your conftest.py",
        ]
    )
    assert done.ret == 4


def test_a_project_is_found_below_the_root_that_pytest_chose(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": ALL})
    folder = project.path.parent / f"{project.path.name}-reports"
    folder.mkdir()

    project.runpytest("suites", "--report-dir", str(folder)).assert_outcomes(passed=13)


def test_options_are_relative_to_where_pytest_was_called(
    project: pytest.Pytester, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record({"base": ALL})
    sub = project.mkdir("sub")
    project.path.joinpath("answers.jsonl").rename(sub / "mine.jsonl")
    monkeypatch.chdir(sub)

    done = project.runpytest("../suites", "--responses=mine.jsonl", "--report-dir=out")
    done.assert_outcomes(passed=13)
    assert sub.joinpath("out/latest").exists()
    assert project.path.joinpath(".harness/store.db").is_file()

    wrong = project.runpytest("../suites", "--responses=../mine.jsonl")
    wrong.stdout.fnmatch_lines(
        [
            "*--responses ../mine.jsonl: there is no such file",
            f"*  found: nothing at {project.path}/mine.jsonl",
            REFUSED,
        ]
    )
    assert wrong.ret == 4


def test_a_broken_engine_makes_items_errors_and_no_failures(
    project: pytest.Pytester, record: Record
) -> None:
    record({"base": ALL})
    slow = ("--backend=echo", "--engine-arg=delay=1")

    done = project.runpytest("suites", "--time-limit=0.001", *slow)

    outcomes = done.parseoutcomes()
    assert outcomes["errors"] >= 12  # the first answer may just be there
    assert "failed" not in outcomes
