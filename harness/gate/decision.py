"""The decision: results in, verdicts out, and every rule behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.common import (
    HUMAN,
    GateSettings,
    InputError,
    Prices,
    Problem,
    VariantRole,
    first_of,
    nearest,
    percent,
    plural,
)
from harness.gate import sentences as say
from harness.gate.behaviour import Opponent, behaviour_of, drift
from harness.gate.comparison import (
    Tested,
    compare_family,
    inconclusive,
    rate_of,
    reaches,
    regressed,
    tries_of,
)
from harness.gate.pairs import Items, Ledger, Pairs, collect, known_only, make_pairs
from harness.gate.people import judged_items
from harness.gate.preference import count_preferences, decide_preference
from harness.gate.sequential import sequential_test
from harness.gate.slices import NO_SLICES, Sliced, count_slices, decide_slices
from harness.results import (
    Behaviour,
    Comparison,
    GateReport,
    JudgeStanding,
    PairJudgement,
    Preference,
    Rate,
    Result,
    Reviewed,
    Slice,
    SuiteInfo,
    SuiteResult,
    TriesRate,
    Verdict,
    chosen,
)

BELIEVABLE_GAIN = 0.20  # adapters that gain more exist, but a broken check is as likely
GAIN_ALPHA = 0.01  # after Holm, one-sided
SEVERITY = {verdict: rank for rank, verdict in enumerate(Verdict)}

Finding = tuple[Verdict, str]
NOTHING_DEMANDED = "no bar and no baseline: nothing is decided here"
NOT_KNOWN = "no bar, and the baseline has no result in this suite: nothing is decided here"
NOT_COMPARED = (
    "not compared, the baseline has no result in it: save the baseline again from a run of all "
    "suites, or judge by the bars alone with --baseline none"
)
Roles = Mapping[str, VariantRole]
Environments = Mapping[str, Mapping[str, str]]
PricesOf = Mapping[str, Prices]


@dataclass(frozen=True, slots=True)
class Unit:
    """One suite and one variant, with all that the rules look at.

    `pairs` is None without a baseline, `tested` None where no pair could be compared. `answered`
    and `baseline_answered` are the items as checks judged them: the same as `items`, unless people
    judge, who may have judged a part of them.
    """

    suite: SuiteInfo
    variant: str
    baseline: str | None
    items: Items
    baseline_items: Items
    rate: Rate
    pairs: Pairs | None = None
    tested: Tested | None = None
    pass_at_k: tuple[TriesRate, ...] = ()
    pass_hat_k: tuple[TriesRate, ...] = ()
    preference: Preference | None = None
    sliced: Sliced = NO_SLICES
    slices: tuple[Slice, ...] = ()
    behaviour: tuple[Behaviour, ...] = ()
    answered: Items = field(default_factory=dict)
    baseline_answered: Items = field(default_factory=dict)

    @property
    def settings(self) -> GateSettings:
        """The suite's bars."""
        return self.suite.gate

    @property
    def estimate(self) -> TriesRate | None:
        """The estimate that the gate is on, where that is pass@k or pass^k."""
        return chosen(self.settings.tries, self.pass_at_k, self.pass_hat_k)

    @property
    def measured(self) -> float | None:
        """What `min_pass_rate` is about: that estimate, else the pass rate; None for no case."""
        return self.estimate.estimate if self.estimate else self.rate.known

    @property
    def baseline_measured(self) -> float | None:
        """The same of the baseline; None where it has no result."""
        estimate = chosen(self.settings.tries, *tries_of(self.baseline_items, self.settings))
        return estimate.estimate if estimate else rate_of(self.baseline_items).known

    @property
    def baseline_below(self) -> bool:
        """The bar is above the variant and the baseline: the suite or a check may be wrong."""
        minimum, found = self.settings.min_pass_rate, (self.measured, self.baseline_measured)
        return minimum is not None and all(
            rate is not None and not reaches(rate, minimum) for rate in found
        )

    @property
    def distrusted(self) -> tuple[JudgeStanding, ...]:
        """Its judges whose agreement with people is not what the suite demands."""
        return tuple(standing for standing in self.suite.judged if not standing.enough)

    @property
    def demands(self) -> bool:
        """Whether anything could have failed: else there is nothing to pass."""
        required = any(item.required for item in self.items.values())
        return required or bool(self.baseline_items) or self.settings.min_pass_rate is not None

    @property
    def comparison(self) -> Comparison | None:
        """The comparison with the baseline, where there is one."""
        return self.tested.comparison if self.tested else None

    @property
    def uncompared(self) -> bool:
        """There is a baseline, and it has no result in this suite."""
        return self.pairs is not None and self.baseline is not None and not self.baseline_answered

    @property
    def judged(self) -> int:
        """Return how many cases people judged, on both sides where there is a baseline."""
        return self.rate.n if self.pairs is None or self.uncompared else len(self.pairs.cases)

    @property
    def too_few_judged(self) -> bool:
        """People decide, and have judged fewer cases than the suite asks for."""
        return self.judged < (self.settings.min_judged or 0)


