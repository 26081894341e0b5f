"""pytest-xdist: several workers, one run."""

from __future__ import annotations

import pytest

from harness.store import Store
from tests.recorded_project import Record


@pytest.mark.parametrize("options", [("-n2",), ("-n2", "--dist=loadfile"), ("-n3", "-x")])
def test_workers_share_one_run_and_its_summary_is_printed_once(
    project: pytest.Pytester, record: Record, options: tuple[str, ...]
) -> None:
    record({"base": "++++++++++++", "new": "++++++++++++"})
    done = project.runpytest_subprocess("suites", *options)

    done.assert_outcomes(passed=25)
    with Store(project.path / ".harness" / "store.db") as store:
        assert len(store.runs()) == 1
    assert not list((project.path / ".harness").glob("pytest-*"))
    assert sum(line.strip() == "colours" for line in done.outlines) == 1


def test_an_error_is_shared_too(project: pytest.Pytester, record: Record) -> None:
    record({"base": "++++++++++++"})
    project.path.joinpath("reports").write_text("a file where a folder should be")

    project.runpytest_subprocess("suites", "-n2").assert_outcomes(errors=13)


def test_a_rerun_reads_the_same_answers_and_never_turns_green(
    project: pytest.Pytester, record: Record
) -> None:
    pytest.importorskip("pytest_rerunfailures")
    record({"base": "++++++++++++", "new": "-------+++++"})
    done = project.runpytest_subprocess("suites", "--reruns=2")

    outcomes = done.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"], outcomes["rerun"]) == (17, 8, 16)
    with Store(project.path / ".harness" / "store.db") as store:
        assert len(store.runs()) == 1
