"""The suite `multilingual` decides truly on recorded answers, in every language it asks for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.instruct.proving import (
    Proof,
    Recorded,
    cases,
    prove,
    recorded,
    useless,
    written_proof,
)

SUITE = "multilingual"
# Every answer is held against those in so many other languages.
OTHERS = 3


def wrong_parity(item: str, language: str) -> Iterator[Recorded]:
    """Right answers in other languages, and answers to other items in this one."""
    parity = recorded(SUITE)["parity"]
    languages = list(parity[item])
    at = languages.index(language)
    others = [languages[(at + step) % len(languages)] for step in range(1, OTHERS + 1)]
    for other in {*others, "en"} - {language}:
        yield Recorded(f"in {other}", (parity[item][other],))
    for another in parity.keys() - {item}:
        yield Recorded(f"to {another}", (parity[another][language],))
    yield Recorded("twice", (" ".join([parity[item][language]] * 2),))


def proof_of(name: str) -> Proof:
    """What is recorded about a case."""
    if name in recorded(SUITE)["cases"]:
        return written_proof(name, recorded(SUITE)["cases"][name])
    item, _, language = name.partition("-")
    right = Recorded("right", (recorded(SUITE)["parity"][item][language],))
    return Proof((right,), tuple(wrong_parity(item, language)))


def test_there_is_an_answer_for_every_case_and_none_is_left_over() -> None:
    parity = recorded(SUITE)["parity"].items()
    made = {f"{item}-{language}" for item, answers in parity for language in answers}
    assert made | set(recorded(SUITE)["cases"]) == set(cases(SUITE))


@pytest.mark.parametrize("name", cases(SUITE))
def test_right_answers_pass_and_wrong_ones_fail(name: str) -> None:
    case, proof = cases(SUITE)[name], proof_of(name)
    prove(case, Proof(proof.right, (*proof.wrong, *useless(case))))


def test_every_item_of_parity_is_there_in_all_languages() -> None:
    items: dict[str, set[str]] = defaultdict(set)
    for case in cases(SUITE).values():
        if "parity" in case.tags:
            items[str(case.cluster)].add(case.tags[-1])
    assert set(items) == {"train", "river", "sky"}
    assert len({frozenset(languages) for languages in items.values()}) == 1
    assert len(items["sky"]) == 14
