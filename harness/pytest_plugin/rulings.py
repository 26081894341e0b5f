"""What pytest says of one case or gate, decided from the finished run. Pure functions.

Whole suite selected: verdict pass → failing cases are tolerated (XFAIL); regressed → the cases
that got worse fail; any other verdict → all failing cases fail. Part of a suite: failing cases
fail, the gate is skipped. Baseline and references are never red. Machinery is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.gate import SuiteVerdict, Verdict
from harness.runner import Outcome, Result
from harness.variants import VariantRole

GO_ON = "  machinery, not the model: mend it and run the same command; finished answers are kept"
ANSWER_SHOWN = 300  # characters of an answer in a failure; the scorecard has it whole


class Kind(StrEnum):
    """pytest's own outcomes."""

    PASSED = "passed"
    FAILED = "failed"
    XFAILED = "xfailed"
    SKIPPED = "skipped"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Ruling:
    """One item's outcome; the first line of `text` fits pytest's summary."""

    kind: Kind
    text: str = ""


PASSED = Ruling(Kind.PASSED)


def rule_case(
    results: Sequence[Result], verdict: SuiteVerdict, bar: float | None = None, failure: str = ""
) -> Ruling:
    """The outcome of one case and variant; `results` are its repeats, `bar` the least pass rate.

    `failure` says what ended the run before all was asked, if anything did.
    """
    if not results:  # never a pass: nobody asked
        if verdict.verdict is None:
            return Ruling(Kind.SKIPPED, "not asked")
        if verdict.verdict is Verdict.REGRESSED:
            return Ruling(Kind.SKIPPED, "not asked: the suite had shown its regression")
        return _broken("no result: the run ended before it was asked", failure)
    if broken := [r for r in results if r.outcome is Outcome.ERROR]:
        return _broken(broken[0].reason, "")
    if skipped := [r for r in results if r.outcome is Outcome.SKIPPED]:
        return Ruling(Kind.SKIPPED, skipped[0].reason)
    failing = [r for r in results if r.outcome is Outcome.FAIL]
    if not failing:
        return PASSED
    if tolerated := _tolerated(failing[0], verdict, bar):
        return Ruling(Kind.XFAILED, tolerated)
    return Ruling(Kind.FAILED, describe(failing[0]))


def _broken(what: str, failure: str) -> Ruling:
    """What broke, and how to go on; the run's failure is whole below the summary."""
    cause = [f"  what ended it: {failure.splitlines()[0]}"] if failure else []
    return Ruling(Kind.ERROR, "\n".join([what, *cause, GO_ON]))


def rule_gate(verdict: SuiteVerdict) -> Ruling:
    """The outcome of one suite's gate for one candidate."""
    text = "\n".join((*verdict.reasons, *(f"warning: {w}" for w in verdict.warnings)))
    if verdict.verdict is None:
        partial = f"partial: {verdict.partial}, no verdict"
        return Ruling(Kind.SKIPPED, partial if verdict.partial else text)
    if verdict.verdict is Verdict.PASS:
        return Ruling(Kind.PASSED, text)
    kind = Kind.ERROR if verdict.verdict is Verdict.ERROR else Kind.FAILED
    return Ruling(kind, f"{verdict.verdict}: {text}")


def describe(result: Result) -> str:
    """Why a case failed: the reason, the checks where several did not hold, the answer."""
    failed = [c for c in result.checks if c.passed is not True]
    several = len(result.responses) > 1
    rows = [f"  {f'turn {c.turn + 1}, ' if several else ''}{c.check}: {c.reason}" for c in failed]
    answer = result.responses[failed[0].turn if failed else -1] if result.responses else ""
    shown = answer if len(answer) <= ANSWER_SHOWN else answer[:ANSWER_SHOWN] + " …"
    more = rows if len(rows) > 1 else []
    return "\n".join([result.reason or "failed", *more, f"  answer: {shown!r}"])


def _tolerated(result: Result, verdict: SuiteVerdict, bar: float | None) -> str:
    """Why this failing case does not make the run red; empty where it does."""
    if verdict.role is not VariantRole.CANDIDATE:
        return f"{verdict.role}: {result.reason}"
    if verdict.verdict is Verdict.PASS:
        return f"tolerated: {_standing(verdict, bar)}"
    worse = verdict.comparison.worse if verdict.comparison else ()
    if verdict.verdict is Verdict.REGRESSED and result.case not in worse:
        return f"not worse than {verdict.comparison.baseline}" if verdict.comparison else ""
    return ""


def _standing(verdict: SuiteVerdict, bar: float | None) -> str:
    """`54/60 ≥ 0.90`: how the suite stands against its bar."""
    counted = f"{verdict.rate.passed}/{verdict.rate.n}"
    return f"{counted}, no regression" if bar is None else f"{counted} ≥ {bar:.2f}"
