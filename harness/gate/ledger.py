"""A light projection of results: all that the gate needs of each case, in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from harness.errors import InputError, Problem
from harness.runner.values import Outcome, Result


@dataclass(slots=True)
class Item:
    """One case of one variant: its repeats counted by outcome. Repeats never count as items.

    `seen` has one bit per repeat. `asked` and `environments` hold the distinct hashes of what was
    asked and under what; one each, unless something is wrong. `reason` says why the first repeat
    that ended in an error did so.
    """

    case: str
    cluster: str | None
    required: bool
    passes: int = 0
    fails: int = 0
    errors: int = 0
    skips: int = 0
    score: float = 0.0
    seen: int = 0
    reason: str = ""
    broke: int = -1  # the repeat that `reason` is about
    asked: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()

    @property
    def skipped(self) -> bool:
        """No repeat fitted into the context: the case does not count in n."""
        return self.skips > 0 and not (self.passes or self.fails or self.errors)

    @property
    def testable(self) -> bool:
        """Every repeat was answered and judged: the case may stand in a paired test."""
        return not (self.errors or self.skips)

    @property
    def passed(self) -> bool:
        """Every repeat that fitted into the context passed."""
        return self.passes > 0 and not (self.fails or self.errors)

    @property
    def share(self) -> float:
        """Share of passing repeats, of those that fitted into the context; errors lower it."""
        counted = self.passes + self.fails + self.errors
        return self.passes / counted if counted else 0.0

    @property
    def mean_score(self) -> float:
        """Mean score of the judged repeats."""
        judged = self.passes + self.fails
        return self.score / judged if judged else 0.0


Items = dict[str, Item]


@dataclass(frozen=True, slots=True)
class Ledger:
    """All items of some results, by suite and variant."""

    items: dict[tuple[str, str], Items] = field(default_factory=dict)

    def of(self, suite: str, variant: str) -> Items:
        """The items of one suite and variant by case; empty where there are none."""
        return self.items.get((suite, variant), {})

    def suites(self) -> set[str]:
        """The suites that have results."""
        return {suite for suite, _ in self.items}

    def variants(self) -> set[str]:
        """The variants that have results."""
        return {variant for _, variant in self.items}


def collect(results: Iterable[Result]) -> Ledger:
    """Read the results once, in any order, and keep the counts.

    Raises InputError for a score that is no number in [0, 1] and for a repeated row.
    """
    ledger = Ledger()
    shared: dict[str, str] = {}
    for result in results:
        items = ledger.items.setdefault((result.suite, result.variant), {})
        item = items.get(result.case)
        if item is None:
            item = items[result.case] = Item(result.case, result.cluster, result.required)
        _count(item, result, shared)
    return ledger


def renamed(results: Iterable[Result], variant: str) -> Iterator[Result]:
    """The same results under another variant's name: two runs may both have a `base`."""
    return (replace(result, variant=variant) for result in results)


def _count(item: Item, result: Result, shared: dict[str, str]) -> None:
    _check(item, result)
    item.seen |= 1 << result.repeat
    item.required = item.required or result.required
    match result.outcome:
        case Outcome.PASS:
            item.passes += 1
        case Outcome.FAIL:
            item.fails += 1
        case Outcome.ERROR:
            item.errors += 1
            if item.reason == "" or result.repeat < item.broke:
                item.reason, item.broke = result.reason, result.repeat
        case Outcome.SKIPPED:
            item.skips += 1
    if result.outcome in (Outcome.PASS, Outcome.FAIL):
        item.score += result.score
    item.asked = _with(item.asked, result.case_hash, shared)
    item.environments = _with(item.environments, result.environment, shared)


def _with(known: tuple[str, ...], text: str, shared: dict[str, str]) -> tuple[str, ...]:
    """`known` and `text`, sorted; equal texts share one object, as thousands of rows have it."""
    if text in known:
        return known
    return tuple(sorted((*known, shared.setdefault(text, text))))


def _check(item: Item, result: Result) -> None:
    if item.seen >> result.repeat & 1:
        raise InputError(_problem(result, "this result stands twice in the run"))
    judged = result.outcome in (Outcome.PASS, Outcome.FAIL)
    if judged and not (math.isfinite(result.score) and 0.0 <= result.score <= 1.0):
        raise InputError(
            _problem(result, "a score must be a number from 0 to 1", found=str(result.score))
        )


def _problem(result: Result, message: str, found: str = "") -> Problem:
    place = f"suite {result.suite}, variant {result.variant}, repeat {result.repeat}"
    return Problem(f"{place}: {message}", case=result.case, found=found)


def known_only(
    ledger: Ledger, suites: Mapping[str, object], variants: Mapping[str, object]
) -> None:
    """Refuse results that nobody asked for: to drop them in silence could hide a loss."""
    problems = [
        *_unknown("suite", ledger.suites() - set(suites), suites),
        *_unknown("variant", ledger.variants() - set(variants), variants),
    ]
    if problems:
        raise InputError(*problems)


def _unknown(kind: str, names: set[str], known: Mapping[str, object]) -> list[Problem]:
    return [
        Problem(
            f"the results hold {kind} '{name}', which is not part of this run",
            wanted=", ".join(known) or f"no {kind}",
        )
        for name in sorted(names)
    ]
