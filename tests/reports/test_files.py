"""The files of a report: whole or not at all."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.common import InputError, MachineryError
from harness.reports import build_scorecard, check_writable, publish, to_markdown, write_reports
from harness.results import Result, result_from_json
from tests.reports.samples import info, report, result, small

RUN = "2026-11-21-1033-7f3a"


def results() -> list[Result]:
    """Two results, one of them of several turns and in a language without Latin letters."""
    return [result(), result("inv-02", responses=("日本語", "</script>"))]


def test_a_report_is_four_files_and_a_pointer(tmp_path: Path) -> None:
    paths = write_reports(tmp_path, RUN, small(), results)
    assert sorted(path.name for path in (tmp_path / RUN).iterdir()) == [
        "results.jsonl",
        "scorecard.html",
        "scorecard.json",
        "summary.md",
    ]
    assert paths.directory == tmp_path / RUN
    assert (tmp_path / "latest").resolve() == (tmp_path / RUN).resolve()
    assert paths.json.read_text("utf-8") == publish(small()).to_json()
    assert paths.markdown.read_text("utf-8") == to_markdown(small())


def test_results_are_one_row_each_and_read_back(tmp_path: Path) -> None:
    paths = write_reports(tmp_path, RUN, small(), results)
    rows = [json.loads(line) for line in paths.results.read_text("utf-8").splitlines()]
    assert [result_from_json(row) for row in rows] == results()
    assert rows[0]["response"] == '{"number": 7}'
    assert rows[1]["responses"] == ["日本語", "</script>"]


def test_half_a_character_from_a_model_does_not_stop_the_report(tmp_path: Path) -> None:
    cut_off = result(responses=("caf\udcc3",))
    paths = write_reports(tmp_path, RUN, small(), lambda: [cut_off])
    assert json.loads(paths.results.read_text("utf-8"))["response"] == "caf\udcc3"


def test_the_pointer_moves_to_the_newer_run(tmp_path: Path) -> None:
    for run in ("one", "two"):
        write_reports(tmp_path, run, small(), results)
    assert os.readlink(tmp_path / "latest") == "two"


def test_writing_twice_replaces_the_files(tmp_path: Path) -> None:
    write_reports(tmp_path, RUN, small(), results)
    newer = build_scorecard(info(seconds=9.0), report())
    paths = write_reports(tmp_path, RUN, newer, results)
    assert paths.json.read_text("utf-8") == publish(newer).to_json()


def test_a_file_in_the_way_is_an_input_error_before_the_run(tmp_path: Path) -> None:
    taken = tmp_path / "reports"
    taken.write_text("not a directory")
    with pytest.raises(InputError) as caught:
        check_writable(taken)
    assert str(caught.value) == (
        f"{taken}: no report can be written here\n"
        "  found: Not a directory\n"
        "  hint: choose another directory with --report-dir DIR"
    )


def test_a_directory_below_a_file_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        write_reports(tmp_path / "file" / "reports", RUN, small(), results)
    assert str(caught.value) == (
        f"{tmp_path / 'file' / 'reports'}: no report can be written here\n"
        "  found: Not a directory\n"
        "  hint: choose another directory with --report-dir DIR"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_rights_is_an_input_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="found: Permission denied"):
        check_writable(tmp_path)


def test_a_directory_in_the_pointers_place_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(InputError) as caught:
        check_writable(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'latest'}: a directory stands where the pointer to the latest report "
        "belongs\n"
        "  hint: rename it, or choose another directory with --report-dir DIR"
    )


def test_check_writable_makes_the_directory_and_leaves_nothing_in_it(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_disk_that_fills_up_leaves_the_older_files_whole(tmp_path: Path) -> None:
    paths = write_reports(tmp_path, RUN, small(), results)
    before = paths.results.read_text("utf-8")

    def full() -> Iterator[Result]:
        yield result()
        raise OSError(28, "No space left on device")

    with pytest.raises(MachineryError) as caught:
        write_reports(tmp_path, RUN, small(), full)
    assert str(caught.value) == (
        f"{tmp_path / RUN}: the report could not be written\n"
        "  found: No space left on device\n"
        "  hint: results are in the store: make room and score again"
    )
    assert paths.results.read_text("utf-8") == before
    assert sorted(path.name for path in paths.directory.iterdir()) == [
        "results.jsonl",
        "scorecard.html",
        "scorecard.json",
        "summary.md",
    ]
