"""The published form of a scorecard: the contract of `scorecard.json`, written and read here alone.

The classes declare the JSON and its schema. They are filled by name from the values that the run,
the gate and the reports share, and give those values back when a file is read.
"""

from __future__ import annotations

import json
import math
from types import GenericAlias
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, create_model
from pydantic_core import PydanticSerializationError

from harness.common import GateSettings, JsonValue, Prices, VariantRole
from harness.reports.scorecard import Scorecard
from harness.reports.sections import SECTIONS, Frozen
from harness.results import (
    JudgeStanding,
    Measure,
    RunInfo,
    SuiteInfo,
    SuiteResult,
    Trend,
    VariantInfo,
    Verdict,
)

SCHEMA_VERSION: Literal[1] = 1
# Always among the extras, in this order; those of later sections only where they have rows.
_FIRST_EXTRAS = ("ifeval", "json_levels", "role", "stability", "second_opinion")
_FIGURES: dict[str, Any] = {
    kind.name: (GenericAlias(tuple, (kind.figures, ...)), ()) for kind in SECTIONS if kind.figures
}
_ORDER = (*_FIRST_EXTRAS, *(name for name in _FIGURES if name not in _FIRST_EXTRAS))
T = TypeVar("T")


def _finite(value: Any) -> Any:
    """Return None for what JSON does not have: NaN, infinities, and intervals with such an end."""
    ends = value if isinstance(value, tuple) else (value,)
    return None if any(isinstance(n, float) and not math.isfinite(n) for n in ends) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
Interval = Annotated[tuple[float, float] | None, BeforeValidator(_finite)]


