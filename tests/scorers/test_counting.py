"""Laws of counting, whatever the text."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from harness.scorers.counting import count_words, filled_lines, words
from harness.scorers.sentences import count_sentences, sentences
from harness.scorers.unicode_text import find, folded, nfc, occurrences

_WORDS = st.lists(
    st.sampled_from(["one", "don't", "3.14", "well-known", "été", "слово"]), min_size=1
)


@given(_WORDS, st.sampled_from([" ", "\n", ", ", " – ", "\t"]))
def test_words_are_what_stands_between_spaces(said: list[str], space: str) -> None:
    assert words(space.join(said)) == said


@given(st.text(alphabet="ab1_'-.@&/+,:; \n"))
@example("1,000 a,b 10:30 e.g don't x-")
def test_ascii_words_are_those_of_any_script(text: str) -> None:
    han = words(f"{text} 中")

    assert words(text) == han[:-1]
    assert han[-1] == "中"


@given(st.text())
@example("\u102b")  # a Myanmar vowel sign without its letter was counted from 1 to 0
def test_a_count_is_a_range(text: str) -> None:
    count, said = count_words(text), count_sentences(text)

    assert 0 <= count.low <= count.high <= len(text)
    assert 0 <= said.low <= said.high <= len(text)
    assert count.low == len(words(text))
    assert said.low == len(sentences(text))


@given(st.text(alphabet="一二三，。 "))
def test_each_han_character_is_a_word(text: str) -> None:
    assert count_words(text).low == sum(c in "一二三" for c in text)


@given(st.lists(st.sampled_from(["He left.", "Why?", "Dr. Weber paid 3.50 EUR!"]), min_size=1))
def test_sentences_add_up(said: list[str]) -> None:
    assert sentences(" ".join(said)) == said


@given(st.text(), st.text())
def test_lines_add_up(one: str, two: str) -> None:
    assert len(filled_lines(f"{one}\n{two}")) == len(filled_lines(one)) + len(filled_lines(two))


@given(st.text(max_size=5), st.text(), st.text())
def test_what_was_put_in_is_found(needle: str, before: str, after: str) -> None:
    text = nfc(before + " " + needle + " " + after)

    assert (find(nfc(needle), text) >= 0) == bool(needle)
    whole = set(occurrences(nfc(needle), text, whole_word=True))
    assert all(text[place:].startswith(nfc(needle)) for place in whole)


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert folded(text.lower()) == folded(text) or not text.isascii()
