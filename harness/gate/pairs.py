"""Which items of a candidate and a baseline may be compared, and what became of the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from harness.common import HUMAN, GateSettings, InputError, Problem, Tries, digest
from harness.gate.behaviour import Taken
from harness.gate.statistics import Floats, Ints, groups_of, pass_at_k, pass_hat_k
from harness.results import Basis, Outcome, Result, Shift, Signature, signature_to_json

FINEST_GRID = 1_000  # least common multiple of repeat counts that is still tested exactly
LONGEST_SHOWN = 40  # of a field that differs: a chat template's hash need not be whole
LONGEST_REASON = 400  # characters that are kept of why a case failed: messages show less
CHANGED = 1e-9  # a smaller change of a share or a score is rounding
PairEnvironments = tuple[Mapping[str, str], Mapping[str, str]]
UNKNOWN: PairEnvironments = ({}, {})


@dataclass(slots=True)
class Item:
    """One case of one variant: its repeats counted by outcome. Repeats never count as items.

    `seen` has one bit per repeat. `asked` and `signatures` hold what was asked, as hashes, and
    under what: one each, unless something is wrong. `reason` says why the first repeat that ended
    in an error did so, or else the first that failed. `tags` are those of the case. `taken` is what
    its judged answers took: tokens, time.
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
    told: tuple[bool, int] | None = None  # what `reason` is about: no error, and which repeat
    asked: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()
    tags: tuple[str, ...] = ()
    taken: Taken = field(default_factory=Taken)

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

    def over(self, tries: Tries, lost: int = 0) -> float | None:
        """Return pass@k or pass^k of this case; None where fewer than k tries were judged.

        `lost` so many more are taken to have passed.
        """
        estimate = pass_hat_k if tries.every else pass_at_k
        return estimate(self.passes + self.fails + lost, self.passes + lost, tries.k)


Items = dict[str, Item]


