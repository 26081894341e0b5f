"""Several variants compared with each other: all pairs, on each suite, under one error budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from harness.gate import sentences as say
from harness.gate.comparison import paired_test
from harness.gate.intervals import spread
from harness.gate.ledger import Items, Ledger, collect
from harness.gate.paired_tests import holm
from harness.gate.pairs import Environments, Pairs, make_pairs
from harness.gate_settings import GateSettings
from harness.runner.values import Result


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
    ledger = collect(results)
    known = environments or {}
    found = [
        _compared(ledger, suite, first, second, gate, (known.get(second, {}), known.get(first, {})))
        for suite, gate in settings.items()
        for first, second in combinations(variants, 2)
        if ledger.of(suite, first) and ledger.of(suite, second)
    ]
    return tuple(_corrected(found, settings))


def _compared(
    ledger: Ledger,
    suite: str,
    first: str,
    second: str,
    gate: GateSettings,
    environments: Environments,
) -> PairwiseComparison:
    mine, other = ledger.of(suite, first), ledger.of(suite, second)
    pairs = make_pairs(mine, other, on=gate.on, insist=False, environments=environments)
    left_out = len(mine.keys() | other.keys()) - len(pairs.cases)
    plain = PairwiseComparison(suite, first, second, len(pairs.cases), left_out=left_out)
    broken = [*_broken(first, mine, gate), *_broken(second, other, gate)]
    if broken or not pairs.cases:
        return replace(plain, why="; ".join(broken or _unpaired(pairs, first, second)))
    return _measured(plain, pairs)


def _broken(variant: str, items: Items, gate: GateSettings) -> Iterator[str]:
    """The gate calls this an error: what is left says nothing of the variant as a whole."""
    errors = sum(item.errors > 0 for item in items.values())
    if errors > gate.max_errors:
        yield f"{say.counted(errors, 'case')} of {variant} ended in an error"


def _unpaired(pairs: Pairs, first: str, second: str) -> list[str]:
    return [*say.unlike(pairs, second), *say.unpaired(pairs, second, first)]


def _measured(plain: PairwiseComparison, pairs: Pairs) -> PairwiseComparison:
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


def _corrected(
    found: Sequence[PairwiseComparison], settings: Mapping[str, GateSettings]
) -> Iterator[PairwiseComparison]:
    tested = [row.p for row in found if row.p is not None]
    adjusted = iter(holm(tested))
    for row in found:
        if row.p is None or row.delta is None:
            yield row
            continue
        p = next(adjusted)
        ahead = row.first if row.delta > 0 else row.second
        clear = p <= settings[row.suite].alpha and row.delta != 0
        yield replace(row, p_adjusted=p, leader=ahead if clear else "")
