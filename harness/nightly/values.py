"""What a night leaves: findings against each rival, and rates for the trend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from harness.gate import PairwiseComparison
from harness.reports import label
from harness.results import NOT_NOTED, Basis, Verdict


class Rival(StrEnum):
    """What a variant is compared with."""

    BASELINE = "baseline"
    BARS = "its bars"  # where there is no baseline
    LAST_NIGHT = "last night"
    PINNED = "pinned"


@dataclass(frozen=True, slots=True)
class NightFinding:
    """One variant in one suite against one rival.

    `verdict` is None where nothing could be compared; `delta` and the lower end
    `low` of its interval are None as well. `worse` names
    cases that got worse, `better` counts those that got better. `command` shows the cases.
    """

    rival: Rival
    suite: str
    variant: str
    verdict: Verdict | None
    delta: float | None = None
    low: float | None = None
    reasons: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    better: int = 0
    command: str = ""

    @property
    def word(self) -> str:
        """Say the verdict in a table. Beside another night only the change counts.

        A suite that fails its bars again tonight may well have stayed as it was.
        """
        if self.verdict is None:
            return "not compared"
        if self.tone == "better":
            return "▲ got better"
        return label(self.verdict) if self.tone else "· no clear change"

    @property
    def tone(self) -> str:
        """Say how it is coloured: a verdict, "better", or nothing where none was given."""
        if self.verdict is None:
            return ""
        if self.verdict is not Verdict.PASS or self.rival in (Rival.BASELINE, Rival.BARS):
            return self.verdict.value
        return "better" if self.low is not None and self.low > 0 else ""


@dataclass(frozen=True, slots=True)
class NightRate:
    """One variant in one suite. `signature` is that of everything its figures were made under.

    `basis` has its parts, empty in nights of earlier versions; `bar` is what the suite demands.
    """

    suite: str
    category: str
    variant: str
    n: int
    passed: int
    pass_rate: float
    low: float
    high: float
    run: str
    signature: str
    basis: Basis = NOT_NOTED
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Night:
    """One night of a series: its runs by group, and, once it is finished, what it found.

    `pairwise` holds the candidates compared with each other; it informs, nothing is told by it.
    `plan` is a digest of who takes part: a night that was cut off is resumed by the same plan only.
    """

    id: str
    series: str
    started: str
    plan: str
    runs: Mapping[str, str] = field(default_factory=dict)
    finished: bool = False
    rates: tuple[NightRate, ...] = ()
    findings: tuple[NightFinding, ...] = ()
    failures: tuple[str, ...] = ()
    pairwise: tuple[PairwiseComparison, ...] = ()

    def with_run(self, group: str, run_id: str) -> Night:
        """Return the night with one more run."""
        return replace(self, runs={**self.runs, group: run_id})

    def rate(self, suite: str, variant: str) -> NightRate | None:
        """Return the rate of one variant in one suite, if it has one."""
        rows = (row for row in self.rates if (row.suite, row.variant) == (suite, variant))
        return next(rows, None)

    @property
    def gains(self) -> tuple[NightFinding, ...]:
        """What is better than in the night before, or than in the pinned baseline."""
        return tuple(finding for finding in self.findings if finding.tone == "better")

    def finding(self, rival: Rival, suite: str, variant: str) -> NightFinding | None:
        """Return what one comparison found, if it was made."""
        wanted = (rival, suite, variant)
        return next((f for f in self.findings if (f.rival, f.suite, f.variant) == wanted), None)


def night_to_json(night: Night) -> dict[str, Any]:
    """Return all fields by name."""
    findings = [
        {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(finding).items()
        }
        for finding in night.findings
    ]
    return {
        **asdict(night),
        "rates": [asdict(rate) for rate in night.rates],
        "findings": findings,
        "failures": list(night.failures),
        "pairwise": [asdict(row) for row in night.pairwise],
    }


def night_from_json(row: Mapping[str, Any]) -> Night:
    """Return the night that `night_to_json` made; what a newer harness added is passed over."""
    findings = [
        NightFinding(
            **{
                **_known(NightFinding, found),
                "rival": Rival(found["rival"]),
                "verdict": None if found["verdict"] is None else Verdict(found["verdict"]),
                "reasons": tuple(found["reasons"]),
                "worse": tuple(found["worse"]),
            }
        )
        for found in row["findings"]
    ]
    pairwise = [
        PairwiseComparison(**_known(PairwiseComparison, pair)) for pair in row.get("pairwise", ())
    ]
    return Night(
        **{
            **_known(Night, row),
            "rates": tuple(
                NightRate(
                    **{
                        **_known(NightRate, rate),
                        "basis": Basis(**_known(Basis, rate.get("basis", {}))),
                    }
                )
                for rate in row["rates"]
            ),
            "findings": tuple(findings),
            "failures": tuple(row["failures"]),
            "pairwise": tuple(pairwise),
        }
    )


def _known(kind: type[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: row[field.name] for field in fields(kind) if field.name in row}
