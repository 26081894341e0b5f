"""Good and bad answers become pairs: of one prompt, alike in length, each answer once."""

from __future__ import annotations

import pytest

from harness.common import InputError, Message, PairSettings
from harness.training import LabelledAnswer, Pair
from harness.training.pairing import (
    NO_BETTER,
    NO_WORSE,
    TWICE,
    alike_in_length,
    demand_pairs,
    pair_answers,
)


def answers(prompt: str, good: tuple[str, ...], bad: tuple[str, ...]) -> list[LabelledAnswer]:
    asked = (Message("user", prompt),)
    return [
        LabelledAnswer(asked, text, side is good, f"{prompt}:{at}", prompt)
        for side in (good, bad)
        for at, text in enumerate(side)
    ]


def test_pairs_are_those_that_are_most_alike_in_length() -> None:
    made = pair_answers(answers("a", ("1234567890", "12"), ("xyz", "x" * 11, "y" * 90)))

    assert [(pair.chosen, pair.rejected) for pair in made.pairs] == [
        ("1234567890", "x" * 11),
        ("12", "xyz"),
    ]
    assert made.left_out == {"more than the pairs of a prompt": 1}


def test_answers_that_differ_too_much_in_length_make_no_pair() -> None:
    made = pair_answers(answers("a", ("12",), ("12345",)), PairSettings(length_ratio=2.0))

    assert not made.pairs
    assert made.left_out == {"no answer of the other kind within 2 times its length": 2}


def test_pairs_of_a_file_that_teach_length_are_left_out_and_counted() -> None:
    prompt = (Message("user", "a"),)
    pairs = [Pair(prompt, "yes, sure", other, "p:1") for other in ("no, not now", "no", "n" * 18)]

    found = alike_in_length(pairs, PairSettings(length_ratio=2.0))

    assert found.pairs == (pairs[0], pairs[2])
    assert found.left_out == {"one answer is more than 2 times as long as the other": 1}
    with pytest.raises(InputError, match="their lengths differ: raise fix"):
        demand_pairs([alike_in_length(pairs[1:2], PairSettings())])


def test_what_is_said_twice_is_taken_once_and_one_sided_prompts_give_nothing() -> None:
    found = [
        *answers("a", ("yes", "yes "), ("nay",)),
        *answers("b", ("yes", "sure"), ()),
        *answers("c", (), ("nay",)),
    ]
    made = pair_answers(found)

    assert [pair.group for pair in made.pairs] == ["a"]
    assert made.left_out == {TWICE: 1, NO_WORSE: 2, NO_BETTER: 1}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            answers("a", (), ("nay", "no")),
            "no pair of a good and a bad answer is to be had\n"
            "  found: no better answer to its prompt: 2\n"
            "  hint: no answer passes: give good ones, in a pool of pairs or by a teacher that has "
            "them",
        ),
        (
            answers("a", ("yes", "sure"), ()),
            "no pair of a good and a bad answer is to be had\n"
            "  found: no worse answer to its prompt: 2\n"
            "  hint: all answers pass: give bad ones too, take harder prompts, or raise the "
            "temperature of the answers",
        ),
        (
            [],
            "no pair of a good and a bad answer is to be had\n"
            "  found: no answers\n"
            "  hint: give rows with `chosen` and `rejected`, or good and bad answers to the same "
            "prompts",
        ),
    ],
)
def test_without_a_pair_it_is_said_how_to_go_on(found: list[LabelledAnswer], told: str) -> None:
    with pytest.raises(InputError) as caught:
        demand_pairs([pair_answers(found)])

    assert str(caught.value) == told
