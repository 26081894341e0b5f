"""Several variants compared with each other: all pairs, on each suite, under one error budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from harness.common import GateSettings, InputError, Problem, VariantRole, plural
from harness.gate import sentences as say
from harness.gate.comparison import paired_test
from harness.gate.decision import Environments, judge_ledger
from harness.gate.pairs import Items, Ledger, PairEnvironments, Pairs, collect, make_pairs, renamed
from harness.gate.statistics import holm, spread
from harness.results import GateReport, Result, SuiteInfo


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
    environments: PairEnvironments,
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
        yield f"{plural(errors, 'case')} of {variant} ended in an error"


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


def compare(
    runs: Mapping[str, Iterable[Result]],
    *,
    settings: Mapping[str, GateSettings] | None = None,
    insist: bool = False,
    environments: Environments | None = None,
) -> GateReport:
    """Compare runs, each the results of one variant under a name of its own.

    The first is the baseline, the others are candidates. Suites and cases that one side lacks are
    counted and said, never an error; `settings` holds each suite's bars (none by default).
    Raises InputError for fewer than two runs and where they have no suite in common.
    """
    categories = dict[str, str]()
    return compare_ledgers(
        {
            name: collect(renamed(_noting(results, categories), name))
            for name, results in runs.items()
        },
        categories,
        settings=settings,
        insist=insist,
        environments=environments,
    )


def compare_ledgers(
    runs: Mapping[str, Ledger],
    categories: Mapping[str, str],
    *,
    settings: Mapping[str, GateSettings] | None = None,
    insist: bool = False,
    environments: Environments | None = None,
) -> GateReport:
    """Compare runs as `compare` does, from results that are already counted.

    Each ledger holds one variant, under any name; `categories` are those of the suites.
    """
    ledger = Ledger(
        {
            (suite, name): items
            for name, held in runs.items()
            for (suite, _), items in held.items.items()
        }
    )
    common = _common_suites(ledger, tuple(runs))
    bars = settings or {}
    suites = []
    for suite in common:
        cases = min(len(ledger.of(suite, name)) for name in runs)
        gate = bars.get(suite, GateSettings())
        suites.append(SuiteInfo(suite, categories[suite], "", "", gate, cases, cases))
    report = judge_ledger(
        _only(ledger, common),
        suites,
        _roles(tuple(runs)),
        next(iter(runs)),
        insist=insist,
        environments=environments,
    )
    return replace(report, warnings=(*report.warnings, *_missing(ledger, tuple(runs), common)))


def _noting(results: Iterable[Result], categories: dict[str, str]) -> Iterator[Result]:
    for result in results:
        categories.setdefault(result.suite, result.category)
        yield result


def _common_suites(ledger: Ledger, runs: tuple[str, ...]) -> list[str]:
    if len(runs) < 2:
        raise InputError(Problem("a comparison needs at least two runs", found=", ".join(runs)))
    held = [{suite for suite, variant in ledger.items if variant == name} for name in runs]
    common = sorted(set.intersection(*held))
    if not common:
        found = "; ".join(
            f"{name}: {', '.join(sorted(suites)) or 'no results'}"
            for name, suites in zip(runs, held, strict=True)
        )
        raise InputError(Problem("the runs have no suite in common", found=found))
    return common


def _only(ledger: Ledger, suites: list[str]) -> Ledger:
    kept: dict[tuple[str, str], Items] = {
        key: items for key, items in ledger.items.items() if key[0] in suites
    }
    return Ledger(kept)


def _roles(runs: tuple[str, ...]) -> dict[str, VariantRole]:
    first, *others = runs
    return {first: VariantRole.BASELINE} | dict.fromkeys(others, VariantRole.CANDIDATE)


def _missing(ledger: Ledger, runs: tuple[str, ...], common: list[str]) -> Iterator[str]:
    for suite in sorted(ledger.suites() - set(common)):
        having = [name for name in runs if ledger.of(suite, name)]
        yield f"suite {suite} was not compared: only {', '.join(having)} has results"