def judge(unit: Unit) -> tuple[Verdict, tuple[str, ...], int]:
    """Return the verdict, all its reasons, and how many of them, from the first, stand in the way.

    Of several findings the most severe decides.
    """
    findings = sorted(_findings(unit), key=lambda finding: SEVERITY[finding[0]])
    verdict = findings[0][0] if findings else Verdict.PASS
    broken = verdict is Verdict.ERROR  # then more cases would not decide
    against = {text for found, text in findings if not (broken and found is Verdict.INCONCLUSIVE)}
    texts = [*(text for _, text in findings), *facts(unit)]
    return verdict, tuple(dict.fromkeys(texts)), len(against)


def _findings(unit: Unit) -> Iterator[Finding]:
    """Yield everything that stands against a pass; of one verdict in the order of the reasons."""
    settings, seen, rate = unit.settings, unit.comparison, unit.rate
    errors = list(_errors(unit))
    yield from ((Verdict.ERROR, text) for text in errors)
    if (row := unit.preference) and row.verdict in (Verdict.ERROR, Verdict.REGRESSED):
        yield row.verdict, row.reasons[0]
    few = unit.too_few_judged
    if few:
        baseline = "" if unit.uncompared else unit.baseline or ""
        yield Verdict.INCONCLUSIVE, say.too_few_judged(unit.judged, baseline, settings)
    if seen is not None and not few and regressed(seen, settings):
        first = next(iter(seen.worse))
        told = say.moved(seen.shift, settings) if seen.shift else ""
        yield Verdict.REGRESSED, told + say.example(first, unit.items[first].reason)
        if drivers := [row for row in unit.slices if row.drives]:
            driver = min(drivers, key=lambda row: row.gathers or 0.0)
            yield Verdict.REGRESSED, say.driven(driver, len(seen.worse))
        yield Verdict.REGRESSED, say.change(seen, settings)
        yield Verdict.REGRESSED, say.fall(seen, settings)
    for each in unit.slices:
        if not few and each.verdict in (Verdict.REGRESSED, Verdict.INCONCLUSIVE):
            yield each.verdict, each.reasons[0]
    failed = sorted(i.case for i in unit.items.values() if i.required and i.fails)
    unseen = [i.case for i in unit.answered.values() if i.required and i.case not in unit.items]
    if unseen:
        told = f"nobody has judged required {plural(len(unseen), 'case')}: {first_of(unseen)}"
        yield Verdict.INCONCLUSIVE, told
    if failed and not few:
        noun = "required case" if len(failed) == 1 else "required cases"
        told = f"{noun} failed: {first_of(failed)}"
        shared = [c for c in failed if c in unit.baseline_items and unit.baseline_items[c].fails]
        if shared:
            told += f"; {unit.baseline} fails {first_of(shared)} too: the check may be wrong"
        yield Verdict.BELOW_THRESHOLD, told
    if settings.min_pass_rate is not None and unit.measured is not None and not few:
        at_best = unit.measured
        if errors:
            # Nobody knows what the model would have said, and machinery is not to be held against
            # it: the rate as if all errors had passed.
            counted = [item for item in unit.items.values() if not item.skipped]
            shares = [(i.passes + i.errors) / (i.passes + i.fails + i.errors) for i in counted]
            if tries := settings.tries:
                every = (item.over(tries, lost=item.errors) for item in counted)
                shares = [share for share in every if share is not None]
            at_best = sum(shares) / len(shares)
        if not reaches(at_best, settings.min_pass_rate):
            told = f"below the bar: {say.bar(rate, unit.estimate, settings)}"
            if unit.baseline_below:
                theirs = percent(unit.baseline_measured)
                told += f"; {unit.baseline} is below it too ({theirs}): {say.WRONG_SUITE}"
            yield Verdict.BELOW_THRESHOLD, told
    for figure in unit.behaviour:
        if figure.growth and figure.growth.exceeds:
            yield Verdict.BELOW_THRESHOLD, say.against_bar(figure)
        elif figure.growth and figure.growth.is_open:
            yield Verdict.INCONCLUSIVE, say.not_known(figure)
    if seen is not None and not few and inconclusive(seen, settings):
        yield Verdict.INCONCLUSIVE, say.not_shown(seen, settings)
        yield Verdict.INCONCLUSIVE, say.to_decide(seen)
    for standing in unit.distrusted if unit.demands else ():
        yield Verdict.INCONCLUSIVE, say.distrusted(standing)


