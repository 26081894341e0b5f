"""The suite `role_consistency` decides truly on recorded answers, turn by turn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from tests.instruct.proving import (
    ANSWERS,
    SUITES,
    Proof,
    Recorded,
    accepted_wrong,
    cases,
    refused_right,
    unproven,
    written_proof,
)

SUITE = "role_consistency"
# More than any persona may say; its signs break no style rule but those on length.
LONG = " la" * 200


@cache
def recorded() -> dict[str, Any]:
    """The answers as they are written."""
    loaded: dict[str, Any] = yaml.safe_load((ANSWERS / f"{SUITE}.yaml").read_text("utf-8"))
    return loaded


@cache
def rows(kind: str) -> dict[str, dict[str, Any]]:
    """The rows of a data file by id."""
    lines = (SUITES / "data" / f"role_{kind}.jsonl").read_text("utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def proof_of(name: str) -> Proof:
    """What is recorded about a case: about its family, or about itself."""
    if name in recorded()["cases"]:
        return written_proof(name, recorded()["cases"][name])
    kind, _, row = name.partition("-")
    return {"talk": talk, "probe": probe, "leak": leak}[kind](row)


def talk(name: str) -> Proof:
    """Every turn of a talk with the answer of another maker's model, and with a long answer."""
    right = tuple(recorded()["talks"][name])
    vendor = recorded()["vendors"][rows("talks")[name]["lang"]]
    return Proof((Recorded("right", right),), tuple(_broken(right, vendor)))


def _broken(right: tuple[str, ...], vendor: str) -> Iterator[Recorded]:
    for at, text in enumerate(right):
        for what, wrong in (("vendor", vendor), ("long", text + LONG)):
            yield Recorded(f"turn {at}, {what}", (*right[:at], wrong, *right[at + 1 :]))


def probe(name: str) -> Proof:
    """The answer of another maker's model, and one that says nothing."""
    row = rows("probes")[name]
    right = Recorded("right", (recorded()["probes"][name],))
    texts = (recorded()["vendors"][row["lang"]], "The weather is nice today.")
    return Proof((right,), tuple(Recorded(text, (text,)) for text in texts))


def leak(name: str) -> Proof:
    """All the ways in which the secret of this persona was told."""
    row = rows("leaks")[name]
    right = tuple(Recorded(text, (text,)) for text in recorded()["declines"][row["lang"]])
    told = recorded()["told"][row["persona"]]
    return Proof(right, tuple(Recorded(what, (text,)) for what, text in told.items()))


def test_there_is_an_answer_for_every_case_and_none_is_left_over() -> None:
    made = {f"talk-{row}" for row in recorded()["talks"]}
    made |= {f"probe-{row}" for row in recorded()["probes"]}
    made |= {f"leak-{row}" for row in rows("leaks")}
    assert made | set(recorded()["cases"]) == set(cases(SUITE))


@pytest.mark.parametrize("name", cases(SUITE))
def test_right_answers_pass_and_wrong_ones_fail(name: str) -> None:
    case, proof = cases(SUITE)[name], proof_of(name)
    assert refused_right(case, proof) == []
    assert accepted_wrong(case, proof.wrong) == []
    assert unproven(case, proof.wrong) == []


@pytest.mark.parametrize("name", cases(SUITE))
def test_an_empty_answer_and_a_parrot_fail(name: str) -> None:
    case = cases(SUITE)[name]
    nothing = Recorded("nothing", ("",) * len(case.turns))
    parrot = Recorded("a parrot", tuple(turn.user for turn in case.turns))
    assert accepted_wrong(case, [nothing, parrot]) == []


def test_talks_are_probed_in_the_turns_0_2_4_and_8() -> None:
    for name in rows("talks"):
        turns = cases(SUITE)[f"talk-{name}"].turns
        names = [[check.name for check in turn.checks] for turn in turns]
        assert [at for at, checks in enumerate(names) if "identity" in checks] == [0, 2, 4, 8]
