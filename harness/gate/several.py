"""Several variants compared with each other: all pairs, on each suite, under one error budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from harness.common import GateSettings, InputError, Problem, VariantRole, plural
from harness.gate import sentences as say
from harness.gate.comparison import paired_test
from harness.gate.decision import Environments, PricesOf, judge_ledger
from harness.gate.pairs import Items, Ledger, Pairs, collect, make_pairs
from harness.gate.statistics import holm, spread
from harness.results import GateReport, JudgeStanding, Result, Reviewed, SuiteInfo


@dataclass(frozen=True, slots=True)
class PairwiseComparison:
    """Two variants on one suite. `delta` is first − second, `low` and `high` its 95 % interval.

    `p` is two-sided, `p_adjusted` after Holm over all pairs of variants on all suites. `better`
    and `worse` count the cases in which the first did better and worse. `leader` is the variant
    that is clearly better, beyond chance after Holm; empty where neither is. `left_out` counts
    cases of either variant that are not among the `pairs`. Where nothing could be compared, `why`
    says so and the figures are None.
    """

    suite: str
    first: str
    second: str
    pairs: int = 0
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    better: int = 0
    worse: int = 0
    left_out: int = 0
    leader: str = ""
    why: str = ""


def compare_pairwise(
    results: Iterable[Result],
    variants: Sequence[str],
    settings: Mapping[str, GateSettings],
    environments: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[PairwiseComparison, ...]:
    """Compare each two of the variants on each suite in `settings` that both have results in.

    It decides nothing: the gate compares candidates with their baseline. The test is two-sided, as
    neither side is the one to defend, and Holm corrects over everything that is compared here.
    """
    ledger, known = collect(results), environments or {}
    found = []
    for suite, gate in settings.items():
        gate = gate.model_copy(update={"on": gate.without_people})
        for first, second in combinations(variants, 2):
            mine, other = ledger.of(suite, first), ledger.of(suite, second)
            if mine and other:
                differ = known.get(second, {}), known.get(first, {})
                pairs = make_pairs(mine, other, settings=gate, insist=False, environments=differ)
                plain = PairwiseComparison(
                    suite,
                    first,
                    second,
                    len(pairs.cases),
                    left_out=len(mine.keys() | other.keys()) - len(pairs.cases),
                )
                broken = [*_broken(first, mine, gate), *_broken(second, other, gate)]
                if broken or not pairs.cases:
                    apart = [*say.unlike(pairs, second), *say.unpaired(pairs, second, first, gate)]
                    found.append(replace(plain, why="; ".join(broken or apart)))
                else:
                    found.append(_measured(plain, pairs))
    adjusted = iter(holm([row.p for row in found if row.p is not None]))
    rows = []
    for row in found:
        if row.p is not None and row.delta is not None:
            p = next(adjusted)
            ahead = row.first if row.delta > 0 else row.second
            clear = p <= settings[row.suite].alpha and row.delta != 0
            row = replace(row, p_adjusted=p, leader=ahead if clear else "")
        rows.append(row)
    return tuple(rows)


def _broken(variant: str, items: Items, gate: GateSettings) -> Iterator[str]:
    """Say what the gate calls an error: the rest says nothing of the variant as a whole."""
    errors = sum(item.errors > 0 for item in items.values())
    if errors > gate.max_errors:
        yield f"{plural(errors, 'case')} of {variant} ended in an error"


def _measured(plain: PairwiseComparison, pairs: Pairs) -> PairwiseComparison:
    """Fill in the figures of at least one pair, but for what Holm's correction decides."""
    test = paired_test(pairs)
    low, high = spread(pairs.changes, pairs.groups, binary=pairs.binary).interval()
    return replace(
        plain,
        delta=float(pairs.changes.mean()),
        low=low,
        high=high,
        p=min(1.0, 2 * min(test.p_worse, test.p_better)),
        better=len(pairs.changed(1)),
        worse=len(pairs.changed(-1)),
    )


def compare_ledgers(
    runs: Mapping[str, Ledger],
    categories: Mapping[str, str],
    *,
    settings: Mapping[str, GateSettings] | None = None,
    insist: bool = False,
    environments: Environments | None = None,
    prices: PricesOf | None = None,
    whole: Mapping[str, int] | None = None,
    judged: Mapping[str, tuple[JudgeStanding, ...]] | None = None,
    people: Reviewed | None = None,
) -> GateReport:
    """Compare runs, each the counted results of one variant, under names of their own.

    The first is the baseline, the others are candidates; in its ledger a variant may have any
    name. Suites and cases that one side lacks are counted and said, never an error. `categories`
    are those of the suites, `settings` their bars (none by default), `judged` what is known of
    their judges. `whole` counts all cases of a suite of which only a part was run: it has no
    verdict. `people` is what people said of answers. Raises InputError for fewer than two runs, for
    a ledger of two variants and where there is no suite in common.
    """
    if len(runs) < 2:
        raise InputError(Problem("a comparison needs at least two runs", found=", ".join(runs)))
    for name, ledger in runs.items():
        if len(ledger.variants()) > 1:
            found = ", ".join(sorted(ledger.variants()))
            raise InputError(Problem(f"{name} holds the results of several variants", found=found))
    held = {name: {suite for suite, _ in ledger.items} for name, ledger in runs.items()}
    common = sorted(set.intersection(*held.values()))
    if not common:
        found = "; ".join(
            f"{name}: {', '.join(sorted(suites)) or 'no results'}" for name, suites in held.items()
        )
        raise InputError(Problem("the runs have no suite in common", found=found))
    together = Ledger(
        {
            (suite, name): items
            for name, ledger in runs.items()
            for (suite, _), items in ledger.items.items()
            if suite in common
        }
    )
    suites = []
    for suite in common:
        cases = min(len(together.of(suite, name)) for name in runs)
        gate = (settings or {}).get(suite, GateSettings())
        size, known = (whole or {}).get(suite, cases), (judged or {}).get(suite, ())
        suites.append(SuiteInfo(suite, categories[suite], "", "", gate, size, cases, judged=known))
    first, *others = runs
    report = judge_ledger(
        together,
        suites,
        {first: VariantRole.BASELINE, **dict.fromkeys(others, VariantRole.CANDIDATE)},
        first,
        insist=insist,
        environments=environments,
        prices=prices,
        people=people,
    )
    missing = []
    for suite in sorted(set.union(*held.values()) - set(common)):
        having = [name for name, its in held.items() if suite in its]
        missing.append(f"suite {suite} was not compared: only {', '.join(having)} has results")
    return replace(report, warnings=(*report.warnings, *missing))
