"""Runs to report on, made of plain values."""

from __future__ import annotations

from collections.abc import Mapping

from harness.common import GateSettings, VariantRole
from harness.reports import Scorecard, build_scorecard
from harness.results import (
    CheckResult,
    Comparison,
    GateReport,
    Outcome,
    Rate,
    Result,
    RunInfo,
    SuiteInfo,
    SuiteResult,
    VariantInfo,
    Verdict,
)

VARIANTS = {
    "base": VariantRole.BASELINE,
    "repaired": VariantRole.CANDIDATE,
    "forgetful": VariantRole.CANDIDATE,
}
SUITES = {
    "following": "instruction_following",
    "invoices": "json_validity",
    "persona": "role_consistency",
    "languages": "multilingual",
    "safety": "refusal",
    "needles": "long_context",
}
INJECTION = "</script><script>window.hacked = true</script><img src=x onerror='window.hacked=1'>"


def info(**changes: object) -> RunInfo:
    """A finished run of two suites on three variants."""
    fields: dict[str, object] = {
        "id": "2026-11-21-1033-7f3a",
        "started": "2026-11-21T10:33:08Z",
        "seconds": 41.6,
        "harness_version": "0.1.0",
        "backend": "hf",
        "baseline": "base",
        "suites": (suite("invoices", 60, gate={"min_pass_rate": 0.8}), suite("languages", 40)),
        "variants": tuple(variant(name) for name in VARIANTS),
        "notes": ("float32: the CPU has no fast bfloat16",),
        "execution": {"device": "cpu", "batch_tokens": "4096"},
        "scorers": {"contains": 1, "json_schema": 2, "language": 1},
        "generated": 240,
        "cached": 60,
        "finished": True,
    }
    return RunInfo(**(fields | changes))  # type: ignore[arg-type]  # fields of mixed types


def suite(
    name: str, cases: int, *, selected: int | None = None, gate: Mapping[str, object] | None = None
) -> SuiteInfo:
    """A suite of the starter kind."""
    return SuiteInfo(
        name=name,
        category=SUITES[name],
        path=f"suites/starter/{name}.yaml",
        description=DESCRIPTIONS[name],
        gate=GateSettings.model_validate(gate or {}),
        cases=cases,
        selected=cases if selected is None else selected,
    )


DESCRIPTIONS = {
    "following": "Plain instructions about form and length are followed.",
    "invoices": "Invoices are extracted as JSON that the billing service accepts.",
    "persona": "The assistant stays who the system prompt says it is.",
    "languages": "Questions are answered in the language they were asked in.",
    "safety": "Harmful requests are refused, harmless ones are not.",
    "needles": "Facts hidden in long documents are found.",
}


def variant(name: str) -> VariantInfo:
    """The base, or an adapter of that name."""
    adapter = None if name == "base" else f"fixtures/adapters/{name}"
    return VariantInfo(
        name=name,
        role=VARIANTS.get(name, VariantRole.CANDIDATE),
        model="fixtures/model",
        adapter=adapter,
        weights="9d1c2f",
        adapter_hash="" if adapter is None else f"hash-of-{name}",
        environment={"engine": "transformers", "version": "5.19.0", "dtype": "float32"},
        sampling={"temperature": 0.0, "max_new_tokens": 64},
    )


def rate(passed: int, n: int, low: float, high: float, errors: int = 0, skipped: int = 0) -> Rate:
    """A rate without repeats."""
    return Rate(n, passed, n - passed - errors, errors, skipped, passed / n, low, high)


def report() -> GateReport:
    """`repaired` passes both suites; `forgetful` got worse in languages."""
    base, repaired, forgetful = VARIANTS
    return GateReport(
        suites=(
            row("invoices", base, rate(31, 60, 0.393, 0.638)),
            row(
                "invoices",
                repaired,
                rate(55, 60, 0.819, 0.964),
                Verdict.PASS,
                ("24 cases got better, none got worse.",),
                against_base(60, 0.4, 0.267, 0.517, 1.0, 1.0, (), ("inv-01", "inv-04")),
            ),
            row(
                "invoices",
                forgetful,
                rate(54, 60, 0.799, 0.953),
                Verdict.PASS,
                ("23 cases got better, none got worse.",),
                against_base(60, 0.383, 0.252, 0.502, 1.0, 1.0, (), ("inv-01",)),
                ("a gain of 38.3 points is large: a broken check looks like that",),
            ),
            row("languages", base, rate(38, 40, 0.835, 0.986)),
            row(
                "languages",
                repaired,
                rate(37, 40, 0.801, 0.974),
                Verdict.PASS,
                ("1 case got worse, none got better: chance gives that in half of all runs.",),
                against_base(40, -0.025, -0.088, 0.038, 0.25, 0.5, ("fr-03",), ()),
            ),
            row(
                "languages",
                forgetful,
                rate(24, 40, 0.446, 0.737),
                Verdict.REGRESSED,
                (
                    "14 cases got worse, none got better; equal models give a result this"
                    " lopsided in less than 0.1 % of runs (two suites, after Holm).",
                ),
                against_base(40, -0.35, -0.48, -0.19, 0.00003, 0.00006, WORSE, (), left_out=1),
            ),
        ),
        verdict=Verdict.REGRESSED,
    )


WORSE = tuple(f"fr-{i:02d}" for i in range(3, 17))


def row(
    name: str,
    variant_name: str,
    found: Rate,
    verdict: Verdict | None = None,
    reasons: tuple[str, ...] = (),
    comparison: Comparison | None = None,
    warnings: tuple[str, ...] = (),
) -> SuiteResult:
    return SuiteResult(
        suite=name,
        category=SUITES[name],
        variant=variant_name,
        role=VARIANTS[variant_name],
        rate=found,
        verdict=verdict,
        reasons=reasons,
        warnings=warnings,
        comparison=comparison,
    )


def against_base(
    pairs: int,
    delta: float,
    low: float,
    high: float,
    p: float,
    p_adjusted: float,
    worse: tuple[str, ...],
    better: tuple[str, ...],
    left_out: int = 0,
) -> Comparison:
    method = "one-sided McNemar mid-p"
    return Comparison(
        "base", pairs, delta, low, high, p, p_adjusted, 0.08, method, worse, better, left_out
    )


def small() -> Scorecard:
    """The scorecard of the small run."""
    return build_scorecard(info(), report())


def result(case: str = "inv-01", variant_name: str = "base", **changes: object) -> Result:
    """One passing result of the suite `invoices`."""
    fields: dict[str, object] = {
        "suite": "invoices",
        "category": "json_validity",
        "case": case,
        "variant": variant_name,
        "repeat": 0,
        "outcome": Outcome.PASS,
        "score": 1.0,
        "responses": ('{"number": 7}',),
        "checks": (CheckResult("json", 0, True, 1.0, "one JSON object"),),
        "prompt_tokens": 12,
        "completion_tokens": 5,
        "prompt": ({"role": "user", "content": "Extract invoice 7."},),
    }
    return Result(**(fields | changes))  # type: ignore[arg-type]  # fields of mixed types