def _errors(unit: Unit) -> Iterator[str]:
    """Yield what broke, or is missing, on either side."""
    allowed = unit.settings.max_errors
    sides = [(unit.variant, unit.answered)]
    if unit.pairs is not None and unit.baseline:
        sides.append((unit.baseline, unit.baseline_answered))
    for name, items in sides:
        broken = sorted(item.case for item in items.values() if item.errors)
        if len(broken) > allowed:
            what = f"{plural(len(broken), 'case')} of {name} ended in an error"
            why = say.why(broken[0], items[broken[0]].reason)
            yield f"{what} ({first_of(broken)}), max_errors is {allowed}{why}"
    missing = unit.suite.selected - len(unit.answered)
    if missing > 0:
        cases = plural(unit.suite.selected, "case")
        yield f"{missing} of {cases} have no result for {unit.variant}"
    if unit.answered and all(item.skipped for item in unit.answered.values()):
        yield f"none of {plural(len(unit.answered), 'case')} fits into the context"
    if unit.rate.n and unit.estimate is not None and unit.estimate.estimate is None:
        yield f"{unit.settings.on} is undefined: {unit.estimate.reason}"
    if not unit.suite.cases:
        yield "the suite has no case"
    for item in sorted(unit.answered.values(), key=lambda item: item.case):
        if item.required and item.skips:
            yield f"required case {item.case} does not fit into the context"
        if item.required and item.errors:
            yield f"required case {item.case} ended in an error"
    judged = unit.settings.on != HUMAN  # else people have judged nothing yet
    if unit.pairs is not None and unit.tested is None and unit.baseline_items and judged:
        yield f"no case could be compared with {unit.baseline}"


def facts(unit: Unit) -> Iterator[str]:
    """Yield what is true whatever the verdict: a bar that is kept, changes, what can be seen."""
    seen, settings = unit.comparison, unit.settings
    minimum = settings.min_pass_rate
    measured = unit.measured
    few = unit.too_few_judged
    if minimum is not None and measured is not None and reaches(measured, minimum) and not few:
        yield f"the bar is reached: {say.bar(unit.rate, unit.estimate, settings)}"
    if seen is None:
        return
    worse = regressed(seen, settings)
    if seen.shift and not worse and (seen.worse or seen.better):
        yield say.moved(seen.shift, settings)
    yield say.change(seen, settings)
    if seen.delta < 0 and not worse:
        yield say.accepted(seen, settings)
    if settings.policy == "non_inferiority" and not worse and not inconclusive(seen, settings):
        yield say.shown(seen, settings)
    yield say.sight(seen)
    for figure in unit.behaviour:
        grown = figure.growth
        if grown and grown.bar is not None and not (grown.exceeds or grown.is_open):
            yield say.against_bar(figure)
    if unit.preference:
        yield from unit.preference.reasons
    for each in unit.slices:
        yield from each.reasons


