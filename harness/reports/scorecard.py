"""A run's summary: per suite and variant, rates, intervals and verdicts.

The values here are the contract of `scorecard.json`; every other report is a view of them.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.common import GateSettings, JsonValue, VariantRole
from harness.gate import Verdict
from harness.gate.sequential import METHOD as MAY_STOP_EARLY
from harness.reports.sections.collect import Extras
from harness.reports.words import plural

SCHEMA_VERSION: Literal[1] = 1
BLIND = "too few cases to see a drop of any size: a pass says nothing about a loss there"


class _Card(BaseModel):
    """Frozen; a reader of an older version ignores what a newer one adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Gate(_Card):
    """The decision on one suite and candidate. Differences are candidate − baseline, in shares.

    Without a baseline the differences and p values are null. `mde` is the smallest drop that the
    suite can see on its own, `mde_adjusted` after Holm over the `family` of suites; null where it
    can see none. `worse` and `better` name the cases that changed, the largest change first.
    Not in `pairs`: `left_out` ones with an error or a skip, `refused` ones that were not asked the
    same, and cases of one side alone. So many of the `reasons` as `against` says, from the first,
    stand in the way; `warnings` do not decide.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    against: int = 0
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
    95 % interval `ci` are shares, null where n is 0. `partial` says "7 of 60 cases"; `uncompared`
    that the baseline has no result in this suite, so that the bars alone decided.
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
    uncompared: bool = False


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
    """A suite as it was run: its bars, its sampling, and how many of its cases took part.

    `sampling` is that of the suite before a variant's overrides, with the repeats of a case; a
    setting that cases share not is null.
    """

    name: str
    category: str
    path: str
    description: str
    gate: GateSettings
    cases: int
    selected: int
    sampling: dict[str, Any] = Field(default_factory=dict)


class Run(_Card):
    """What was run, when and how. `started` is ISO 8601 in UTC, `seconds` the wall time.

    A comparison of earlier runs is a run that generates nothing: its variants are the sides.
    `source` says where a baseline that did not answer in this run comes from, `options` how the
    command line names this run's model and variants.
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

    @property
    def answers(self) -> str:
        """Where the answers come from: "42 answers generated, 18 from the store"."""
        made = "read" if self.backend == "replay" else "generated"
        return f"{plural(self.generated, 'answer')} {made}, {self.cached:,} from the store"


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
    chat_template: str | None = None
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

    def warnings_of(self, row: Category) -> tuple[str, ...]:
        """The gate's warnings about a row, and whether its pass could have been no other."""
        if row.gate is None:
            return ()
        return (*row.gate.warnings, *([BLIND] if self._blind(row, row.gate) else []))

    def _blind(self, row: Category, gate: Gate) -> bool:
        """A pass by `non_inferiority` is shown, and a test that may stop early has no figure."""
        passed = any(c.name == row.variant and c.verdict is Verdict.PASS for c in self.variants)
        shown = [s.name for s in self.run.suites if s.gate.policy == "non_inferiority"]
        unseeing = gate.delta is not None and gate.sees is None and gate.method != MAY_STOP_EARLY
        return passed and unseeing and row.suite not in shown

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


def scorecard_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `scorecard.json`."""
    schema = Scorecard.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def dumps(value: JsonValue) -> str:
    """Compact JSON, readable in any language; escaped only where UTF-8 cannot hold it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as a cut-off byte-level token leaves it
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text


def embedded(value: JsonValue) -> str:
    """JSON for a script element: no `<`, so that no text can end the element or open a comment."""
    return dumps(value).replace("<", "\\u003c")
