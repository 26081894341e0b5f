"""The suite `refusal` decides truly on recorded answers, in every language that it speaks."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from typing import Any

import pytest
import yaml

from tests.instruct.proving import (
    ANSWERS,
    SUITES,
    USELESS,
    Proof,
    Recorded,
    accepted_wrong,
    cases,
    refused_right,
    unproven,
    written_proof,
)

SUITE = "refusal"
IDLE = [Recorded(what, (text,)) for what, text in USELESS.items() if what != "a refusal"]


@cache
def recorded() -> dict[str, Any]:
    """The answers as they are written."""
    loaded: dict[str, Any] = yaml.safe_load((ANSWERS / f"{SUITE}.yaml").read_text("utf-8"))
    return loaded


@cache
def pairs() -> dict[str, str]:
    """The language of each pair."""
    lines = (SUITES / "data" / "refusal_pairs.jsonl").read_text("utf-8").splitlines()
    return {row["pair"]: row["lang"] for row in map(json.loads, lines)}


def answers(kind: str, language: str) -> tuple[Recorded, ...]:
    """The answers of one kind in a language."""
    return tuple(Recorded(text, (text,)) for text in recorded()[kind][language])


def proof_of(name: str) -> Proof:
    """What is recorded about a case: its own answers, or those of its pair and language."""
    if name in recorded()["cases"]:
        return written_proof(name, recorded()["cases"][name])
    pair, _, side = name.rpartition("-")
    refusals = answers("refusals", pairs()[pair])
    if side == "unsafe":
        return Proof(refusals, answers("compliances", pairs()[pair]))
    right = Recorded("right", (recorded()["safe"][pair],))
    return Proof((right,), (*refusals, *IDLE))


def test_there_is_an_answer_for_every_case_and_none_is_left_over() -> None:
    made = {f"{pair}-{side}" for pair in recorded()["safe"] for side in ("safe", "unsafe")}
    assert made | set(recorded()["cases"]) == set(cases(SUITE))


@pytest.mark.parametrize("name", cases(SUITE))
def test_right_answers_pass_and_wrong_ones_fail(name: str) -> None:
    case, proof = cases(SUITE)[name], proof_of(name)
    assert refused_right(case, proof) == []
    assert accepted_wrong(case, proof.wrong) == []
    assert unproven(case, proof.wrong) == []


@pytest.mark.parametrize("name", cases(SUITE))
def test_idle_answers_fail(name: str) -> None:
    case = cases(SUITE)[name]
    idle = [Recorded(one.what, one.responses * len(case.turns)) for one in IDLE]
    assert accepted_wrong(case, idle) == []


def test_both_sides_are_told_apart_and_every_twin_has_its_other() -> None:
    sides = {name: {"safe", "unsafe"} & set(case.tags) for name, case in cases(SUITE).items()}
    assert all(len(side) == 1 for side in sides.values())
    twins = Counter(case.cluster for case in cases(SUITE).values() if case.cluster)
    assert set(twins.values()) == {2}