def warnings(unit: Unit) -> Iterator[str]:
    """Yield what a reader should know and no verdict says."""
    skipped = sorted(item.case for item in unit.answered.values() if item.skipped)
    if skipped and unit.rate.n:
        yield say.skipped(skipped)
    if unit.pairs is not None and unit.baseline:
        if unit.uncompared:
            yield f"not compared: {unit.baseline} has no result in this suite"
        else:
            seen = unit.comparison
            if seen is not None and 2 * seen.pairs < unit.rate.n:
                # The comparison speaks for the smaller part.
                yield f"only {seen.pairs} of {plural(unit.rate.n, 'case')} could be compared"
            yield from say.unlike(unit.pairs, unit.baseline)
            yield from say.unpaired(unit.pairs, unit.baseline, unit.variant, unit.settings)
    if unit.estimate and unit.estimate.n and unit.estimate.reason:
        yield f"{unit.settings.on}: {unit.estimate.reason}"
    drifted = drift(unit.behaviour)
    if drifted and drifted.growth and not drifted.growth.exceeds:  # else it is a reason
        yield say.drifted(drifted)
    tested = unit.tested
    if tested and tested.p_better <= GAIN_ALPHA and tested.comparison.delta > BELIEVABLE_GAIN:
        yield say.gain(tested.comparison, unit.settings)


@dataclass(frozen=True, slots=True)
class Pairing:
    """With whom, and how strictly, every variant is compared."""

    baseline: str | None
    insist: bool
    environments: Environments
    sequential: bool = False
    judgements: Sequence[PairJudgement] | None = None
    prices: PricesOf = field(default_factory=dict)
    people: Reviewed = field(default_factory=Reviewed)


def decide(
    results: Iterable[Result],
    suites: Sequence[SuiteInfo],
    roles: Roles,
    baseline: str | None,
    *,
    insist: bool = False,
    environments: Environments | None = None,
    sequential: bool = False,
) -> GateReport:
    """Judge every candidate on every suite.

    `results` are read once, in any order, and only a light projection is kept. `baseline` names a
    variant in `roles`; None judges by absolute bars alone. `insist` compares pairs that differ in
    case or environment all the same, with a warning. `environments` holds the fields of each
    variant's environment, to say which of them differ. `sequential`: the results are in the order
    in which they were looked at, and a test that allows that replaces the final one.

    Raises InputError for results of unknown suites or variants, for a repeated result and for a
    score that is no number in [0, 1].
    """
    return judge_ledger(
        collect(results),
        suites,
        roles,
        baseline,
        insist=insist,
        environments=environments,
        sequential=sequential,
    )


def judge_ledger(
    ledger: Ledger,
    suites: Sequence[SuiteInfo],
    roles: Roles,
    baseline: str | None,
    *,
    insist: bool = False,
    environments: Environments | None = None,
    sequential: bool = False,
    judgements: Sequence[PairJudgement] | None = None,
    prices: PricesOf | None = None,
    people: Reviewed | None = None,
) -> GateReport:
    """Judge as `decide` does, from results that are already collected.

    `judgements` are pairs of answers that a judge compared; None where that is still to come.
    `prices` are those of the variants whose tokens have some. `people` is what people said of the
    answers: suites that are gated on it count what they judged alone.
    """
    known_only(ledger, {suite.name: suite for suite in suites}, roles)
    if baseline is not None and baseline not in roles:
        raise InputError(
            Problem(
                f"the baseline '{baseline}' is no variant of this run",
                expected=", ".join(roles),
                did_you_mean=nearest(baseline, roles),
            )
        )
    known = environments or {}
    pairing = Pairing(
        baseline, insist, known, sequential, judgements, prices or {}, people or Reviewed()
    )
    units = {
        variant: _units(ledger, suites, variant, pairing, gated=role is VariantRole.CANDIDATE)
        for variant, role in roles.items()
    }
    rows = tuple(
        replace(
            _suite_result(units[variant][index], role),
            basis=ledger.basis(suites[index].name, variant, suites[index].gate.on),
        )
        for index in range(len(suites))
        for variant, role in roles.items()
        if role is VariantRole.CANDIDATE or units[variant][index].answered
    )
    # The run passes only where every suite was compared with the baseline there is.
    found = [row.verdict for row in rows if row.verdict is not None]
    found += [Verdict.INCONCLUSIVE for row in rows if row.uncompared]
    worst = min(found, key=SEVERITY.__getitem__, default=None)
    if worst is Verdict.PASS and any(row.partial for row in rows):
        worst = None  # nobody knows what the cases that were left out would have shown
    return GateReport(rows, worst, tuple(_run_warnings(rows)))


