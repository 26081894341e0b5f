from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from harness.training.cleaning.faults import twins

TEXTS = st.lists(st.text("abc ", min_size=1, max_size=14), max_size=10)


def jaccard(left: str, right: str) -> float:
    sets = []
    for text in (left, right):
        plain = " ".join(text.split())
        sets.append({plain[at : at + 5] for at in range(max(1, len(plain) - 4))})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@given(TEXTS, st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_what_stays_is_exactly_what_no_earlier_text_that_stays_is_like(
    texts: list[str], bar: float
) -> None:
    stay: list[str] = []
    for text in texts:
        if all(jaccard(text, other) < bar for other in stay):
            stay.append(text)

    found = twins(texts, bar)

    assert [text for at, text in enumerate(texts) if at not in found] == stay


def test_a_twin_names_the_most_similar_text_and_how_alike_they_are() -> None:
    texts = ["abcdefghij", "zzzzzzzzzz", "abcdefghij"]

    assert twins(texts, 0.9) == {2: (0, 1.0)}


def test_other_numbers_make_other_texts() -> None:
    texts = [f"the same long sentence about the number {n} and nothing else" for n in (1, 2)]

    assert twins(texts, 0.5) == {}
    assert all(jaccard(*pair) > 0.8 for pair in combinations(texts, 2))