@dataclass(frozen=True, slots=True)
class Ledger:
    """All items of some results, by suite and variant; results may be added as they arrive."""

    items: dict[tuple[str, str], Items] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict, repr=False, compare=False)  # each once
    tuples: dict[tuple[Any, ...], tuple[Any, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )  # each once as well
    checks: dict[tuple[str, str], set[tuple[str, int]]] = field(
        default_factory=dict, repr=False, compare=False
    )  # with their versions, by suite and variant

    def add(self, result: Result) -> None:
        """Count one result.

        Raises InputError for a score that is no number in [0, 1] and for a repeated row.
        """
        items = self.items.setdefault((result.suite, result.variant), {})
        item = items.get(result.case)
        if item is None:
            item = items[result.case] = Item(result.case, result.cluster, result.required)
        judged, score = result.outcome in (Outcome.PASS, Outcome.FAIL), result.score
        wrong, found = "", ""
        if item.seen >> result.repeat & 1:
            wrong = "this result stands twice in the run"
        elif judged and not (math.isfinite(score) and 0.0 <= score <= 1.0):
            wrong, found = "a score must be a number from 0 to 1", str(score)
        if wrong:
            place = f"suite {result.suite}, variant {result.variant}, repeat {result.repeat}"
            raise InputError(Problem(f"{place}: {wrong}", case=result.case, found=found))
        versions = self.checks.setdefault((result.suite, result.variant), set())
        versions.update((check.check, check.version) for check in result.checks)
        item.seen |= 1 << result.repeat
        item.required = item.required or result.required
        item.tags = item.tags or self._once(result.tags)
        match result.outcome:
            case Outcome.PASS:
                item.passes += 1
            case Outcome.FAIL:
                item.fails += 1
            case Outcome.ERROR:
                item.errors += 1
            case Outcome.SKIPPED:
                item.skips += 1
        if result.outcome in (Outcome.FAIL, Outcome.ERROR):
            about = (result.outcome is Outcome.FAIL, result.repeat)
            if item.told is None or about < item.told:
                reason = result.reason[:LONGEST_REASON]
                item.reason, item.told = self.texts.setdefault(reason, reason), about
        if judged:
            item.score += score
            item.taken.add(result)
        if result.case_hash not in item.asked:  # equal texts share one object
            asked = self.texts.setdefault(result.case_hash, result.case_hash)
            item.asked = self._once(tuple(sorted((*item.asked, asked))))
        if result.signature not in item.signatures:
            item.signatures = self._once((*item.signatures, result.signature))

    def _once(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return these values as the one tuple that all equal ones are."""
        return self.tuples.setdefault(values, values)

    def of(self, suite: str, variant: str) -> Items:
        """Return the items of one suite and variant by case; empty where there are none."""
        return self.items.get((suite, variant), {})

    def only(self, keep: Callable[[str, str], bool]) -> Ledger:
        """Return it with the items alone for whose suite and case `keep` is true."""
        kept = {
            (suite, variant): {case: item for case, item in items.items() if keep(suite, case)}
            for (suite, variant), items in self.items.items()
        }
        return replace(self, items={key: items for key, items in kept.items() if items})

    def basis(self, suite: str, variant: str, on: str) -> Basis:
        """Return what the results were made under, but for the model.

        `on` is what the gate counts: a rate of people says nothing about one of checks.
        """
        items = self.of(suite, variant)
        asked = sorted((case, *item.asked) for case, item in items.items())
        signatures = {one for item in items.values() for one in item.signatures}
        return Basis(
            asked=digest([on, asked] if on == HUMAN else asked, 12),
            environment=digest(sorted(map(signature_to_json, signatures)), 12),
            checks=digest(sorted(self.checks.get((suite, variant), ())), 12),
        )

    def suites(self) -> set[str]:
        """Return the suites that have results."""
        return {suite for suite, _ in self.items}

    def variants(self) -> set[str]:
        """Return the variants that have results."""
        return {variant for _, variant in self.items}


def collect(results: Iterable[Result]) -> Ledger:
    """Read the results once, in any order, and keep the counts.

    Raises InputError for a score that is no number in [0, 1] and for a repeated row.
    """
    ledger = Ledger()
    for result in results:
        ledger.add(result)
    return ledger


def renamed(results: Iterable[Result], variant: str) -> Iterator[Result]:
    """Yield the same results under another variant's name: two runs may both have a `base`."""
    return (replace(result, variant=variant) for result in results)


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
            expected=", ".join(known) or f"no {kind}",
        )
        for name in sorted(names)
    ]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of one suite and variant, by case id.

    `before` are the baseline's values, `changes` candidate − baseline, `groups` number the clusters
    from 0. All changes are multiples of 1/`grid` (None for scores). `binary`: every side is 0 or 1.
    `differing` counts the pairs that were refused, or taken all the same (`insisted`), by what
    differs. `too_few` counts the pairs of which one side has fewer tries than the gate is on.
    """

    cases: tuple[str, ...]
    before: Floats
    changes: Floats
    groups: Ints
    clusters: int
    binary: bool
    grid: int | None
    differing: tuple[tuple[str, int], ...] = ()
    insisted: bool = False
    left_out: int = 0
    only_baseline: int = 0
    only_candidate: int = 0
    too_few: int = 0

    @property
    def clustered(self) -> bool:
        """Some cluster holds more than one pair."""
        return self.clusters < len(self.cases)

    @property
    def refused(self) -> int:
        """Pairs that were not compared as they are not alike."""
        return 0 if self.insisted else sum(count for _, count in self.differing)

    @property
    def unlike(self) -> tuple[str, ...]:
        """In what the refused pairs differ, the most frequent first."""
        return () if self.insisted else tuple(what for what, _ in self.differing)

    @property
    def shift(self) -> Shift:
        """What both sides come to, over at least one pair."""
        before = float(self.before.mean())
        after = float((self.before + self.changes).mean())
        return Shift(len(self.cases), before, after, self.binary)

    def take(self, places: Ints) -> Pairs:
        """Return some of the pairs, by their places; what is not among the pairs is not counted."""
        groups = np.unique(self.groups[places], return_inverse=True)[1].astype(np.int64)
        return Pairs(
            cases=tuple(self.cases[place] for place in places),
            before=self.before[places],
            changes=self.changes[places],
            groups=groups,
            clusters=int(groups.max()) + 1 if groups.size else 0,
            binary=self.binary,
            grid=self.grid,
            insisted=self.insisted,
        )

    def changed(self, direction: Literal[-1, 1]) -> tuple[str, ...]:
        """Return the cases that fell (-1) or rose (1), the largest change first."""
        sizes = self.changes * direction
        order = sorted(np.flatnonzero(sizes > CHANGED), key=lambda i: (-sizes[i], self.cases[i]))
        return tuple(self.cases[i] for i in order)


def make_pairs(
    candidate: Items,
    baseline: Items,
    *,
    settings: GateSettings,
    insist: bool,
    environments: PairEnvironments = UNKNOWN,
) -> Pairs:
    """Pair the cases that both sides have, were asked the same and were answered and judged.

    What is compared is what `settings` say under `on`. `environments` are the fields of baseline
    and candidate, to say which of them differ.
    """
    both = sorted(candidate.keys() & baseline.keys())
    found = {c: differences(baseline[c], candidate[c], environments) for c in both}
    unlike = {case: what for case, what in found.items() if what}
    comparable = both if insist else [case for case in both if case not in unlike]
    answered = [c for c in comparable if candidate[c].testable and baseline[c].testable]
    tested, values = [], []
    for case in answered:
        new, old = _value(candidate[case], settings), _value(baseline[case], settings)
        if new is not None and old is not None:
            tested.append(case)
            values.append((new, old))
    groups = groups_of([candidate[case] for case in tested])
    return Pairs(
        cases=tuple(tested),
        before=np.array([old for _, old in values], dtype=np.float64),
        changes=np.array([new - old for new, old in values], dtype=np.float64),
        groups=groups,
        clusters=int(groups.max()) + 1 if tested else 0,
        binary=all(value in (0.0, 1.0) for pair in values for value in pair),
        grid=_grid([items[c] for items in (candidate, baseline) for c in tested], settings),
        differing=tuple(Counter(unlike.values()).most_common()),
        insisted=insist,
        left_out=len(comparable) - len(answered),
        only_baseline=len(baseline) - len(both),
        only_candidate=len(candidate) - len(both),
        too_few=len(answered) - len(tested),
    )


def differences(baseline: Item, candidate: Item, environments: PairEnvironments) -> str:
    """Say what keeps two items from being compared, in plain words; empty where nothing does."""
    found = []
    if baseline.asked != candidate.asked:
        found.append("the case itself (its messages or checks)")
    old, new = _all_of(baseline.signatures), _all_of(candidate.signatures)
    if old.environment != new.environment:
        found.append(environment_change(old.environment, new.environment, environments))
    if old.sampling != new.sampling:
        found.append("the suite's sampling")
    if old.scoring != new.scoring:
        found.append("how it was scored (the judge, or the reasoning tags)")
    return " and ".join(found)


def environment_change(before: str, after: str, environments: PairEnvironments) -> str:
    """Say how two environments differ, in plain words: the fields where they are known."""
    old, new = environments
    fields = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    if not fields:
        return f"the environment ({_shown(before)} → {_shown(after)})"
    changes = (f"{key} {_shown(old.get(key))} → {_shown(new.get(key))}" for key in fields)
    return f"the environment ({', '.join(changes)})"


def _all_of(signatures: Sequence[Signature]) -> Signature:
    """Merge the signatures of an item's repeats: where a part differs, all of its values."""
    return Signature(
        " + ".join(sorted({each.environment for each in signatures})),
        " + ".join(sorted({each.sampling for each in signatures})),
        tuple(sorted({"-".join(each.scoring) for each in signatures})),
    )


def _shown(value: str | None) -> str:
    return (value or "none")[:LONGEST_SHOWN]


def _value(item: Item, settings: GateSettings) -> float | None:
    if settings.tries:
        return item.over(settings.tries)
    return item.mean_score if settings.on in ("score", HUMAN) else item.share


def _grid(items: Iterable[Item], settings: GateSettings) -> int | None:
    if settings.on in ("score", HUMAN):
        return None
    k = settings.tries.k if settings.tries else 1
    grid = math.lcm(*{math.comb(item.passes + item.fails, k) for item in items})
    return grid if grid <= FINEST_GRID else None