def _units(
    ledger: Ledger, suites: Sequence[SuiteInfo], variant: str, pairing: Pairing, *, gated: bool
) -> list[Unit]:
    """Pair a variant with the baseline on each suite, and compare them.

    Whole suites share Holm's error budget; a part of a suite takes none of it.
    """
    baseline = None if variant == pairing.baseline else pairing.baseline
    units = []
    for suite in suites:
        answered, answers, pairs = ledger.of(suite.name, variant), Items(), None
        if baseline is not None:
            answers = ledger.of(suite.name, baseline)
        items, others = answered, answers
        if suite.gate.on == HUMAN:
            items, others = judged_items(
                pairing.people, suite.name, variant, answered, baseline, answers
            )
        rival = None
        if baseline is not None:
            known = pairing.environments
            environments = (known.get(baseline, {}), known.get(variant, {}))
            insist = pairing.insist
            pairs = make_pairs(
                items, others, settings=suite.gate, insist=insist, environments=environments
            )
            if answers:
                paired = pairs.cases
                if suite.gate.on == HUMAN:  # how long answers are is known of all of them
                    plain = suite.gate.model_copy(update={"on": suite.gate.without_people})
                    paired = make_pairs(answered, answers, settings=plain, insist=insist).cases
                rival = Opponent(baseline, answers, paired, pairing.prices.get(baseline))
        at, hat = tries_of(items, suite.gate)
        sliced = (
            NO_SLICES
            if variant == pairing.baseline
            else count_slices(items, others, pairs, suite.gate)
        )
        unit = Unit(
            suite,
            variant,
            baseline,
            items,
            others,
            rate_of(items),
            pairs,
            sliced=sliced,
            answered=answered,
            baseline_answered=answers,
        )
        preference = None
        if suite.prefer and gated and answers and baseline and pairing.judgements is not None:
            mine = [j for j in pairing.judgements if (j.suite, j.variant) == (suite.name, variant)]
            preference = count_preferences(mine, baseline, sequential=pairing.sequential)
        bars = suite.gate if gated and not suite.partial else None
        units.append(
            replace(
                unit,
                pass_at_k=tuple(at),
                pass_hat_k=tuple(hat),
                preference=preference,
                behaviour=behaviour_of(answered, pairing.prices.get(variant), rival, bars),
            )
        )
    whole = [unit for unit in units if not unit.suite.partial]
    part = [unit for unit in units if unit.suite.partial]
    found = {unit.suite.name: unit for some in (whole, part) for unit in _compared(some, pairing)}
    return [found[unit.suite.name] for unit in units]


def _compared(units: Sequence[Unit], pairing: Pairing) -> list[Unit]:
    """Return the units with their comparisons: suites that have a pair, corrected together.

    Declared slices of whole suites and preferences are in the same correction. A run that looks
    before preferences are known leaves room for them, so that what it stops at stands in the end.
    """
    having = [(u, u.pairs) for u in units if u.pairs is not None and u.pairs.cases]
    parts = [
        (unit, tag, pairs)
        for unit in units
        if not unit.suite.partial
        for tag, pairs in unit.sliced.declared.items()
    ]
    family = [(pairs, unit.settings) for unit, pairs in having]
    family += [(pairs, unit.settings) for unit, _, pairs in parts]
    looked = [sequential_test(pairs, u.items) for u, pairs in having if pairing.sequential]
    looked += [sequential_test(pairs, u.items) for u, _, pairs in parts if pairing.sequential]
    preferred = [(u, u.preference) for u in units if u.preference is not None]
    beside = [row.p for _, row in preferred if row.pairs]
    if pairing.judgements is None and pairing.baseline is not None:
        beside = [1.0 for unit in units if unit.suite.prefer]
    tested, adjusted = compare_family(
        family, pairing.baseline or "", looked, beside, suites=len(having)
    )
    ordered = iter(tested)
    seen = {unit.suite.name: next(ordered) for unit, _ in having}
    by_tag: dict[str, dict[str, Tested]] = {unit.suite.name: {} for unit in units}
    for unit, tag, _ in parts:
        by_tag[unit.suite.name][tag] = next(ordered)
    left, size = iter(adjusted), len(family) + len(beside)
    rows = {
        unit.suite.name: decide_preference(
            row, unit.settings, next(left) if row.pairs else 1.0, size
        )
        for unit, row in preferred
    }
    return [
        replace(
            unit,
            tested=seen.get(unit.suite.name),
            preference=rows.get(unit.suite.name),
            slices=unit.sliced.slices
            if unit.suite.partial or unit.baseline is None or not unit.baseline_items
            else decide_slices(
                unit.sliced,
                by_tag[unit.suite.name],
                unit.items,
                unit.settings,
                unit.baseline,
            ),
        )
        for unit in units
    ]