class Gate(Frozen):
    """The decision on one suite and candidate. Differences are candidate − baseline, in shares.

    Over the `pairs` the baseline has the mean `before` and the candidate `after`. `enough` cases
    like these would find a drop of five points four times in five. `baseline_below`: the baseline
    is below the bar as well. Without a
    baseline the differences and p values are null. `mde` is the smallest drop that the
    suite can see on its own, `mde_adjusted` after Holm over the `family` of suites; null where it
    can see none. `worse` and `better` name the cases that changed, the largest change first.
    Not in `pairs`: `left_out` ones with an error or a skip, `refused` ones that were not asked the
    same, and cases of one side alone. So many of the `reasons` as `against` says, from the first,
    stand in the way; `warnings` do not decide.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    against: int = 0
    before: Number = None
    after: Number = None
    delta: Number = None
    delta_ci: Interval = None
    p: Number = None
    p_adjusted: Number = None
    mde: Number = None
    mde_adjusted: Number = None
    lower_bound: Number = None
    method: str = ""
    family: int = 1
    pairs: int = 0
    clusters: int | None = None
    left_out: int = 0
    refused: int = 0
    only_baseline: int = 0
    only_candidate: int = 0
    more_cases: int | None = None
    enough: int = 0
    baseline_below: bool = False
    worse: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class TriesCard(Frozen):
    """pass@k or pass^k over the `n` cases with `k` judged tries, and its 95 % interval.

    `undefined` counts the cases with fewer; `estimate` and `ci` are null where no case has so many,
    and `reason` says so.
    """

    k: int
    estimate: Number
    ci: Interval
    n: int
    undefined: int
    reason: str = ""


class PairCard(Frozen):
    """What the judge said of one pair: `value` is 1 where the candidate's answer was preferred.

    −1 where the baseline's was, 0 for a tie, as where the orders disagree (`flipped`). In `why` the
    candidate's answer is A.
    """

    case: str
    repeat: int
    value: int | None
    flipped: bool
    why: str


class PreferenceCard(Frozen):
    """A candidate's answers against the baseline's, as a judge preferred them in both orders.

    It is a row of its own in the gate and not in `pass_rate`: `verdict` is its own status, and null
    for part of a suite. `share` is (wins + ties / 2) / n over cases, with its 95 % interval `ci`.
    Pairs whose orders disagree are ties: `flips`, with their share `flip_rate` of the pairs that
    were asked; of flips that named one place both times, `first_slot_share` named the first. `p` is
    one-sided for losses, `p_adjusted` after Holm over the `family`. `failed` names the cases that
    could not be judged: they are in no figure. `examples` are some pairs with the judge's reasons.
    """

    verdict: Verdict | None
    reasons: tuple[str, ...]
    baseline: str
    pairs: int
    cases: int
    clusters: int | None
    wins: int
    ties: int
    losses: int
    identical: int
    share: Number
    ci: Interval
    flips: int
    flip_rate: Number
    first_slot_share: Number
    p: Number
    p_adjusted: Number
    family: int
    method: str
    errors: int
    left_out: int
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    flipped: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    examples: tuple[PairCard, ...] = ()


class SliceCard(Frozen):
    """The cases of a suite that have one tag. Without a baseline there is a rate and no change.

    Over its `pairs` the baseline has the mean `before` and the variant `after`, from 0 to 1;
    `delta` has the 95 % interval `delta_ci`; `losses` and `gains` count the cases that changed.
    `sees` is the smallest drop that so few pairs show, null where they show none. `gathers` is the
    chance that so many of the suite's losses, or more, fall into this slice by chance, after Holm
    over its tags; null where that was not asked. An exploratory slice decides nothing. A `declared`
    one is tested with the suites: `p_adjusted` is after Holm over the `family`, and `verdict`
    counts.
    """

    tag: str
    declared: bool
    n: int
    passed: int
    errors: int
    pass_rate: Number
    pairs: int = 0
    before: Number = None
    after: Number = None
    delta: Number = None
    delta_ci: Interval = None
    losses: int = 0
    gains: int = 0
    sees: Number = None
    gathers: Number = None
    p: Number = None
    p_adjusted: Number = None
    family: int = 0
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()


class GrowthCard(Frozen):
    """How a measure changed from the baseline: mean `after` / mean `before` − 1, in the same cases.

    `ci` is a 95 % interval and `lower_bound` a one-sided 95 % bound by Fieller's method over
    `clusters` independent units; a suite that allows no more than `bar` is below_threshold where
    the bound is above it. Figures are null where nobody can tell, and `reason` says why.
    """

    baseline: str
    pairs: int
    clusters: int
    before: Number
    after: Number
    growth: Number
    ci: Interval
    lower_bound: Number
    bar: Number
    reason: str


class BehaviourCard(Frozen):
    """What answers take: a mean over the `n` cases that have it; null with a `reason` for none.

    Tokens are all that were generated, reasoning included. Seconds are those in which an answer was
    worked on, without waiting in a queue; of a server, from the request to the reply. The cost is
    that of a thousand cases, in `unit`.
    """

    measure: Measure
    unit: str
    n: int
    mean: Number
    reason: str = ""
    growth: GrowthCard | None = None


class Category(Frozen):
    """One suite and one variant. `gate` is null for a baseline, a reference and part of a suite.

    n = passed + failed + errors without repeats; skipped cases are not in n. `pass_rate` and its
    95 % interval `ci` are shares, null where n is 0. `partial` says "7 of 60 cases"; `uncompared`
    that the baseline has no result in this suite, so that the bars alone decided. With repeats,
    `pass_at_k` (at least one of k tries passes) and `pass_hat_k` (all do) are unbiased estimates,
    averaged over cases; `pass_rate` stays the mean. `slices` are the cases by tag, of many tags
    the most frequent; `tags` counts them all. `behaviour` is how long and how fast answers are.
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
    pass_rate: Number
    ci: Interval
    gate: Gate | None
    partial: str = ""
    uncompared: bool = False
    pass_at_k: tuple[TriesCard, ...] = ()
    pass_hat_k: tuple[TriesCard, ...] = ()
    prefer: PreferenceCard | None = None
    slices: tuple[SliceCard, ...] = ()
    tags: int = 0
    behaviour: tuple[BehaviourCard, ...] = ()


