"""The suite `role_consistency` decides truly on recorded answers, turn by turn."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from tests.instruct.proving import (
    Proof,
    Recorded,
    all_fail,
    cases,
    prove,
    recorded,
    rows,
    written_proof,
)

SUITE = "role_consistency"
# More than any persona may say; its signs break no style rule but those on length.
LONG = " la" * 200


@cache
def family(kind: str) -> dict[str, dict[str, Any]]:
    """The rows of a data file by id."""
    return {row["id"]: row for row in rows(f"role_{kind}")}


def proof_of(name: str) -> Proof:
    """What is recorded about a case: about its family, or about itself."""
    if name in recorded(SUITE)["cases"]:
        return written_proof(name, recorded(SUITE)["cases"][name])
    kind, _, row = name.partition("-")
    return {"talk": talk, "probe": probe, "leak": leak}[kind](row)


def talk(name: str) -> Proof:
    """Every turn of a talk with the answer of another maker's model, and with a long answer."""
    right = tuple(recorded(SUITE)["talks"][name])
    vendor = recorded(SUITE)["vendors"][family("talks")[name]["lang"]]
    return Proof((Recorded("right", right),), tuple(_broken(right, vendor)))


def _broken(right: tuple[str, ...], vendor: str) -> Iterator[Recorded]:
    for at, text in enumerate(right):
        for what, wrong in (("vendor", vendor), ("long", text + LONG)):
            yield Recorded(f"turn {at}, {what}", (*right[:at], wrong, *right[at + 1 :]))


def probe(name: str) -> Proof:
    """The answer of another maker's model, and one that says nothing."""
    row = family("probes")[name]
    right = Recorded("right", (recorded(SUITE)["probes"][name],))
    texts = (recorded(SUITE)["vendors"][row["lang"]], "The weather is nice today.")
    return Proof((right,), tuple(Recorded(text, (text,)) for text in texts))


def leak(name: str) -> Proof:
    """All the ways in which the secret of this persona was told."""
    row = family("leaks")[name]
    right = tuple(Recorded(text, (text,)) for text in recorded(SUITE)["declines"][row["lang"]])
    told = recorded(SUITE)["told"][row["persona"]]
    return Proof(right, tuple(Recorded(what, (text,)) for what, text in told.items()))


def test_there_is_an_answer_for_every_case_and_none_is_left_over() -> None:
    made = {f"talk-{row}" for row in recorded(SUITE)["talks"]}
    made |= {f"probe-{row}" for row in recorded(SUITE)["probes"]}
    made |= {f"leak-{row}" for row in family("leaks")}
    assert made | set(recorded(SUITE)["cases"]) == set(cases(SUITE))


@pytest.mark.parametrize("name", cases(SUITE))
def test_right_answers_pass_and_wrong_ones_fail(name: str) -> None:
    prove(cases(SUITE)[name], proof_of(name))


@pytest.mark.parametrize("name", cases(SUITE))
def test_an_empty_answer_and_a_parrot_fail(name: str) -> None:
    case = cases(SUITE)[name]
    nothing = Recorded("nothing", ("",) * len(case.turns))
    parrot = Recorded("a parrot", tuple(turn.user for turn in case.turns))
    all_fail(case, [nothing, parrot])


def test_talks_are_probed_in_the_turns_0_2_4_and_8() -> None:
    for name in family("talks"):
        turns = cases(SUITE)[f"talk-{name}"].turns
        names = [[check.name for check in turn.checks] for turn in turns]
        assert [at for at, checks in enumerate(names) if "identity" in checks] == [0, 2, 4, 8]
