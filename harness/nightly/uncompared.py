"""Cases that were not compared with an earlier night or the pinned baseline: which, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.gate import SuiteVerdict
from harness.gate.ledger import Items, collect
from harness.gate.pairs import Environments, differences
from harness.reports.words import listed, plural
from harness.sides import Side

MOST_NAMES = 12  # variants in one note


@dataclass(frozen=True, slots=True)
class Uncompared:
    """Cases of one variant in one suite; `why` counts and names them."""

    suite: str
    variant: str
    why: str


def uncompared(
    before: Side, after: Side, rows: Iterable[SuiteVerdict], since: str
) -> Iterator[Uncompared]:
    """What the comparisons left out; `since` says what `before` is: "last night"."""
    suites = [row.suite for row in rows if _left_some(row)]
    if not suites:
        return
    then, now = collect(before.results()), collect(after.results())
    environments = before.variant.environment, after.variant.environment
    for suite in suites:
        items = then.of(suite, before.name), now.of(suite, after.name)
        for why in _reasons(*items, environments, since):
            yield Uncompared(suite, after.variant.name, why)


def notes_of(found: Iterable[Uncompared]) -> Iterator[str]:
    """A note for each reason; variants that share it stand in one: a changed suite meets all."""
    variants: dict[tuple[str, str], list[str]] = {}
    for each in found:
        variants.setdefault((each.suite, each.why), []).append(each.variant)
    for (suite, why), names in variants.items():
        yield f"{listed(names, MOST_NAMES)} in {suite}: {why}"


def _left_some(row: SuiteVerdict) -> bool:
    seen = row.comparison
    return seen is None or bool(
        seen.refused or seen.left_out or seen.only_baseline or seen.only_candidate
    )


def _reasons(then: Items, now: Items, environments: Environments, since: str) -> Iterator[str]:
    changed: list[str] = []
    unlike: dict[str, list[str]] = {}
    broken: list[str] = []
    for case in sorted(then.keys() & now.keys()):
        old, new = then[case], now[case]
        if old.asked != new.asked:
            changed.append(case)
        elif what := differences(old, new, environments):
            unlike.setdefault(what, []).append(case)
        elif not (old.testable and new.testable):
            broken.append(case)
    if changed:
        yield _changed(changed, len(now), since)
    for what, cases in unlike.items():
        what = f"{what} differs{_names(cases, now)}"
        yield f"{_few(cases, len(now))} not compared with {since}: {what}"
    if broken:
        what = "an error or a skip on either side"
        yield f"{_few(broken, len(now))} not compared with {since}: {what}{_names(broken, now)}"
    if added := sorted(now.keys() - then.keys()):
        yield f"{_few(added, len(now))} new since {since}: not compared ({listed(added)})"
    if gone := sorted(then.keys() - now.keys()):
        yield f"{plural(len(gone), 'case')} gone since {since} ({listed(gone)})"


def _changed(cases: list[str], total: int, since: str) -> str:
    if len(cases) == total:
        return f"not compared: {_few(cases, total)} changed since {since}"
    return f"{_few(cases, total)} changed since {since}: not compared ({listed(cases)})"


def _few(cases: list[str], total: int) -> str:
    """ "1 of 10 cases", "all 10 cases"."""
    if len(cases) == total:
        return f"all {plural(total, 'case')}" if total > 1 else "the only case"
    return f"{len(cases):,} of {plural(total, 'case')}"


def _names(cases: list[str], now: Items) -> str:
    return "" if len(cases) == len(now) else f" ({listed(cases)})"