class Noise(Frozen):
    """One suite answered twice by the same variant. It informs: no verdict uses it.

    `flip_rate` is the share of cases with another outcome the second time, with a 95 % interval;
    `flaky` names them.
    """

    suite: str
    variant: str
    pairs: int
    flip_rate: float
    ci: Interval
    flaky: tuple[str, ...]
    left_out: int


class SuiteCard(Frozen):
    """A suite as it was run: its bars, its sampling, and how many of its cases took part.

    `sampling` is that of the suite before a variant's overrides, with the repeats of a case; a
    setting that cases share not is null. `prefer` is the rubric by which answers are compared.
    `judged` says of each judge how far it agrees with people (Cohen's kappa with its 95 %
    interval), from the calibration `file`; where something `differs` the figures are those of the
    nearest calibration, and not about this judge.
    """

    name: str
    category: str
    path: str
    description: str
    gate: GateSettings
    cases: int
    selected: int
    sampling: dict[str, Any] = Field(default_factory=dict)
    prefer: str = ""
    judged: tuple[JudgeStanding, ...] = ()


class Run(Frozen):
    """What was run, when and how. `started` is ISO 8601 in UTC, `seconds` the wall time.

    A comparison of earlier runs is a run that generates nothing: its variants are the sides.
    `source` says where a baseline that did not answer in this run comes from, `options` how the
    command line names this run's model and variants. `tokens` were generated in it.
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
    source: str = ""
    options: tuple[str, ...] = ()
    tokens: int = 0


class VariantCard(Frozen):
    """A variant, and what the gate says about it over all of its suites.

    `verdict` is null where nothing was decided; `summary` says the verdict in one sentence and
    `blocked_by` names the suites that stand in the way. `sight` says of a pass that its suites see
    large losses only. `chat_template_args` are the variant's own arguments of its chat template,
    `chat_template_defaults` those of the run; `system_role` is where its system prompt stands, if
    it says so itself. `signature` is a
    digest of everything that this variant's numbers were made under.
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
    chat_template: str | None = None
    chat_template_args: dict[str, Any] = Field(default_factory=dict)
    prices: Prices | None = None
    chat_template_defaults: dict[str, Any] = Field(default_factory=dict)
    system_role: str | None = None
    signature: str
    verdict: Verdict | None
    summary: str
    blocked_by: tuple[str, ...] = ()
    sight: str = ""


class RunSignature(Frozen):
    """What all numbers of the card were made under; `digest` covers the variants' as well."""

    digest: str
    harness: str
    backend: str
    scorers: dict[str, int]
    judges: dict[str, str] = Field(default_factory=dict)


Extras = create_model(
    "Extras",
    __base__=Frozen,
    __doc__="Rows by suite and variant; none where the run did not use such checks or repeats.",
    **{name: _FIGURES[name] for name in _ORDER},
)


class ScorecardDocument(Frozen):
    """The contract of `scorecard.json`. `notes` are choices made for the user, with reasons."""

    model_config = ConfigDict(title="Scorecard")

    schema_version: Literal[1] = SCHEMA_VERSION
    run: Run
    variants: tuple[VariantCard, ...]
    categories: tuple[Category, ...]
    verdict: Verdict | None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    noise: tuple[Noise, ...] = ()
    history: tuple[Trend, ...] = ()
    extras: Extras = Extras()  # type: ignore[valid-type]  # made from the list of sections
    signature: RunSignature

    @property
    def info(self) -> RunInfo:
        """The record of the run, as far as the scorecard has it."""
        return _filled(
            RunInfo,
            self.run,
            self,
            self.signature,
            suites=tuple(_filled(SuiteInfo, suite) for suite in self.run.suites),
            variants=tuple(_filled(VariantInfo, variant) for variant in self.variants),
        )

    def to_json(self) -> str:
        """Return the text of `scorecard.json`."""
        try:
            return self.model_dump_json(indent=2, exclude=self._empty()) + "\n"
        except PydanticSerializationError:  # half a surrogate pair, which UTF-8 cannot hold
            return json.dumps(self.to_value(), indent=2, allow_nan=False) + "\n"

    def to_value(self) -> JsonValue:
        """Return what `scorecard.json` holds, for a page that has it inside."""
        found: JsonValue = self.model_dump(mode="json", exclude=self._empty())
        return found

    def _empty(self) -> dict[str, set[str]]:
        rows: dict[str, Any] = dict(self.extras)
        return {"extras": {name for name in rows if not rows[name] and name not in _FIRST_EXTRAS}}


