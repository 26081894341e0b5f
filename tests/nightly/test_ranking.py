"""Places of variants: only as far as clear differences support them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.gate import PairwiseComparison
from harness.nightly.ranking import Ranking


def ranking(names: str, *clear: str, missing: str = "") -> Ranking:
    """Variants of one letter; "ab" in `clear`: a is clearly better than b."""
    rows = []
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            leader = next((pair[0] for pair in clear if set(pair) == {first, second}), "")
            if {first, second} != set(missing):
                rows.append(PairwiseComparison("s", first, second, 9, 0.1, leader=leader))
    return Ranking("s", "format", tuple(names), tuple(rows))


def test_without_a_clear_difference_all_share_one_place() -> None:
    found = ranking("abc")

    assert found.places == (("a", "b", "c"),)
    assert found.sentence == "No clear difference in 3 pairs."


def test_everyone_apart_is_a_ranking() -> None:
    found = ranking("abc", "ab", "ac", "bc")

    assert found.places == (("a",), ("b",), ("c",))
    assert found.sentence == "1. a; 2. b; 3. c."


def test_those_that_nothing_tells_apart_share_a_place() -> None:
    found = ranking("abcd", "ab", "ac", "ad", "bd", "cd")

    assert found.places == (("a",), ("b", "c"), ("d",))
    assert found.sentence == "1. a; 2. b and c (no order among them); 3. d."


def test_a_few_clear_pairs_are_no_ranking() -> None:
    """c is worse than a, and nothing tells b from either: no place is sure."""
    found = ranking("abc", "ac")

    assert found.places == (("a", "b", "c"),)
    assert found.sentence == "No ranking; clear in 1 of 3 pairs: a is better than c."


def test_a_pair_that_was_not_compared_supports_no_place() -> None:
    assert ranking("abc", "ac", "bc", missing="ab").places == (("a", "b"), ("c",))
    assert ranking("abc", "ab", "bc", missing="ac").places == (("a", "b", "c"),)


def test_many_leaders_are_counted() -> None:
    found = ranking("abcdef", "af", "bf", "cf", "df")

    assert found.sentence == (
        "No ranking; clear in 4 of 15 pairs: a is better than f; b is better than f; "
        "c is better than f; 1 more lead others."
    )


@given(st.dictionaries(st.sampled_from(["ab", "ac", "ad", "bc", "bd", "cd"]), st.booleans()))
def test_whoever_has_an_earlier_place_is_clearly_better(signs: dict[str, bool]) -> None:
    clear = [pair if ahead else pair[::-1] for pair, ahead in signs.items()]
    found = ranking("abcd", *clear)

    assert sorted(name for place in found.places for name in place) == list("abcd")
    for number, place in enumerate(found.places):
        later = {name for each in found.places[number + 1 :] for name in each}
        assert all(later <= found.beaten_by(name) for name in place)
