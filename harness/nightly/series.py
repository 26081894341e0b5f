"""Which earlier night each variant meets, and who joined, left or came back since last night."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.nightly.values import Night, NightRate
from harness.reports.words import listed, moment

MOST_NAMES = 12  # in one note


@dataclass(frozen=True, slots=True)
class Meeting:
    """One variant against itself in an earlier run, or against the pinned file, on these suites.

    `before` and `after` are sides as `find_sides` reads them; `since` says what `before` is.
    """

    variant: str
    before: str
    after: str
    since: str
    suites: tuple[str, ...]


def meetings_with_past(night: Night, past: Sequence[Night]) -> tuple[Meeting, ...]:
    """Every variant and suite with the last night that has them; those that are new meet nobody."""
    pairs = []
    for rate in night.rates:
        if (then := _last_with(rate, past)) and (before := then.rate(rate.suite, rate.variant)):
            since = "last night" if then is past[-1] else _of(then)
            pairs.append((f"{before.run}:{rate.variant}", since, rate))
    return _merged(pairs)


def meetings_with_pinned(night: Night, pinned: Path) -> tuple[Meeting, ...]:
    """Every variant with the pinned file."""
    return _merged((str(pinned), "the pinned baseline", rate) for rate in night.rates)


def series_notes(night: Night, past: Sequence[Night]) -> Iterator[str]:
    """Who is not compared with last night, as one of the two nights has not both."""
    if not past:
        yield "there is no night before this one to compare with"
        return
    left = [rate for rate in past[-1].rates if not night.rate(rate.suite, rate.variant)]
    if left:
        yield f"in last night's runs and not in tonight's: {_named(left, past[-1])}"
    fates: dict[str, list[NightRate]] = {}
    for rate in night.rates:
        if (then := _last_with(rate, past)) is not past[-1]:
            fates.setdefault(_fate(then), []).append(rate)
    yield from (f"{fate}: {_named(rates, night)}" for fate, rates in fates.items())


def _fate(then: Night | None) -> str:
    if then is None:
        return "new tonight, with no earlier night to be compared with"
    return f"not in last night's runs, so compared with {_of(then)}"


def _of(night: Night) -> str:
    return f"the night of {moment(night.started)}"


def _last_with(rate: NightRate, past: Sequence[Night]) -> Night | None:
    having = (each for each in reversed(past) if each.rate(rate.suite, rate.variant))
    return next(having, None)


def _merged(pairs: Iterable[tuple[str, str, NightRate]]) -> tuple[Meeting, ...]:
    """Suites that two runs have in common are tested together: Holm corrects over them."""
    suites: dict[tuple[str, str, str, str], list[str]] = {}
    for before, since, rate in pairs:
        key = rate.variant, before, f"{rate.run}:{rate.variant}", since
        suites.setdefault(key, []).append(rate.suite)
    return tuple(Meeting(*key, tuple(names)) for key, names in suites.items())


def _named(rates: Sequence[NightRate], night: Night) -> str:
    """The variants; with suites where others of their suites in that night fared otherwise."""
    names = []
    for variant in dict.fromkeys(rate.variant for rate in rates):
        mine = [rate.suite for rate in rates if rate.variant == variant]
        whole = len(mine) == sum(rate.variant == variant for rate in night.rates)
        names.append(variant if whole else f"{variant} in {listed(mine)}")
    return listed(names, MOST_NAMES)