def publish(scorecard: Scorecard) -> ScorecardDocument:
    """Return the published form of a scorecard."""
    run, gate = scorecard.run, scorecard.gate
    return ScorecardDocument(
        run=_filled(
            Run,
            run,
            kind=scorecard.kind,
            suites=tuple(_filled(SuiteCard, suite) for suite in run.suites),
        ),
        variants=tuple(_filled(VariantCard, each.info, each) for each in scorecard.variants),
        categories=tuple(_category(row) for row in gate.suites),
        verdict=gate.verdict,
        notes=run.notes,
        warnings=gate.warnings,
        noise=tuple(_filled(Noise, floor) for floor in scorecard.noise),
        history=scorecard.history,
        extras=Extras(**scorecard.extras),
        signature=_filled(
            RunSignature,
            run,
            digest=scorecard.signature,
            harness=run.harness_version,
            scorers=dict(sorted(run.scorers.items())),
            judges=dict(sorted(run.judges.items())),
        ),
    )


def _category(row: SuiteResult) -> Category:
    """Return one suite's result for one variant; what was not decided has no `gate`."""
    rate, seen = row.rate, row.comparison
    gate = None
    if row.verdict is not None:
        gate = _filled(Gate, row)
        if seen:
            gate = _filled(Gate, row, seen, seen.shift, delta_ci=seen.ci)
    return _filled(
        Category,
        row,
        rate,
        pass_rate=rate.known,
        gate=gate,
        pass_at_k=tuple(_filled(TriesCard, each) for each in row.pass_at_k),
        pass_hat_k=tuple(_filled(TriesCard, each) for each in row.pass_hat_k),
        prefer=_filled(
            PreferenceCard,
            row.preference,
            examples=tuple(_filled(PairCard, each) for each in row.preference.examples),
        )
        if row.preference
        else None,
        slices=tuple(
            _filled(
                SliceCard,
                each,
                each.comparison,
                each.shift,
                each.rate,
                pass_rate=each.rate.known,
                delta_ci=each.ci,
                losses=len(each.worse),
                gains=len(each.better),
            )
            for each in row.slices
        ),
        behaviour=tuple(
            _filled(
                BehaviourCard,
                each,
                growth=_filled(GrowthCard, each.growth) if each.growth else None,
            )
            for each in row.behaviour
        ),
    )


def _filled(kind: type[T], /, *values: object, **more: object) -> T:
    """Make a `kind`: each field is in `more`, or is that of the first value with such a name."""
    names = getattr(kind, "model_fields", None) or kind.__dataclass_fields__  # type: ignore[attr-defined]  # one of both
    for name in names:
        for value in values:
            if name not in more and hasattr(value, name):
                more[name] = getattr(value, name)
    return kind(**more)


def scorecard_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `scorecard.json`."""
    schema = ScorecardDocument.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dumps(value: JsonValue) -> str:
    """Return compact JSON, readable in any language; escaped only where UTF-8 cannot hold it."""
    text = _COMPACT.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as a cut-off byte-level token leaves it
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text


def embedded(value: JsonValue) -> str:
    """Return JSON for a script element: without `<` no text can end it or open a comment."""
    return dumps(value).replace("<", "\\u003c")
