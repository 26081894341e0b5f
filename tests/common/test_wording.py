"""How numbers, lists and times are said."""

import pytest

from harness.common import wording as words


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
    assert words.joined(names) == said


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


def test_an_old_terminal_gets_plain_signs() -> None:
    assert words.encodable("✗ −35.0 · 76–93", "ascii") == "x -35.0 - 76-93"
    assert words.encodable("✗ −35.0", "utf-8") == "✗ −35.0"
    assert words.encodable("日本", "ascii") == "??"


def test_the_first_names_and_how_many_more_there_are() -> None:
    assert words.first_of([]) == ""
    assert words.first_of("abcde") == "a, b, c, d, e"
    assert words.first_of(map(str, range(2005)), 2) == "0, 1 and 2,003 more"
