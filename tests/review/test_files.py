"""A review that is filled in elsewhere: written with names hidden, and read again line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.common import InputError
from harness.review import ReviewImport, in_order, read_review, write_review
from harness.store import Store, read_judgements
from tests.review.test_planning import NAMES, answer, planned

RESULTS = [answer(name, f"c{n}") for n in range(3) for name in NAMES[:2]]
Rows = list[dict[str, Any]]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An empty store."""
    with Store(tmp_path / "db") as opened:
        yield opened


def exported(store: Store, path: Path, by: str, rater: str = "ann") -> Rows:
    items = planned(RESULTS, by=by, sample=3, criteria=("kind", "short"))
    assert write_review(path, "run", items, store, rater, 0) == len(items)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def filled(path: Path, rows: Rows) -> Path:
    place = path.with_name("filled.jsonl")
    place.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return place


def test_a_file_names_no_variant(store: Store, tmp_path: Path) -> None:
    for by in ("pairs", "scores"):
        exported(store, tmp_path / by, by)
        assert "zebra" not in (tmp_path / by).read_text("utf-8")


def test_what_is_filled_in_comes_into_the_store_once(store: Store, tmp_path: Path) -> None:
    head, *rows = exported(store, tmp_path / "out.jsonl", "pairs")
    rows[0] |= {"preferred": "B", "note": "kinder"}
    rows[1]["preferred"] = "tie"
    place = filled(tmp_path / "out.jsonl", [head, *rows])

    assert read_review(place, store, lambda: RESULTS) == ReviewImport("ann", 2, 0, 1)
    assert read_review(place, store, lambda: RESULTS) == ReviewImport("ann", 0, 2, 1)

    (first, second) = read_judgements(store, ["s"])
    items = planned(RESULTS, by="pairs", sample=3)
    at = [item.case for item in items].index(first.case)
    shown = in_order(items, "ann", 0)[at]
    assert first.preferred == shown[1].variant
    assert [each.variant for each in first.answers] == [each.variant for each in shown]
    assert (first.note, second.preferred) == ("kinder", "tie")
    again = exported(store, tmp_path / "again.jsonl", "pairs")
    assert [row["preferred"] for row in again[1:]] == ["B", "tie", None]


def test_scores_are_read_by_criterion_and_changed_ones_replace(
    store: Store, tmp_path: Path
) -> None:
    head, *rows = exported(store, tmp_path / "out.jsonl", "scores", rater="")
    rows[0]["scores"]["kind"] = 5
    place = filled(tmp_path / "out.jsonl", [head, *rows])
    assert read_review(place, store, lambda: RESULTS, "bob") == ReviewImport("bob", 1, 0, 5)
    rows[0]["scores"] = {"kind": 4, "short": 2}
    place = filled(tmp_path / "out.jsonl", [head, *rows])
    assert read_review(place, store, lambda: RESULTS, "bob").added == 2
    kept = [(row.criterion, row.score) for row in read_judgements(store, ["s"])]
    assert kept == [("kind", 5), ("kind", 4), ("short", 2)]


def test_a_file_is_not_written_over(store: Store, tmp_path: Path) -> None:
    exported(store, tmp_path / "out.jsonl", "pairs")
    with pytest.raises(InputError, match="there is a file already"):
        write_review(tmp_path / "out.jsonl", "run", (), store, "ann", 0)


WRONG: dict[str, tuple[str, Any, str]] = {
    "no review": ("head", {"format": "mlflow"}, "1: this file is no review"),
    "newer": (
        "head",
        {"version": 2},
        "1: the review was written by a newer harness\n  found: version 2\n  expected: version 1",
    ),
    "no version": ("head", {"version": "1"}, "1: the first line: wrong value for 'version'"),
    "nobody": ("head", {"rater": ""}, "1: nobody says who judged"),
    "no name": ("head", {"rater": " x\n"}, "this is no name of a rater"),
    "criterion": ("scores", {"kin": 3}, "2: there is no criterion 'kin' here"),
    "score 0": ("scores", {"kind": 0}, "2: no score of 'kind'"),
    "score 6": ("scores", {"kind": 6}, "expected: a whole number from 1 to 5, or null"),
    "score half": ("scores", {"kind": 4.5}, "found: 4.5"),
    "score text": ("scores", {"kind": "4"}, "found: '4'"),
    "score yes": ("scores", {"kind": True}, "found: True"),
    "side": ("preferred", "zebra-base", "2: no side is called so"),
    "long note": ("note", "x" * 2001, "2: the note is too long"),
    "no case": ("case", None, "2: this row is no item: wrong value for 'case'"),
    "no side": ("answers", {"B": {"digest": "0"}}, "2: answers are called A, or A and B"),
    "no answer": ("answers", {}, "2: answers are called A, or A and B"),
    "turn": ("turn", -1, "2: this row is no item: wrong value for 'turn'"),
    "other answer": ("answers", {"A": {"digest": "0"}}, "2: the run did not give answer A"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_line_is_named_and_nothing_is_added(
    store: Store, tmp_path: Path, name: str
) -> None:
    field, value, said = WRONG[name]
    by = "pairs" if field == "preferred" else "scores"
    head, first, *rows = exported(store, tmp_path / "out.jsonl", by)
    good = {"preferred": "A"} if by == "pairs" else {"scores": {"kind": 3}}
    first |= {**good, **({field: value} if field != "head" else {})}
    head |= value if field == "head" else {}
    rows[0] |= good
    place = filled(tmp_path / "out.jsonl", [head, first, *rows])
    with pytest.raises(InputError) as error:
        read_review(place, store, lambda: RESULTS)
    assert said in str(error.value)
    assert read_judgements(store, ["s"]) == ()


def test_another_rater_and_broken_lines_are_told(store: Store, tmp_path: Path) -> None:
    head, *rows = exported(store, tmp_path / "out.jsonl", "pairs")
    place = filled(tmp_path / "out.jsonl", [head, *rows])
    with pytest.raises(InputError, match="the file is another rater's"):
        read_review(place, store, lambda: RESULTS, "bob")
    place.write_text(place.read_text() + "{\n[]\n")
    with pytest.raises(InputError) as error:
        read_review(place, store, lambda: RESULTS)
    assert [problem.line for problem in error.value.problems] == [5, 6]
    for text, said in (
        ("", "the file is empty"),
        ("no", "not valid JSON"),
        ('{"a', "in the middle of a row"),
        ("[]\n", "no review"),
    ):
        place.write_text(text)
        with pytest.raises(InputError, match=said):
            read_review(place, store, lambda: RESULTS)
