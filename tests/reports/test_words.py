"""How numbers and verdicts are said."""

import pytest

from harness.reports import words
from harness.results import Verdict


@pytest.mark.parametrize(
    ("delta", "said"),
    [(-0.35, "−35.0"), (0.05, "+5.0"), (0.0, "0.0"), (-0.0001, "0.0"), (None, "–")],
)
def test_a_difference_has_its_sign_unless_it_is_zero(delta: float | None, said: str) -> None:
    assert words.points(delta) == said


def test_a_rate_is_a_percentage_and_a_missing_one_a_dash() -> None:
    assert [words.percent(rate) for rate in (0.8667, 1.0, None)] == ["86.7 %", "100.0 %", "–"]


def test_intervals_are_whole_percent() -> None:
    assert words.span((0.7577, 0.931)) == "76–93"
    assert words.points_span((-0.474, -0.0001)) == "−47 to 0"
    assert words.span(None) == words.points_span(None) == ""


@pytest.mark.parametrize(("p", "said"), [(0.02, "0.020"), (0.0004, "< 0.001"), (None, "–")])
def test_a_p_value_is_never_said_to_be_zero(p: float | None, said: str) -> None:
    assert words.probability(p) == said


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c", "d"], "a, b, c and d"),
        (["a", "b", "c", "d", "e", "f"], "a, b, c and 3 more"),
    ],
)
def test_names_in_a_sentence(names: list[str], said: str) -> None:
    assert words.listed(names) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(8.4, "8 s"), (200, "3 min 20 s"), (7500.2, "2 h 05 min"), (59.7, "1 min 00 s")],
)
def test_a_time_span(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("started", "said"),
    [
        ("2026-11-21T10:33:08Z", "21 Nov 2026, 10:33 UTC"),
        ("2026-11-21T10:33:08+02:00", "21 Nov 2026, 10:33"),
        ("last night", "last night"),
    ],
)
def test_a_moment(started: str, said: str) -> None:
    assert words.moment(started) == said


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


def test_an_old_terminal_gets_plain_signs() -> None:
    assert words.encodable("✗ −35.0 · 76–93", "ascii") == "x -35.0 - 76-93"
    assert words.encodable("✗ −35.0", "utf-8") == "✗ −35.0"
    assert words.encodable("日本", "ascii") == "??"
