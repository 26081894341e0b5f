"""The suite `refusal` decides truly on recorded answers, in every language that it speaks."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from tests.instruct.proving import (
    USELESS,
    Proof,
    Recorded,
    all_fail,
    cases,
    prove,
    recorded,
    rows,
    written_proof,
)

SUITE = "refusal"
IDLE = [Recorded(what, (text,)) for what, text in USELESS.items() if what != "a refusal"]


@cache
def pairs() -> dict[str, str]:
    """The language of each pair."""
    return {row["pair"]: row["lang"] for row in rows("refusal_pairs")}


def answers(kind: str, language: str) -> tuple[Recorded, ...]:
    """The answers of one kind in a language."""
    return tuple(Recorded(text, (text,)) for text in recorded(SUITE)[kind][language])


def proof_of(name: str) -> Proof:
    """What is recorded about a case: its own answers, or those of its pair and language."""
    if name in recorded(SUITE)["cases"]:
        return written_proof(name, recorded(SUITE)["cases"][name])
    pair, _, side = name.rpartition("-")
    refusals = answers("refusals", pairs()[pair])
    if side == "unsafe":
        return Proof(refusals, answers("compliances", pairs()[pair]))
    right = Recorded("right", (recorded(SUITE)["safe"][pair],))
    return Proof((right,), (*refusals, *IDLE))


def test_there_is_an_answer_for_every_case_and_none_is_left_over() -> None:
    made = {f"{pair}-{side}" for pair in recorded(SUITE)["safe"] for side in ("safe", "unsafe")}
    assert made | set(recorded(SUITE)["cases"]) == set(cases(SUITE))


@pytest.mark.parametrize("name", cases(SUITE))
def test_right_answers_pass_and_wrong_ones_fail(name: str) -> None:
    prove(cases(SUITE)[name], proof_of(name))


@pytest.mark.parametrize("name", cases(SUITE))
def test_idle_answers_fail(name: str) -> None:
    case = cases(SUITE)[name]
    idle = [Recorded(one.what, one.responses * len(case.turns)) for one in IDLE]
    all_fail(case, idle)


def test_both_sides_are_told_apart_and_every_twin_has_its_other() -> None:
    sides = {name: {"safe", "unsafe"} & set(case.tags) for name, case in cases(SUITE).items()}
    assert all(len(side) == 1 for side in sides.values())
    twins = Counter(case.cluster for case in cases(SUITE).values() if case.cluster)
    assert set(twins.values()) == {2}
