"""The rules: what is wrong with one candidate on one suite, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.gate import sentences as say
from harness.gate.comparison import Tested
from harness.gate.ledger import Items
from harness.gate.pairs import Pairs
from harness.gate.rules import inconclusive, reaches, regressed
from harness.gate.values import Comparison, Rate, SuiteDemand, Verdict
from harness.gate_settings import GateSettings

BELIEVABLE_GAIN = 0.20  # adapters that gain more exist, but a broken check is as likely
GAIN_ALPHA = 0.01  # after Holm, one-sided
SEVERITY = {verdict: rank for rank, verdict in enumerate(Verdict)}

Finding = tuple[Verdict, str]


@dataclass(frozen=True, slots=True)
class Unit:
    """One suite and one variant, with all that the rules look at.

    `pairs` is None without a baseline, `tested` None where no pair could be compared.
    """

    demand: SuiteDemand
    variant: str
    baseline: str | None
    items: Items
    baseline_items: Items
    rate: Rate
    pairs: Pairs | None = None
    tested: Tested | None = None

    @property
    def settings(self) -> GateSettings:
        """The suite's bars."""
        return self.demand.gate

    @property
    def comparison(self) -> Comparison | None:
        """The comparison with the baseline, where there is one."""
        return self.tested.comparison if self.tested else None

    @property
    def uncompared(self) -> bool:
        """There is a baseline, and it has no result in this suite."""
        return self.pairs is not None and self.baseline is not None and not self.baseline_items


def judge(unit: Unit) -> tuple[Verdict, tuple[str, ...], int]:
    """The verdict, all its reasons, and how many of them, from the first, stand in the way.

    Of several findings the most severe decides.
    """
    findings = sorted(
        [*_errors(unit), *_regressed(unit), *_below(unit), *_inconclusive(unit)],
        key=lambda finding: SEVERITY[finding[0]],
    )
    verdict = findings[0][0] if findings else Verdict.PASS
    broken = verdict is Verdict.ERROR  # then more cases would not decide
    against = {text for found, text in findings if not (broken and found is Verdict.INCONCLUSIVE)}
    texts = [*(text for _, text in findings), *facts(unit)]
    return verdict, tuple(dict.fromkeys(texts)), len(against)


def _errors(unit: Unit) -> Iterator[Finding]:
    yield from ((Verdict.ERROR, text) for text in _machinery(unit))
    yield from ((Verdict.ERROR, text) for text in _required_without_answer(unit))
    if unit.pairs is not None and unit.tested is None and unit.baseline_items:
        yield Verdict.ERROR, f"no case could be compared with {unit.baseline}"


def _machinery(unit: Unit) -> Iterator[str]:
    allowed = unit.settings.max_errors
    sides = [(unit.variant, unit.items)]
    if unit.pairs is not None and unit.baseline:
        sides.append((unit.baseline, unit.baseline_items))
    for name, items in sides:
        broken = sorted(item.case for item in items.values() if item.errors)
        if len(broken) > allowed:
            what = f"{say.counted(len(broken), 'case')} of {name} ended in an error"
            why = say.why(broken[0], items[broken[0]].reason)
            yield f"{what} ({say.names(broken)}), max_errors is {allowed}{why}"
    missing = unit.demand.selected - len(unit.items)
    if missing > 0:
        cases = say.counted(unit.demand.selected, "case")
        yield f"{missing} of {cases} have no result for {unit.variant}"
    if unit.items and not unit.rate.n:
        yield f"none of {say.counted(len(unit.items), 'case')} fits into the context"
    if not unit.demand.cases:
        yield "the suite has no case"


def _required_without_answer(unit: Unit) -> Iterator[str]:
    for item in sorted(unit.items.values(), key=lambda item: item.case):
        if item.required and item.skips:
            yield f"required case {item.case} does not fit into the context"
        if item.required and item.errors:
            yield f"required case {item.case} ended in an error"


