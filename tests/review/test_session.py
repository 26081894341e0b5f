"""What a rater says is saved at once, may be taken back, and mixes with nobody else's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.common import InputError
from harness.results import HumanJudgement
from harness.review import Review, in_order
from harness.store import Store, read_judgements
from tests.review.test_planning import NAMES, answer, planned


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty store."""
    Store(tmp_path / "db").close()
    return tmp_path / "db"


def review(path: Path, by: str, cases: int = 3, **options: Any) -> Review:
    results = [answer(name, f"c{n}") for n in range(cases) for name in NAMES[:2]]
    return Review(path, planned(results, by=by, sample=cases, **options), seed=3)


def rows(path: Path) -> tuple[HumanJudgement, ...]:
    with Store(path) as store:
        return read_judgements(store, ["s"])


def test_a_preference_is_kept_by_the_name_of_the_variant_on_that_side(path: Path) -> None:
    pairs = review(path, "pairs")
    pairs.say("ann", 0, {"preferred": "B", "note": "clearer"})
    (row,) = rows(path)
    shown = in_order(pairs.items, "ann", 3)[0]
    assert [each.variant for each in row.answers] == [each.variant for each in shown]
    assert (row.preferred, row.note, row.score) == (shown[1].variant, "clearer", None)
    seen = pairs.view("ann", 0)
    assert (seen["preferred"], seen["judged"], seen["next"]) == ("B", 1, 1)
    assert pairs.view("bob", 0)["preferred"] is None
    pairs.say("ann", 0, {"preferred": "tie"})
    assert pairs.view("ann", 0)["preferred"] == "tie"


def test_an_item_is_judged_when_all_its_criteria_are(path: Path) -> None:
    scores = review(path, "scores", 1, criteria=("kind", "short"))
    scores.say("ann", 0, {"criterion": "kind", "score": 4})
    assert (scores.view("ann", 0)["judged"], scores.first_open("ann")) == (0, 0)
    scores.say("ann", 0, {"criterion": "short", "score": 2})
    assert (scores.view("ann", 0)["judged"], scores.first_open("ann")) == (1, 1)
    assert scores.view("ann", 0)["scores"] == {"kind": 4, "short": 2}


def test_undo_takes_back_the_last_and_goes_there(path: Path) -> None:
    pairs = review(path, "pairs")
    assert pairs.undo("ann") is None
    pairs.say("ann", 0, {"preferred": "A"})
    pairs.say("ann", 2, {"preferred": "A"})
    pairs.say("ann", 2, {"preferred": "B"})
    pairs.say("bob", 1, {"preferred": "tie"})
    assert pairs.undo("ann") == 2
    assert pairs.view("ann", 2)["preferred"] == "A"
    assert pairs.undo("ann") == 2
    assert pairs.view("ann", 2)["preferred"] is None
    assert pairs.undo("ann") == 0
    assert pairs.undo("ann") is None
    assert pairs.view("bob", 1)["preferred"] == "tie"
    assert len(rows(path)) == 7  # nothing was removed


def test_a_note_is_added_to_what_was_said(path: Path) -> None:
    pairs = review(path, "pairs")
    pairs.say("ann", 0, {"note": "of nothing"})
    assert rows(path) == ()
    pairs.say("ann", 0, {"preferred": "A"})
    pairs.say("ann", 0, {"note": "both are short"})
    pairs.say("ann", 0, {"note": "both are short"})
    assert pairs.view("ann", 0)["note"] == "both are short"
    assert pairs.view("ann", 0)["preferred"] == "A"
    assert len(rows(path)) == 2


@pytest.mark.parametrize(
    ("by", "value", "said"),
    [
        ("scores", {"criterion": "overall", "score": 0}, "score"),
        ("scores", {"criterion": "overall", "score": 6}, "score"),
        ("scores", {"criterion": "overall", "score": 3.5}, "score"),
        ("scores", {"criterion": "overal", "score": 3}, "did you mean: overall"),
        ("scores", {"preferred": "A"}, "there is no criterion ''"),
        ("pairs", {"score": 3}, "two answers are compared here"),
        ("pairs", {"preferred": "C"}, "preferred"),
        ("pairs", {"preferred": "A", "note": "x" * 2001}, "note"),
        ("pairs", [], "this judgement"),
    ],
)
def test_what_nobody_can_say_is_refused(path: Path, by: str, value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        review(path, by).say("ann", 0, value)
    assert rows(path) == ()


def test_two_reviews_of_one_store_lose_nothing(path: Path) -> None:
    """As two servers: each has its own items, and the store is all that they share."""
    both = [review(path, "pairs", 30), review(path, "pairs", 30)]

    def judge(rater: str, mine: Review) -> None:
        for number in range(30):
            mine.say(rater, number, {"preferred": "AB"[number % 2]})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(judge, ["ann", "bob"], both))
    for rater in ("ann", "bob"):
        for each in both:
            assert each.view(rater, 0)["judged"] == 30
    assert len(rows(path)) == 60
