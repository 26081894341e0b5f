"""Results made by hand for the gate's tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.common import GateSettings, VariantRole
from harness.gate import decide
from harness.results import GateReport, Outcome, Result, SuiteInfo, SuiteResult, signature_from_json

OUTCOMES = {"P": Outcome.PASS, "F": Outcome.FAIL, "E": Outcome.ERROR, "S": Outcome.SKIPPED}
ROLES = {"base": VariantRole.BASELINE, "new": VariantRole.CANDIDATE}


def result(
    case: str,
    variant: str = "new",
    outcome: str = "P",
    *,
    suite: str = "s",
    repeat: int = 0,
    score: float | None = None,
    cluster: str | None = None,
    required: bool = False,
    case_hash: str = "h",
    environment: str = "e",
    tags: tuple[str, ...] = (),
    reason: str = "",
) -> Result:
    """One result; `outcome` is one of P, F, E, S."""
    return Result(
        suite=suite,
        category="format",
        case=case,
        variant=variant,
        repeat=repeat,
        outcome=OUTCOMES[outcome],
        score=float(outcome == "P") if score is None else score,
        responses=("text",),
        cluster=cluster,
        required=required,
        case_hash=case_hash,
        signature=signature_from_json(environment),
        tags=tags,
        reason=reason,
    )


def rows(outcomes: str | Sequence[str], variant: str = "new", suite: str = "s") -> Iterator[Result]:
    """Cases c000, c001, ...: one letter per case, or one string per case with its repeats."""
    for number, letters in enumerate(outcomes):
        for repeat, letter in enumerate(letters):
            yield result(f"c{number:03d}", variant, letter, suite=suite, repeat=repeat)


def table(
    worse: int, better: int, n: int, suite: str = "s", both_fail: int = 0
) -> Iterator[Result]:
    """A paired table: `worse` only the baseline passes, `better` only the candidate passes."""
    same = n - worse - better - both_fail
    yield from rows("P" * worse + "F" * better + "P" * same + "F" * both_fail, "base", suite)
    yield from rows("F" * worse + "P" * better + "P" * same + "F" * both_fail, "new", suite)


def demand(
    cases: int, settings: GateSettings | None = None, suite: str = "s", selected: int | None = None
) -> SuiteInfo:
    """A demand on a suite that is selected whole."""
    chosen = cases if selected is None else selected
    return SuiteInfo(suite, "format", "", "", settings or GateSettings(), cases, chosen)


def verdict_of(report: GateReport, suite: str = "s", variant: str = "new") -> SuiteResult:
    """The one row of the report on this suite and variant."""
    (row,) = (r for r in report.suites if (r.suite, r.variant) == (suite, variant))
    return row


def judged(
    results: Iterator[Result], settings: GateSettings | None = None, *, n: int, insist: bool = False
) -> SuiteResult:
    """The verdict on variant `new` against `base` in the only suite `s`."""
    report = decide(results, [demand(n, settings)], ROLES, "base", insist=insist)
    return verdict_of(report)


def alone(
    results: Iterator[Result], settings: GateSettings | None = None, *, n: int
) -> SuiteResult:
    """The verdict on variant `new` without a baseline, in the only suite `s`."""
    return verdict_of(decide(results, [demand(n, settings)], {"new": VariantRole.CANDIDATE}, None))
