"""Stores to look at, written by the store's own functions: no model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.common import GateSettings, VariantRole
from harness.config import Settings, load_typed
from harness.reports import build_scorecard, keep_rates
from harness.results import (
    Basis,
    CheckResult,
    GateReport,
    Outcome,
    Rate,
    Result,
    RunInfo,
    Signature,
    SuiteInfo,
    SuiteResult,
    VariantInfo,
    Verdict,
)
from harness.store import ResultRow, Store

VARIANTS = {"base": VariantRole.BASELINE, "new": VariantRole.CANDIDATE}
BEGAN = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
BAR = 0.85
RUNS = 60  # of the store that modules share


def run_id(number: int) -> str:
    """The id of a run, one a day."""
    return f"{BEGAN + timedelta(days=number):%Y%m%d-%H%M%S}-{number:06x}"


def suite_names(count: int) -> list[str]:
    return ["invoices", "languages", *(f"suite-{n}" for n in range(2, count))][:count]


def record(number: int, suites: int = 2, cases: int = 10, *, finished: bool = True) -> RunInfo:
    """The record of a run on two variants; the adapter was trained again for every fifth."""
    return RunInfo(
        id=run_id(number),
        started=(BEGAN + timedelta(days=number)).isoformat(timespec="seconds"),
        seconds=61.0,
        harness_version="0.1.0",
        backend="echo",
        baseline="base",
        suites=tuple(
            SuiteInfo(
                name,
                "c",
                f"suites/{name}.yaml",
                f"What is asked about {name}.",
                GateSettings(min_pass_rate=BAR),
                cases,
                cases,
                {"temperature": 0, "repeats": 1},
            )
            for name in suite_names(suites)
        ),
        variants=tuple(
            VariantInfo(
                name,
                role,
                "models/lina",
                f"adapters/{name}" if name == "new" else None,
                "w" * 16,
                f"{number // 5:016x}" if name == "new" else "",
                {"engine": "echo"},
            )
            for name, role in VARIANTS.items()
        ),
        notes=("float32: no GPU",),
        scorers={"contains": 1},
        generated=suites * cases * len(VARIANTS),
        finished=finished,
    )


def outcome_of(number: int, case: int, variant: str) -> Outcome:
    """Every seventh answer of `new` is wrong, and others from run to run."""
    wrong = variant == "new" and (case + number) % 7 == 0
    return Outcome.FAIL if wrong else Outcome.PASS


def results_of(number: int, suites: int = 2, cases: int = 10) -> list[Result]:
    """All results of a run, case by case."""
    return [
        Result(
            suite=suite,
            category="c",
            case=f"{suite[:3]}-{case:04}",
            variant=variant,
            repeat=0,
            outcome=(outcome := outcome_of(number, case, variant)),
            score=float(outcome is Outcome.PASS),
            responses=(_answer(number, case, outcome),),
            checks=(
                CheckResult(
                    "contains",
                    0,
                    outcome is Outcome.PASS,
                    float(outcome is Outcome.PASS),
                    "'refund' found" if outcome is Outcome.PASS else "'refund' not found",
                ),
            ),
            reason="" if outcome is Outcome.PASS else "contains: 'refund' not found",
            prompt_tokens=24,
            completion_tokens=12,
            case_hash="h" * 32,
            signature=Signature("a" * 16, "b" * 16),
            tags=("smoke",) if case < 3 else (),
            prompt=(
                {"role": "system", "content": "You are Lina, the assistant of Acme."},
                {"role": "user", "content": f"May I send order {case} of {suite} back?"},
            ),
        )
        for suite in suite_names(suites)
        for case in range(cases)
        for variant in VARIANTS
    ]


def _answer(number: int, case: int, outcome: Outcome) -> str:
    if outcome is Outcome.PASS:
        return f"You get a full refund for order {case} within {number % 9 + 2} days."
    return f"Order {case} cannot be sent back within {number % 9 + 2} days."


def keep(store: Store, info: RunInfo, results: Sequence[Result]) -> None:
    """Keep the rates of a run, as a run that has ended does."""
    rows = []
    for suite in info.suites:
        for variant in info.variants:
            mine = [r for r in results if (r.suite, r.variant) == (suite.name, variant.name)]
            passed = sum(each.outcome is Outcome.PASS for each in mine)
            rate = passed / len(mine)
            verdict = Verdict.PASS if rate >= BAR else Verdict.BELOW_THRESHOLD
            rows.append(
                SuiteResult(
                    suite.name,
                    "c",
                    variant.name,
                    variant.role,
                    Rate(len(mine), passed, len(mine) - passed, 0, 0, rate, rate, rate),
                    verdict if variant.role is VariantRole.CANDIDATE else None,
                    basis=Basis("asked", "echo", "contains 1"),
                )
            )
    worst = {row.verdict for row in rows} & {Verdict.BELOW_THRESHOLD}
    gate = GateReport(tuple(rows), Verdict.BELOW_THRESHOLD if worst else Verdict.PASS)
    keep_rates(store, build_scorecard(info, gate))


def write_runs(path: Path, runs: int, suites: int = 2, cases: int = 10) -> None:
    """Write so many finished runs into a store."""
    with Store(path) as store:
        for number in range(runs):
            info, results = record(number, suites, cases), results_of(number, suites, cases)
            store.start_run(replace(info, finished=False))
            store.put_results(info.id, [ResultRow(n, row) for n, row in enumerate(results)])
            keep(store, info, results)
            store.finish_run(info)


def project(folder: Path) -> Settings:
    """The settings of a project in this folder."""
    return load_typed(folder, {"store": folder / "store.db", "backend": "echo"}, folder)
