"""A run's summary: per suite and variant, rates, intervals and verdicts.

The values here are the contract of `scorecard.json`; every other report is a view of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.canonical import JsonValue, digest
from harness.gate.noise import NoiseFloor
from harness.gate.values import Comparison, GateReport, SuiteVerdict, Verdict
from harness.gate_settings import GateSettings
from harness.reports.extras import Extras
from harness.reports.words import finite, listed
from harness.runner.values import RunInfo, SuiteInfo, VariantInfo
from harness.variants import VariantRole

SCHEMA_VERSION: Literal[1] = 1


class _Card(BaseModel):
    """Frozen; a reader of an older version ignores what a newer one adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Gate(_Card):
    """The decision on one suite and candidate. Differences are candidate − baseline, in shares.

    Without a baseline the differences and p values are null. `mde` is the smallest drop that the
    suite can see on its own, `mde_adjusted` after Holm over the `family` of suites; null where it
    can see none. `worse` and `better` name the cases that changed, the largest change first.
    Not in `pairs`: `left_out` ones with an error or a skip, `refused` ones that were not asked the
    same, and cases of one side alone. `warnings` do not decide.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    delta: float | None = None
    delta_ci: tuple[float, float] | None = None
    p: float | None = None
    p_adjusted: float | None = None
    mde: float | None = None
    mde_adjusted: float | None = None
    lower_bound: float | None = None
    method: str = ""
    family: int = 1
    pairs: int = 0
    clusters: int | None = None
    left_out: int = 0
    refused: int = 0
    only_baseline: int = 0
    only_candidate: int = 0
    more_cases: int | None = None
    worse: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def sees(self) -> float | None:
        """The smallest drop that this suite can see as the gate decides: after Holm."""
        return self.mde_adjusted if self.family > 1 else self.mde


class Category(_Card):
    """One suite and one variant. `gate` is null for a baseline, a reference and part of a suite.

    n = passed + failed + errors without repeats; skipped cases are not in n. `pass_rate` and its
    95 % interval `ci` are shares, null where n is 0. `partial` says "7 of 60 cases".
    """

    suite: str
    category: str
    variant: str
    role: VariantRole
    n: int
    passed: int
    failed: int
    errors: int
    skipped: int
    pass_rate: float | None
    ci: tuple[float, float] | None
    gate: Gate | None
    partial: str = ""


class Noise(_Card):
    """One suite answered twice by the same variant. It informs: no verdict uses it.

    `flip_rate` is the share of cases with another outcome the second time, with a 95 % interval;
    `flaky` names them.
    """

    suite: str
    variant: str
    pairs: int
    flip_rate: float
    ci: tuple[float, float] | None
    flaky: tuple[str, ...]
    left_out: int


class Past(_Card):
    """An earlier run's rate."""

    run: str
    started: str
    pass_rate: float
    verdict: Verdict | None


class Trend(_Card):
    """Earlier rates of one suite and variant, oldest first; this run's own is not among them."""

    suite: str
    variant: str
    points: tuple[Past, ...]


class SuiteCard(_Card):
    """A suite as it was run: its bars, and how many of its cases took part."""

    name: str
    category: str
    path: str
    description: str
    gate: GateSettings
    cases: int
    selected: int


class Run(_Card):
    """What was run, when and how. `started` is ISO 8601 in UTC, `seconds` the wall time.

    A comparison of earlier runs is a run that generates nothing: its variants are the sides.
    """

    kind: Literal["run", "comparison"] = "run"
    id: str
    started: str
    seconds: float
    harness_version: str
    backend: str
    baseline: str | None
    finished: bool
    generated: int
    cached: int
    execution: dict[str, str] = Field(default_factory=dict)
    suites: tuple[SuiteCard, ...] = ()


class VariantCard(_Card):
    """A variant, and what the gate says about it over all of its suites.

    `verdict` is null where nothing was decided; `summary` says the verdict in one sentence and
    `blocked_by` names the suites that stand in the way. `signature` is a digest of everything
    that this variant's numbers were made under.
    """

    name: str
    role: VariantRole
    model: str
    adapter: str | None
    weights: str
    adapter_hash: str
    environment: dict[str, str]
    system: str | None
    sampling: dict[str, Any]
    signature: str
    verdict: Verdict | None
    summary: str
    blocked_by: tuple[str, ...] = ()


class Signature(_Card):
    """What all numbers of the card were made under; `digest` covers the variants' as well."""

    digest: str
    harness: str
    backend: str
    scorers: dict[str, int]
    judges: dict[str, str] = Field(default_factory=dict)