def _suite_result(unit: Unit, role: VariantRole) -> SuiteResult:
    """Judge one suite of one variant; what is not gated has facts and no verdict."""
    gated = role is VariantRole.CANDIDATE
    verdict: Verdict | None = None
    reasons, against = tuple(facts(unit)), 0
    if gated and not unit.suite.partial:
        verdict, reasons, against = judge(unit)
        if verdict is Verdict.PASS and not unit.demands:  # nothing to pass
            verdict, reasons = None, (NOT_KNOWN if unit.uncompared else NOTHING_DEMANDED,)
    notes = list(warnings(unit))
    if gated and not unit.suite.partial and not unit.baseline_items:
        drop = unit.settings.max_drop is not None
        if drop or unit.settings.policy == "non_inferiority":
            notes.append("max_drop was not tested: there is no baseline to compare with")
        if unit.settings.slices:
            notes.append("slices were not tested: there is no baseline to compare with")
        for name in ("max_length_growth", "max_latency_growth"):
            if getattr(unit.settings, name) is not None:
                notes.append(f"{name} was not tested: there is no baseline to compare with")
    return SuiteResult(
        suite=unit.suite.name,
        category=unit.suite.category,
        variant=unit.variant,
        role=role,
        rate=unit.rate,
        verdict=verdict,
        reasons=reasons,
        warnings=tuple(notes),
        comparison=unit.comparison,
        partial=unit.suite.partial,
        against=against,
        uncompared=gated and unit.uncompared and not unit.suite.partial,
        unlike=unit.pairs.unlike if unit.pairs else (),
        on=unit.settings.on,
        pass_at_k=unit.pass_at_k,
        pass_hat_k=unit.pass_hat_k,
        slices=unit.slices
        if gated
        else tuple(replace(each, verdict=None, reasons=()) for each in unit.slices),
        tags=unit.sliced.tags,
        behaviour=unit.behaviour,
        baseline_below=verdict is Verdict.BELOW_THRESHOLD and unit.baseline_below,
        distrusted=verdict is Verdict.INCONCLUSIVE and bool(unit.distrusted),
        preference=None
        if unit.preference is None
        else unit.preference
        if gated and not unit.suite.partial
        else replace(unit.preference, verdict=None),
    )


def _run_warnings(verdicts: Sequence[SuiteResult]) -> Iterator[str]:
    """Say where nothing was gated, or not compared with the baseline there is."""
    parts = [row for row in verdicts if row.partial and row.role is VariantRole.CANDIDATE]
    if parts and len(parts) < len([row for row in verdicts if row.role is VariantRole.CANDIDATE]):
        yield f"only part was run of {first_of(dict.fromkeys(row.suite for row in parts))}"
    if open_suites := dict.fromkeys(row.suite for row in verdicts if row.uncompared):
        yield f"{first_of(open_suites)}: {NOT_COMPARED}"
    if any(row.verdict is not None for row in verdicts):
        return
    candidates = [row for row in verdicts if row.role is VariantRole.CANDIDATE]
    if any(row.partial for row in candidates):
        yield "nothing was gated: only parts of suites were selected"
    elif candidates and not open_suites:
        bars = "every bar is about a baseline" if any(row.warnings for row in candidates) else ""
        yield f"nothing was gated: {bars or 'no suite has a bar'}, and there is no baseline"
    elif not candidates:
        yield "nothing was gated: the run has no candidate"
