"""Agreement of a judge with people: golden values of other tools, and the laws of intervals.

The golden values were computed beforehand: kappa and accuracy with scikit-learn 1.9.1
(`cohen_kappa_score`, with `sample_weight` where several people labelled one answer), the analytic
intervals with statsmodels 0.15.0 (`cohens_kappa`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from harness.gate import (
    LINEAR,
    Favour,
    agree,
    by_rater,
    cohen_kappa,
    consistency,
    kappa_interval,
    length_bias,
    people_agree,
    position_bias,
)
from harness.results import CalibrationRow

Table = list[list[int]]
RATINGS = tuple("12345")
# Table, kappa, kappa with linear weights, accuracy, and the analytic interval of the weighted one.
GOLDEN: dict[str, tuple[Table, float, float, float, tuple[float, float]]] = {
    "two labels": ([[40, 6], [9, 45]], 0.6995192308, 0.6995192308, 0.85, (0.5596, 0.8394)),
    "uneven": ([[80, 3], [7, 10]], 0.6090695856, 0.6090695856, 0.9, (0.3903, 0.8278)),
    "Cohen 1960": (
        [[88, 14, 18], [10, 40, 10], [2, 6, 12]],
        0.4915254237,
        0.4736842105,
        0.7,
        (0.3670, 0.5804),
    ),
    "three labels": (
        [[30, 4, 6], [5, 25, 5], [2, 3, 40]],
        0.6843766439,
        0.7002271007,
        0.7916666667,
        (0.5880, 0.8125),
    ),
    "ratings": (
        [[8, 3, 0, 0, 0], [2, 7, 3, 1, 0], [0, 4, 15, 5, 1], [0, 1, 4, 22, 8], [0, 0, 1, 6, 19]],
        0.5388088583,
        0.7172743574,
        0.6454545455,
        (0.6341, 0.8004),
    ),
    "against": ([[5, 20], [18, 7]], -0.52, -0.52, 0.24, (-0.7560, -0.2840)),
}
# The judge's rating, and those of one to three people.
SEVERAL: list[tuple[int, list[int]]] = [
    *[(4, [4]), (2, [1, 1, 1]), (2, [2, 1]), (2, [1, 1, 1]), (2, [2, 2, 2]), (4, [4])],
    *[(4, [4, 5, 5]), (3, [5, 3, 3]), (4, [4, 4, 4]), (5, [4, 5]), (1, [1, 1, 2]), (2, [2, 3])],
    *[(5, [5, 3]), (3, [3, 4]), (5, [4]), (3, [3, 2]), (1, [2, 2, 1]), (4, [5, 5, 4])],
    *[(3, [3, 4, 3]), (1, [3]), (4, [5]), (1, [1]), (1, [2, 3]), (1, [1, 2, 1]), (4, [5])],
    *[(4, [4, 5]), (4, [4]), (5, [5, 5]), (5, [5, 5]), (5, [5])],
]


def rows_of(table: Table, labels: Sequence[str]) -> list[CalibrationRow]:
    """Labelled answers, each a case of its own, that make up a table."""
    said = [
        (person, judge)
        for person, counts in zip(labels, table, strict=True)
        for judge, count in zip(labels, counts, strict=True)
        for _ in range(count)
    ]
    return [
        CalibrationRow(f"a{number}", f"a{number}", {"anna": person}, judge)
        for number, (person, judge) in enumerate(said)
    ]


@pytest.mark.parametrize("name", GOLDEN)
def test_kappa_and_accuracy_are_those_of_other_tools(name: str) -> None:
    table, plain, linear, accuracy, analytic = GOLDEN[name]
    labels = RATINGS[: len(table)]

    assert cohen_kappa(table) == pytest.approx(plain, abs=1e-9)
    assert cohen_kappa(table, LINEAR) == pytest.approx(linear, abs=1e-9)
    seen = agree(rows_of(table, labels), labels, LINEAR)
    assert seen.kappa.value == pytest.approx(linear, abs=1e-9)
    assert seen.accuracy.value == pytest.approx(accuracy, abs=1e-9)
    assert seen.table == tuple(tuple(map(float, row)) for row in table)
    # Bootstrap and delta method differ a little; ours is never much narrower.
    assert seen.kappa.ci is not None
    assert seen.kappa.ci == pytest.approx(analytic, abs=0.08)
    assert seen.kappa.ci[1] - seen.kappa.ci[0] >= 0.95 * (analytic[1] - analytic[0])


def test_several_people_count_for_a_part_of_their_answer_each() -> None:
    rows = [
        CalibrationRow(str(n), str(n), {f"p{i}": str(p) for i, p in enumerate(people)}, str(judge))
        for n, (judge, people) in enumerate(SEVERAL)
    ]

    assert agree(rows, RATINGS).kappa.value == pytest.approx(0.4167252284, abs=1e-9)
    assert agree(rows, RATINGS, LINEAR).kappa.value == pytest.approx(0.6668956044, abs=1e-9)
    people = people_agree(rows, RATINGS, LINEAR)
    # 21 answers have two people or more.
    assert people.value == pytest.approx(0.5877653504, abs=1e-9) and people.n == 21
    each = by_rater(rows, RATINGS, LINEAR)
    assert [(one.rater, one.kappa.n) for one in each] == [("p0", 30), ("p1", 21), ("p2", 11)]
    assert each[2].kappa.value is None and "11 cases" in each[2].kappa.reason


@pytest.mark.parametrize("size", [20, 50, 200])
def test_full_agreement_is_never_certain(size: int) -> None:
    half = size // 2
    seen = agree(rows_of([[half, 0], [0, half]], ("pass", "fail")), ("pass", "fail"))

    assert seen.kappa.value == 1.0 and seen.kappa.high == 1.0
    assert seen.kappa.low is not None and 1 - 8 / size < seen.kappa.low < 1 - 6 / size


def test_answers_to_one_case_are_no_independent_evidence() -> None:
    rows = rows_of([[40, 10], [10, 40]], ("pass", "fail"))
    together = [
        CalibrationRow(row.answer, str(number // 4), row.people, row.judge)
        for number, row in enumerate(rows)
    ]

    alone, shared = (agree(some, ("pass", "fail")).kappa for some in (rows, together))

    assert alone.value == shared.value
    assert alone.ci is not None and shared.ci is not None
    assert shared.ci[1] - shared.ci[0] > 1.4 * (alone.ci[1] - alone.ci[0])


@pytest.mark.parametrize(
    ("table", "accuracy", "why"),
    [
        ([[0, 0], [0, 0]], None, "no case with a label of people and a verdict"),
        ([[9, 1], [1, 8]], None, "19 cases with a label of people and a verdict"),
        ([[40, 0], [0, 0]], 1.0, "every label is 'pass': of other answers nothing is known"),
        ([[35, 5], [0, 0]], 0.875, "every label is 'pass'"),
        ([[36, 0], [1, 3]], 0.975, "only 4 cases with another label than 'pass'"),
    ],
)
def test_too_few_labels_give_no_figure(table: Table, accuracy: float | None, why: str) -> None:
    seen = agree(rows_of(table, ("pass", "fail")), ("pass", "fail"))

    assert (seen.kappa.value, seen.kappa.low) == (None, None)
    assert why in seen.kappa.reason
    assert seen.accuracy.value == accuracy


def test_answers_without_a_verdict_are_counted_apart() -> None:
    rows = rows_of([[20, 2], [3, 15]], ("pass", "fail"))
    unread = [
        CalibrationRow("u1", "u1", {"anna": "fail"}, "", "cut off"),
        CalibrationRow("u2", "u2", {"anna": "fail", "ben": "pass"}, "", "cut off"),
    ]

    seen = agree([*rows, *unread], ("pass", "fail"))

    assert seen.unread == (0.5, 1.5)
    assert seen.kappa.value == agree(rows, ("pass", "fail")).kappa.value


def test_a_judge_that_likes_length_is_seen_beside_people_who_do_not() -> None:
    """Of forty answers the judge gives the longer half a point of four more than people do."""
    items = [Favour(str(n), 0.5 + 0.25 * (n >= 20), 0.5, 100 + n) for n in range(40)]

    seen = length_bias(items, pairs=False)

    assert seen.value == pytest.approx(0.25)
    assert seen.ci is not None and 0.05 < seen.ci[0] < 0.25 < seen.ci[1] < 0.4


def test_a_judge_of_pairs_that_prefers_the_longer_one() -> None:
    longer = [Favour(str(n), 1.0, float(n % 2), 50) for n in range(40)]
    equal = [Favour(f"e{n}", 1.0, 0.0, 0) for n in range(10)]

    seen = length_bias([*longer, *equal], pairs=True)

    assert (seen.value, seen.n) == (0.5, 40)  # answers of one length say nothing
    assert seen.ci is not None and 0.3 < seen.ci[0] < seen.ci[1] < 0.7
    assert "no case with pairs of different length" in length_bias(equal, pairs=True).reason
    same = [Favour(str(n), 1.0, 1.0, 7) for n in range(30)]
    assert length_bias(same, pairs=False).reason == "the answers are of one length"
    assert length_bias(same[:5], pairs=False).value is None


def test_without_any_difference_a_bias_is_not_ruled_out() -> None:
    seen = length_bias([Favour(str(n), 1.0, 1.0, n) for n in range(30)], pairs=False)

    assert seen.value == 0.0 and seen.ci is not None and seen.ci[0] < -0.05 and seen.ci[1] > 0.05


def test_position_is_seen_in_both_orders() -> None:
    """Ten pairs name the first answer both times, twenty one and the same answer, ten nothing."""
    replies = [("A", "A")] * 10 + [("A", "B")] * 20 + [("TIE", "TIE")] * 10

    seen = position_bias([str(n) for n in range(40)], replies)

    assert seen.flips.value == 0.25
    assert seen.first.value == pytest.approx(20 / 30) and seen.first.n == 30
    ties = position_bias([str(n) for n in range(40)], [("TIE", "TIE")] * 40)
    assert (ties.first.reason, ties.flips.value) == ("it named no answer, only ties", 0.0)
    few = position_bias(["a"] * 40, replies)  # of one case alone
    assert few.flips.value is None and "at least 20" in few.flips.reason


def test_consistency_is_the_share_of_equal_pairs_of_replies() -> None:
    said = {str(n): ("4", "4", "4") for n in range(20)} | {"odd": ("4", "4", "5"), "one": ("1",)}
    groups = {name: name for name in said}

    seen = consistency(3, said, groups)

    assert seen.same.value == pytest.approx((20 + 1 / 3) / 21)
    assert seen.unstable == ("odd",)
    assert consistency(3, {"a": ("1", "1")}, groups | {"a": "a"}).same.value is None


@pytest.mark.full
@pytest.mark.parametrize(
    ("share", "labels", "weights"),
    [(0.6, 2, ""), (0.9, 2, ""), (0.5, 3, ""), (0.4, 5, LINEAR), (0.8, 5, LINEAR)],
)
def test_the_lower_bound_holds_in_95_of_100_samples(
    share: float, labels: int, weights: str
) -> None:
    """Samples of a judge that says what people say, or else a neighbour's or a random label."""
    margin = np.full(labels, 1 / labels)
    near = sum((np.eye(labels, k=step) for step in (-1, 1)), start=np.zeros((labels, labels)))
    other = 0.7 * near / near.sum() + 0.3 * np.outer(margin, margin)
    joint = share * np.diag(margin) + (1 - share) * other
    true = cohen_kappa(joint, weights)
    assert true is not None
    generator, size = np.random.default_rng(7), 40
    held = tried = 0
    while tried < 120:
        cells = generator.choice(joint.size, size=size, p=joint.ravel())
        tables = np.zeros((size, joint.size))
        tables[np.arange(size), cells] = 1
        tables = tables.reshape(size, labels, labels)
        people = tables.sum(axis=(0, 2))
        if size - people.max() < 5:
            continue
        tried += 1
        held += kappa_interval(tables, np.arange(size), weights)[0] <= true
    assert held / tried >= 0.95