class Scorecard(_Card):
    """The contract of `scorecard.json`. `notes` are choices made for the user, with reasons."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run: Run
    variants: tuple[VariantCard, ...]
    categories: tuple[Category, ...]
    verdict: Verdict | None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    noise: tuple[Noise, ...] = ()
    history: tuple[Trend, ...] = ()
    extras: Extras = Extras()
    signature: Signature

    def candidates(self) -> tuple[VariantCard, ...]:
        """The variants that were gated, the worst verdict first."""
        order: list[Verdict | None] = [*Verdict, None]
        found = [card for card in self.variants if card.role is VariantRole.CANDIDATE]
        return tuple(sorted(found, key=lambda card: order.index(card.verdict)))

    def rows(self, *, suite: str = "", variant: str = "") -> tuple[Category, ...]:
        """The rows of one suite, of one variant, or of both."""
        return tuple(
            row
            for row in self.categories
            if (not suite or row.suite == suite) and (not variant or row.variant == variant)
        )

    def past(self, row: Category) -> tuple[float, ...]:
        """The rates of a row's suite and variant in earlier runs, and in this one."""
        for trend in self.history:
            if (trend.suite, trend.variant) == (row.suite, row.variant):
                rates = [point.pass_rate for point in trend.points]
                return (*rates, *([] if row.pass_rate is None else [row.pass_rate]))
        return ()

    def to_json(self) -> str:
        """The text of `scorecard.json`."""
        return self.model_dump_json(indent=2) + "\n"


def build_scorecard(
    info: RunInfo,
    report: GateReport,
    *,
    kind: Literal["run", "comparison"] = "run",
    noise: Iterable[NoiseFloor] = (),
    history: Iterable[Trend] = (),
    extras: Extras | None = None,
) -> Scorecard:
    """The scorecard of a run, from what was run and what the gate said."""
    categories = tuple(_category(row) for row in report.suites)
    variants = tuple(_variant(card, info, categories) for card in info.variants)
    return Scorecard(
        run=_run(info, kind),
        variants=variants,
        categories=categories,
        verdict=report.verdict,
        notes=info.notes,
        warnings=report.warnings,
        noise=tuple(map(_noise, noise)),
        history=_own(history, categories),
        extras=extras or Extras(),
        signature=_signature(info, variants),
    )


def scorecard_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `scorecard.json`."""
    schema = Scorecard.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _run(info: RunInfo, kind: Literal["run", "comparison"]) -> Run:
    return Run(
        kind=kind,
        id=info.id,
        started=info.started,
        seconds=info.seconds,
        harness_version=info.harness_version,
        backend=info.backend,
        baseline=info.baseline,
        finished=info.finished,
        generated=info.generated,
        cached=info.cached,
        execution=dict(info.execution),
        suites=tuple(_suite(suite) for suite in info.suites),
    )


def _own(history: Iterable[Trend], rows: Iterable[Category]) -> tuple[Trend, ...]:
    """The lines of suites and variants that are in this run."""
    present = {(row.suite, row.variant) for row in rows}
    return tuple(trend for trend in history if (trend.suite, trend.variant) in present)


def _noise(floor: NoiseFloor) -> Noise:
    return Noise(
        suite=floor.suite,
        variant=floor.variant,
        pairs=floor.pairs,
        flip_rate=floor.flip_rate,
        ci=_interval(floor.low, floor.high) if floor.pairs else None,
        flaky=floor.flaky,
        left_out=floor.left_out,
    )


def _suite(suite: SuiteInfo) -> SuiteCard:
    return SuiteCard(
        name=suite.name,
        category=suite.category,
        path=suite.path,
        description=suite.description,
        gate=suite.gate,
        cases=suite.cases,
        selected=suite.selected,
    )


def _category(row: SuiteVerdict) -> Category:
    rate = row.rate
    return Category(
        suite=row.suite,
        category=row.category,
        variant=row.variant,
        role=row.role,
        n=rate.n,
        passed=rate.passed,
        failed=rate.failed,
        errors=rate.errors,
        skipped=rate.skipped,
        pass_rate=finite(rate.pass_rate) if rate.n else None,
        ci=_interval(rate.low, rate.high) if rate.n else None,
        gate=_gate(row),
        partial=row.partial,
    )


def _gate(row: SuiteVerdict) -> Gate | None:
    if row.verdict is None:
        return None
    return Gate(
        verdict=row.verdict,
        reasons=row.reasons,
        warnings=row.warnings,
        **_compared(row.comparison),
    )


def _compared(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {}
    numbers = ("delta", "p", "p_adjusted", "mde", "mde_adjusted", "lower_bound")
    counts = ("pairs", "left_out", "refused", "only_baseline", "only_candidate", "more_cases")
    plain = ("method", "family", "clusters", "worse", "better", *counts)
    return {
        "delta_ci": _interval(comparison.low, comparison.high),
        **{name: finite(getattr(comparison, name)) for name in numbers},
        **{name: getattr(comparison, name) for name in plain},
    }


def _interval(low: float, high: float) -> tuple[float, float] | None:
    ends = finite(low), finite(high)
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _variant(card: VariantInfo, info: RunInfo, rows: Iterable[Category]) -> VariantCard:
    mine = [row for row in rows if row.variant == card.name]
    blocking = _blocking(mine)
    return VariantCard(
        name=card.name,
        role=card.role,
        model=card.model,
        adapter=card.adapter,
        weights=card.weights,
        adapter_hash=card.adapter_hash,
        environment=dict(card.environment),
        system=card.system,
        sampling=dict(card.sampling),
        signature=digest(_made_under(card, info), 12),
        verdict=_overall(mine),
        summary=_summary(card, info.baseline, mine),
        blocked_by=tuple(suite for suites in blocking.values() for suite in suites),
    )


def _blocking(rows: Iterable[Category]) -> dict[Verdict, tuple[str, ...]]:
    """The suites that do not pass, by verdict, in the order in which verdicts win."""
    failing = [(row.gate.verdict, row.suite) for row in rows if row.gate]
    by_verdict = {
        verdict: tuple(suite for found, suite in failing if found is verdict)
        for verdict in Verdict
        if verdict is not Verdict.PASS
    }
    return {verdict: suites for verdict, suites in by_verdict.items() if suites}


def _overall(rows: Iterable[Category]) -> Verdict | None:
    """The worst verdict over a candidate's suites; a pass only where all of them were decided."""
    found = [row.gate.verdict if row.gate else None for row in rows]
    decided = {verdict for verdict in found if verdict is not None}
    worst = next((verdict for verdict in Verdict if verdict in decided), None)
    return None if worst is Verdict.PASS and None in found else worst


