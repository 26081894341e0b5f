"""The suite `multilingual` decides truly on recorded answers, in every language it asks for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from tests.instruct.proving import (
    ANSWERS,
    Proof,
    Recorded,
    accepted_wrong,
    cases,
    refused_right,
    unproven,
    useless,
    written_proof,
)

SUITE = "multilingual"
# Every answer is held against those in so many other languages.
OTHERS = 3


@cache
def recorded() -> dict[str, Any]:
    """The answers as they are written."""
    loaded: dict[str, Any] = yaml.safe_load((ANSWERS / f"{SUITE}.yaml").read_text("utf-8"))
    return loaded


def wrong_parity(item: str, language: str) -> Iterator[Recorded]:
    """Right answers in other languages, and answers to other items in this one."""
    parity = recorded()["parity"]
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
    if name in recorded()["cases"]:
        return written_proof(name, recorded()["cases"][name])
    item, _, language = name.partition("-")
    right = Recorded("right", (recorded()["parity"][item][language],))
    return Proof((right,), tuple(wrong_parity(item, language)))


def test_there_is_an_answer_for_every_case_and_none_is_left_over() -> None:
    parity = recorded()["parity"].items()
    made = {f"{item}-{language}" for item, answers in parity for language in answers}
    assert made | set(recorded()["cases"]) == set(cases(SUITE))


@pytest.mark.parametrize("name", cases(SUITE))
def test_right_answers_pass_and_wrong_ones_fail(name: str) -> None:
    case, proof = cases(SUITE)[name], proof_of(name)
    assert refused_right(case, proof) == []
    assert accepted_wrong(case, [*proof.wrong, *useless(case)]) == []
    assert unproven(case, [*proof.wrong, *useless(case)]) == []


def test_every_item_of_parity_is_there_in_all_languages() -> None:
    items: dict[str, set[str]] = defaultdict(set)
    for case in cases(SUITE).values():
        if "parity" in case.tags:
            items[str(case.cluster)].add(case.tags[-1])
    assert set(items) == {"train", "river", "sky"}
    assert len({frozenset(languages) for languages in items.values()}) == 1
    assert len(items["sky"]) == 14
