"""A report's folder read back, and what is said of one that is not whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import harness
from harness.common import InputError
from harness.gate import decide
from harness.reports import build_scorecard, load_run, write_reports
from harness.reports.notebook import COLUMNS
from harness.results import Result
from tests.reports.samples import VARIANTS, info, result, suite, variant

AGAIN = "  hint: copy the folder again, or write it again: harness show RUN"


def results() -> list[Result]:
    return [
        result("inv-01"),
        result("inv-02", responses=("one", "two"), tags=("smoke",)),
        result("inv-01", "repaired"),
        result("inv-02", "repaired"),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The report of two cases on two variants."""
    record = info(suites=(suite("invoices", 2),), variants=(variant("base"), variant("repaired")))
    roles = {name: VARIANTS[name] for name in ("base", "repaired")}
    gate = decide(results(), [record.suites[0]], roles, "base")
    return write_reports(tmp_path, record.id, build_scorecard(record, gate), results).directory


def said(folder: Path) -> str:
    """What reading all results says."""
    with pytest.raises(InputError) as caught:
        list(load_run(folder).results())
    return str(caught.value)


def test_what_was_written_is_read_back(folder: Path) -> None:
    saved = harness.load_run(folder)

    assert list(saved.results()) == results()
    assert saved.info == info(suites=saved.info.suites, variants=saved.info.variants)
    assert saved.info.suites == (suite("invoices", 2),)
    assert saved.info.variants == (variant("base"), variant("repaired"))


def test_the_pointer_is_followed_even_where_there_are_no_links(folder: Path) -> None:
    pointer = folder.parent / "latest"
    assert load_run(pointer).info.id == folder.name
    pointer.unlink()
    pointer.write_text(folder.name + "\n")

    assert load_run(pointer).info.id == folder.name


def test_a_frame_has_a_row_per_result(folder: Path) -> None:
    pytest.importorskip("pandas")
    frame = harness.load_run(folder).to_frame()

    assert tuple(frame.columns) == COLUMNS
    assert frame.groupby("variant")["passed"].mean().to_dict() == {"base": 1.0, "repaired": 1.0}
    assert frame["response"].tolist()[1] == "one\n\ntwo"
    assert frame["tags"].tolist()[1] == ("smoke",)


def test_a_folder_that_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_run(tmp_path)

    assert str(caught.value) == (
        f"{tmp_path}/scorecard.json: this is no report of a run: there is no scorecard\n"
        "  expected: a folder under reports/, as a run leaves it"
    )


def cut_last_row(text: str) -> str:
    return text[:-40]


def cut_second_row(text: str) -> str:
    rows = text.splitlines(keepends=True)
    return "".join([rows[0], rows[1][:-40] + "\n", *rows[2:]])


def drop_last_row(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[:-1])


def nan_score(text: str) -> str:
    return text.replace('"score":1.0', '"score":NaN', 1)


def text_score(text: str) -> str:
    return text.replace('"score":1.0', '"score":"high"', 1)


def no_score(text: str) -> str:
    return text.replace('"score":1.0,', "", 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut_last_row, f":4: the file ends in the middle of a row\n{AGAIN}"),
        (cut_second_row, f":2:436: not valid JSON: Unterminated string starting at\n{AGAIN}"),
        (
            drop_last_row,
            ": results are missing\n"
            f"  found: suite invoices, variant repaired: 1 of 2 cases\n{AGAIN}",
        ),
        (nan_score, f":1:117: not valid JSON: NaN is no JSON number\n{AGAIN}"),
        (
            text_score,
            ":1: this row is no result: wrong value for 'score'\n"
            "  found: text 'high'\n  expected: a number",
        ),
        (no_score, ":1: this row is no result: 'score' is missing"),
    ],
)
def test_results_that_are_not_whole(
    folder: Path, change: Callable[[str], str], message: str
) -> None:
    file = folder / "results.jsonl"
    file.write_text(change(file.read_text("utf-8")), "utf-8")

    assert said(folder) == f"{file}{message}"


def test_missing_results(folder: Path) -> None:
    (folder / "results.jsonl").unlink()

    assert said(folder) == (
        f"{folder}/results.jsonl: cannot read the results: No such file or directory\n{AGAIN}"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"schema_version": 1',
            '"schema_version": 2',
            ": the scorecard has another format version\n  found: 2\n  expected: 1",
        ),
        (
            '"finished": true',
            '"finished": "soon"',
            ": the scorecard: wrong value for 'run.finished'\n"
            "  found: text 'soon'\n  expected: true or false",
        ),
    ],
)
def test_a_scorecard_that_is_none(folder: Path, old: str, new: str, message: str) -> None:
    file = folder / "scorecard.json"
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")

    assert said(folder) == f"{file}{message}"


def test_a_truncated_scorecard(folder: Path) -> None:
    file = folder / "scorecard.json"
    text = file.read_text("utf-8")
    file.write_text(text[: len(text) // 2], "utf-8")

    assert said(folder).startswith(f"{file}:")
    assert "the scorecard is not whole JSON" in said(folder)
