"""How numbers and verdicts are said."""

from harness.reports import words
from harness.results import Verdict


def test_how_sharp_the_gate_is() -> None:
    end = "four times in five; a smaller one may slip through."
    found = "Suites of this size notice a true drop of"
    assert words.sight({"a": 0.12, "b": 0.05}) == (
        f"{found} 5 to 12 points, depending on the suite, {end}"
    )
    assert words.sight({"a": 0.12, "b": 0.121, "c": None}) == (f"{found} 12 points {end}")
    assert words.sight({"c": None}) == ""
    assert words.sight({}) == ""


def test_the_deciding_reasons_are_one_sentence() -> None:
    assert words.because(["one got worse", "it fell.", "and more"]) == "one got worse; it fell."
    assert words.because([]) == ""


def test_of_an_error_only_what_broke_is_said() -> None:
    reasons = ["1 case ended in an error", "a drop cannot be ruled out"]

    assert words.because(reasons, 1, Verdict.ERROR) == "1 case ended in an error."


def test_all_that_stands_in_the_way_is_said() -> None:
    reasons = ["one got worse", "it fell", "below the bar", "a fact"]
    assert words.because(reasons, 3) == "one got worse; it fell; below the bar."
    assert words.because(list("abcdef"), 6) == "a; b; c; d."


def test_sampling_in_words() -> None:
    greedy = {"temperature": 0.0, "max_new_tokens": 256, "top_p": 1.0, "seed": 0, "repeats": 1}
    assert words.drawn(greedy) == "greedy, up to 256 tokens"
    warm = greedy | {"temperature": 0.7, "top_p": 0.9, "seed": None, "repeats": 3}
    assert words.drawn(warm) == (
        "temperature 0.7, top_p 0.9, seed by case, repeats 3, up to 256 tokens"
    )
    assert words.drawn(greedy | {"max_new_tokens": None, "stop": None}) == (
        "greedy, lengths by case, stop by case"
    )
    assert words.drawn({}) == ""


def test_every_verdict_has_a_symbol_a_word_and_a_colour() -> None:
    assert [words.label(verdict) for verdict in (*Verdict, None)] == [
        "! error",
        "✗ regressed",
        "✗ below threshold",
        "? inconclusive",
        "✓ pass",
        "· no verdict",
    ]
    assert set(words.COLOUR) == set(Verdict)
