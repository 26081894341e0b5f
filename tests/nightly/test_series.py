"""Who meets which night, and who joined, left or came back."""

from __future__ import annotations

from pathlib import Path

from harness.nightly import Night
from harness.nightly.rivals import Meeting, meetings_with_past, series_notes
from harness.nightly.values import NightRate
from tests.nightly.conftest import ALL, WORSE, Sleep, verdicts


def night(number: int, *having: str) -> Night:
    """A night whose `having` are `variant/suite`; the run is `r<number><suite>`."""
    rates = []
    for variant, suite in (text.split("/") for text in having):
        run = f"r{number}{suite}"
        rates.append(NightRate(suite, "format", variant, 10, 5, 0.5, 0, 1, run, "s"))
    started = f"2026-11-{20 + number}T02:00:00+00:00"
    return Night(f"n{number}", "production", started, "p", finished=True, rates=tuple(rates))


def test_a_variant_in_two_runs_meets_both() -> None:
    """The base answers in every run of a night."""
    past, tonight = [night(0, "base/a", "base/b")], night(1, "base/a", "base/b")

    assert meetings_with_past(tonight, past) == (
        Meeting("base", "r0a:base", "r1a:base", "last night", ("a",)),
        Meeting("base", "r0b:base", "r1b:base", "last night", ("b",)),
    )
    assert list(series_notes(tonight, past)) == []


def test_who_joins_and_who_leaves_is_said() -> None:
    past = [night(0, "base/a", "base/b", "old/a", "older/a")]
    tonight = night(1, "base/a", "base/c", "new/a")

    assert list(series_notes(tonight, past)) == [
        "in last night's runs and not in tonight's: base in b, old and older",
        "new tonight, with no earlier night to be compared with: base in c and new",
    ]


def test_who_comes_back_meets_the_last_night_that_had_it() -> None:
    past = [night(0, "new/a"), night(1, "new/a", "base/a"), night(2, "base/a")]
    tonight = night(3, "base/a", "new/a")

    assert meetings_with_past(tonight, past)[1] == Meeting(
        "new", "r1a:new", "r3a:new", "the night of 21 Nov 2026, 02:00 UTC", ("a",)
    )
    assert list(series_notes(tonight, past)) == [
        "not in last night's runs, so compared with the night of 21 Nov 2026, 02:00 UTC: new"
    ]


def test_a_night_is_told_of_who_left_and_came_back(sleep: Sleep) -> None:
    both = Path("nightly.yaml").read_text()
    sleep()
    Path("nightly.yaml").write_text(both.replace("  new: {adapter: adapters/new}\n", "  o: {}\n"))
    left = sleep(1, base=ALL, o=ALL)
    Path("nightly.yaml").write_text(both)
    back = sleep(2, base=ALL, new=WORSE)

    assert left.notes == (
        "in last night's runs and not in tonight's: new",
        "new tonight, with no earlier night to be compared with: o",
    )
    assert back.notes == (
        "in last night's runs and not in tonight's: o",
        "not in last night's runs, so compared with the night of 21 Nov 2026, 02:00 UTC: new",
    )
    assert verdicts(back)["last night", "new"] == "regressed"


def test_the_base_of_several_runs_is_compared_in_each(sleep: Sleep) -> None:
    text = Path("nightly.yaml").read_text()
    other = "  other: {adapter: adapters/other, suites: [suites/shades.yaml]}\n"
    Path("nightly.yaml").write_text(text + other)
    sleep(0, base=ALL, new=ALL, other=ALL)
    report = sleep(1)

    found = [f for f in report.night.findings if f.rival == "last night"]
    assert sorted((f.variant, f.suite) for f in found) == [
        ("base", "colours"),
        ("base", "shades"),
        ("new", "colours"),
        ("other", "shades"),
    ]
    assert report.notes == ()