def _regressed(unit: Unit) -> Iterator[Finding]:
    seen = unit.comparison
    if seen is not None and regressed(seen, unit.settings):
        yield Verdict.REGRESSED, say.change(seen, unit.settings)
        yield Verdict.REGRESSED, say.fall(seen, unit.settings)


def _below(unit: Unit) -> Iterator[Finding]:
    failed = sorted(i.case for i in unit.items.values() if i.required and i.fails)
    if failed:
        noun = "required case" if len(failed) == 1 else "required cases"
        yield Verdict.BELOW_THRESHOLD, f"{noun} failed: {say.names(failed)}"
    minimum = unit.settings.min_pass_rate
    if minimum is not None and unit.rate.n and not reaches(_at_best(unit), minimum):
        yield Verdict.BELOW_THRESHOLD, f"below the bar: {say.bar(unit.rate, minimum)}"


def _at_best(unit: Unit) -> float:
    """The pass rate; in a suite of the verdict `error`, what it were had all errors passed.

    There nobody knows what the model would have said, and machinery is not to be held against it.
    """
    if not any(True for _ in _errors(unit)):
        return unit.rate.pass_rate
    counted = [item for item in unit.items.values() if not item.skipped]
    best = [(i.passes + i.errors) / (i.passes + i.fails + i.errors) for i in counted]
    return sum(best) / len(best)


def _inconclusive(unit: Unit) -> Iterator[Finding]:
    seen, settings = unit.comparison, unit.settings
    if seen is not None and inconclusive(seen, settings):
        yield Verdict.INCONCLUSIVE, say.not_shown(seen, settings)
        yield Verdict.INCONCLUSIVE, say.to_decide(seen)


def facts(unit: Unit) -> Iterator[str]:
    """What is true whatever the verdict: the bar that is kept, what changed, what can be seen."""
    seen, settings = unit.comparison, unit.settings
    minimum = settings.min_pass_rate
    if minimum is not None and unit.rate.n and reaches(unit.rate.pass_rate, minimum):
        yield f"the bar is reached: {say.bar(unit.rate, minimum)}"
    if seen is None:
        return
    yield say.change(seen, settings)
    worse = regressed(seen, settings)
    if seen.delta < 0 and not worse:
        yield say.accepted(seen, settings)
    if settings.policy == "non_inferiority" and not worse and not inconclusive(seen, settings):
        yield say.shown(seen, settings)
    yield say.sight(seen)


def warnings(unit: Unit) -> Iterator[str]:
    """What a reader should know and no verdict says."""
    skipped = sorted(item.case for item in unit.items.values() if item.skipped)
    if skipped and unit.rate.n:
        yield say.skipped(skipped)
    if unit.pairs is not None and unit.baseline:
        if unit.uncompared:
            yield f"not compared: {unit.baseline} has no result in this suite"
        else:
            yield from _few_pairs(unit)
            yield from say.unlike(unit.pairs, unit.baseline)
            yield from say.unpaired(unit.pairs, unit.baseline, unit.variant)
    tested = unit.tested
    if tested and tested.p_better <= GAIN_ALPHA and tested.comparison.delta > BELIEVABLE_GAIN:
        yield say.gain(tested.comparison, unit.settings)


def _few_pairs(unit: Unit) -> Iterator[str]:
    """Less than half of the cases were compared: the comparison speaks for the smaller part."""
    seen = unit.comparison
    if seen is not None and 2 * seen.pairs < unit.rate.n:
        yield f"only {seen.pairs} of {say.counted(unit.rate.n, 'case')} could be compared"


def without_baseline(unit: Unit) -> Iterator[str]:
    """What a suite asks for that only a comparison could show."""
    if unit.demand.partial or unit.baseline_items:
        return
    if unit.settings.policy == "non_inferiority" or unit.settings.max_drop is not None:
        yield "max_drop was not tested: there is no baseline to compare with"


def nothing_demanded(unit: Unit) -> bool:
    """Without a comparison, a bar and a required case nothing can fail: that is no pass."""
    required = any(item.required for item in unit.items.values())
    bar = unit.settings.min_pass_rate is not None
    return not (unit.demand.partial or unit.baseline_items or bar or required)