def _made_under(card: VariantInfo, info: RunInfo) -> dict[str, JsonValue]:
    return {
        "harness": info.harness_version,
        "backend": info.backend,
        "scorers": {name: info.scorers[name] for name in sorted(info.scorers)},
        "weights": card.weights,
        "adapter": card.adapter_hash,
        "environment": {name: card.environment[name] for name in sorted(card.environment)},
        "system": card.system,
        "sampling": dict(card.sampling),
        **({"judges": dict(info.judges)} if info.judges else {}),
    }


def _signature(info: RunInfo, variants: Iterable[VariantCard]) -> Signature:
    return Signature(
        digest=digest([card.signature for card in variants], 12),
        harness=info.harness_version,
        backend=info.backend,
        scorers={name: info.scorers[name] for name in sorted(info.scorers)},
        judges={name: info.judges[name] for name in sorted(info.judges)},
    )


def _summary(card: VariantInfo, baseline: str | None, rows: Iterable[Category]) -> str:
    """The verdict on one variant in one sentence."""
    if card.role is VariantRole.BASELINE:
        return f"{card.name} is the baseline that the others are compared against."
    if card.role is VariantRole.REFERENCE:
        return f"{card.name} is a reference: reported, not gated."
    rows = tuple(rows)
    deploy = f"replace {baseline}" if baseline else "be deployed"
    if _overall(rows) is Verdict.PASS:
        return f"{card.name} may {deploy}: every suite passes."
    blocking = _blocking(rows)
    if not blocking:
        return f"No verdict on {card.name}: {_undecided(rows)}."
    because = "; ".join(f"{_BECAUSE[v]} {listed(suites)}" for v, suites in blocking.items())
    if {Verdict.REGRESSED, Verdict.BELOW_THRESHOLD} & blocking.keys():
        return f"{card.name} must not {deploy}: {because}."
    return f"No decision on {card.name}: {because}."


_BECAUSE = {
    Verdict.ERROR: "errors in",
    Verdict.REGRESSED: "it got worse in",
    Verdict.BELOW_THRESHOLD: "it is below the bar in",
    Verdict.INCONCLUSIVE: "too few cases to tell in",
}


def _undecided(rows: Iterable[Category]) -> str:
    parts = [f"{row.suite} ({row.partial})" for row in rows if row.partial]
    return f"only part was run of {listed(parts)}" if parts else "nothing was gated"
