"""A suite file as pytest sees it: one item for each case and variant, one gate for each candidate.

suites/starter/invoices.yaml::invoice-01[repaired]
suites/starter/invoices.yaml::gate[repaired]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.common import HarnessError, InputError, Variant, VariantRole, plural, shown
from harness.pytest_plugin.batch import Batch, Key, progress_of
from harness.pytest_plugin.collecting import (
    batch_of,
    load,
    load_for_replay,
    names_something,
    settings,
)
from harness.pytest_plugin.options import refuse, remember
from harness.results import Outcome, Result, SuiteResult, Verdict
from harness.suites import Case, Suite

GO_ON = "  machinery, not the model: fix it and run the same command; finished answers are kept"
ANSWER_SHOWN = 300  # characters of an answer in a failure; the scorecard has it whole


class Kind(StrEnum):
    """pytest's own outcomes."""

    PASSED = "passed"
    FAILED = "failed"
    XFAILED = "xfailed"
    SKIPPED = "skipped"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """One item's outcome; the first line of `text` fits pytest's summary."""

    kind: Kind
    text: str = ""


PASSED = ItemOutcome(Kind.PASSED)


def case_outcome(
    results: Sequence[Result],
    verdict: SuiteResult,
    bar: float | None = None,
    failure: str = "",
    beside: Sequence[Result] = (),
) -> ItemOutcome:
    """Return the outcome of a case and variant from its repeats; `bar` is the least pass rate.

    `failure` says what ended the run before all was asked, if anything did; `beside` are what the
    baseline answered.
    """
    if not results:  # never a pass: nobody asked
        if verdict.verdict is None:
            return ItemOutcome(Kind.SKIPPED, "not asked")
        if verdict.verdict is Verdict.REGRESSED:
            return ItemOutcome(Kind.SKIPPED, "not asked: the suite had shown its regression")
        return _broken("no result: the run ended before it was asked", failure)
    if broken := [r for r in results if r.outcome is Outcome.ERROR]:
        return _broken(broken[0].reason, "")
    if skipped := [r for r in results if r.outcome is Outcome.SKIPPED]:
        return ItemOutcome(Kind.SKIPPED, skipped[0].reason)
    failing = [r for r in results if r.outcome is Outcome.FAIL]
    if not failing:
        return PASSED
    if tolerated := _tolerated(failing[0], verdict, bar):
        return ItemOutcome(Kind.XFAILED, tolerated)
    same = (each for each in beside if each.repeat == failing[0].repeat)
    return ItemOutcome(Kind.FAILED, describe(failing[0], next(same, None)))


def _broken(what: str, failure: str) -> ItemOutcome:
    """Return what broke, and how to go on; the run's failure is whole below the summary."""
    cause = [f"  what ended it: {failure.splitlines()[0]}"] if failure else []
    return ItemOutcome(Kind.ERROR, "\n".join([what, *cause, GO_ON]))


def gate_outcome(verdict: SuiteResult) -> ItemOutcome:
    """Return the outcome of one suite's gate for one candidate."""
    text = "\n".join((*verdict.reasons, *(f"warning: {w}" for w in verdict.warnings)))
    if verdict.verdict is None:
        partial = f"partial: {verdict.partial}, no verdict"
        return ItemOutcome(Kind.SKIPPED, partial if verdict.partial else text)
    if verdict.verdict is Verdict.PASS:
        return ItemOutcome(Kind.PASSED, text)
    kind = Kind.ERROR if verdict.verdict is Verdict.ERROR else Kind.FAILED
    return ItemOutcome(kind, f"{verdict.verdict}: {text}")


def describe(result: Result, baseline: Result | None = None) -> str:
    """Return why a case failed: the reason, the checks where several did not hold, who said what.

    Of several turns it is the first that failed; `baseline` answered the same.
    """
    failed = [c for c in result.checks if c.passed is not True]
    answers = result.said
    several = len(answers) > 1
    rows = [f"  {f'turn {c.turn + 1}, ' if several else ''}{c.title}: {c.reason}" for c in failed]
    turn = failed[0].turn if failed else len(answers) - 1
    users = [str(row["content"]) for row in result.prompt if row["role"] == "user"]
    users = users[-len(answers) :] if answers else users[-1:]  # examples come before
    said = {f"asked, turn {turn + 1}" if several else "asked": users, "answer": answers}
    if baseline is not None:
        said[f"{baseline.variant}'s answer"] = baseline.said
    texts = [
        f"  {who}: {shown(its[turn], ANSWER_SHOWN)}"
        for who, its in said.items()
        if 0 <= turn < len(its)
    ]
    more = rows if len(rows) > 1 else []
    return "\n".join([result.reason or "failed", *more, *texts])


def _tolerated(result: Result, verdict: SuiteResult, bar: float | None) -> str:
    """Return why this failing case does not make the run red; empty where it does."""
    if verdict.role is not VariantRole.CANDIDATE:
        return f"{verdict.role}: {result.reason}"
    if verdict.verdict is Verdict.PASS:
        return f"tolerated: {_standing(verdict, bar)}"
    worse = verdict.comparison.worse if verdict.comparison else ()
    if verdict.verdict is Verdict.REGRESSED and result.case not in worse:
        return f"not worse than {verdict.comparison.baseline}" if verdict.comparison else ""
    return ""


def _standing(verdict: SuiteResult, bar: float | None) -> str:
    """`54/60 ≥ 0.90`, `pass@3 0.95 ≥ 0.90`: how the suite stands against its bar."""
    counted = f"{verdict.rate.passed}/{verdict.rate.n}"
    if verdict.tries and verdict.tries.estimate is not None:
        counted = f"{verdict.on} {verdict.tries.estimate:.2f}"
    return f"{counted}, no regression" if bar is None else f"{counted} ≥ {bar:.2f}"


class CaseFailed(Exception):
    """A case or a gate does not hold; the first line of its text is the reason."""


class Reason(str):
    """A failure's text; its first line stands in the short summary, before pytest 9 too.

    Not in an xdist worker: only plain texts travel between processes.
    """

    @property
    def reprcrash(self) -> SimpleNamespace:
        """Return what pytest's summary and JUnit take the message from."""
        return SimpleNamespace(message=self.partition("\n")[0])


class SuiteFile(pytest.File):
    """One YAML file; wrong input is a collection error in the house form."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield cases in the order of the file, each for all variants; then the gates."""
        try:
            variants = batch_of(self.config).variants
        except InputError as error:
            if not names_something(self.config) and not self._has_model():
                # A bare `pytest` in a project whose model is not chosen yet: its tests still run.
                pytest.skip(f"no suite was run: {error.problems[0].message}")
            if remember(self.config, error):
                return
            raise self.CollectError(str(error)) from None
        try:
            suite = load(self.config, self.path)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for case in suite.cases:
            for variant in variants:
                yield CaseItem.make(self, suite, variant, case)
        for variant in variants:
            if variant.role is VariantRole.CANDIDATE:
                yield GateItem.make(self, suite, variant)

    def _has_model(self) -> bool:
        try:
            return settings(self.config).model is not None
        except InputError:  # a setting is wrong: that is to be said
            return True


class SuiteItem(pytest.Item):
    """What both kinds of items share: the run is started by the first that is set up."""

    def __init__(
        self, *, suite: Suite, variant: Variant, case: Case | None, line: int, **parts: Any
    ) -> None:
        # Given as a text, pytest reads `[variant]` as a parameter, as --lf does in its cache.
        super().__init__(nodeid=f"{parts['parent'].nodeid}::{parts['name']}", **parts)
        self.suite, self.variant, self.case, self.line = suite, variant, case, line

    @property
    def batch(self) -> Batch:
        """Return the run of this pytest session."""
        return batch_of(self.config)

    def setup(self) -> None:
        """Broken machinery raises here, so that pytest calls it ERROR and not FAILED."""
        if self.config.getoption("setuponly", False) or self.config.getoption("setupplan", False):
            return
        if error := self.error():
            if isinstance(error, InputError) and remember(self.config, error):
                refuse(self.config)
            pytest.fail(self.batch.told(error), pytrace=False)
        outcome = self.outcome()
        if outcome.kind is Kind.ERROR:
            pytest.fail(outcome.text, pytrace=False)

    def error(self) -> HarnessError | None:
        """Run all selected cases, the first time; what went wrong then, each time."""
        if not self.batch.started:
            try:
                load_for_replay(self.config)
            except HarnessError as error:
                return error
            with progress_of(self.config) as observer:
                self.batch.start(selected(self.session), observer)
        return self.batch.error

    def runtest(self) -> None:
        """Turn the outcome into pytest's outcome."""
        outcome = self.outcome()
        if outcome.kind is Kind.SKIPPED:
            pytest.skip(outcome.text)
        if outcome.kind is Kind.XFAILED:
            # As `pytest.xfail`, but without a traceback: making it costs more than all else that
            # pytest does for the item.
            raise pytest.xfail.Exception(outcome.text, pytrace=False)
        if outcome.kind is Kind.FAILED:
            raise CaseFailed(outcome.text)

    def outcome(self) -> ItemOutcome:
        """Return what the finished run says of this item."""
        raise NotImplementedError

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the reason alone for a case that failed; everything for a fault of ours."""
        if isinstance(excinfo.value, CaseFailed):
            text = str(excinfo.value)
            return text if hasattr(self.config, "workerinput") else Reason(text)
        return super().repr_failure(excinfo, style=style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """File, 0-based line and a title without dots that pytest would rewrite."""
        return self.path, self.line - 1, f"{self.suite.name} {self.name}"


class CaseItem(SuiteItem):
    """One case for one variant."""

    @classmethod
    def make(cls, parent: SuiteFile, suite: Suite, variant: Variant, case: Case) -> CaseItem:
        """Return the item, with the case's tags as marks."""
        item: CaseItem = cls.from_parent(
            parent,
            name=f"{case.id}[{variant.name}]",
            suite=suite,
            variant=variant,
            case=case,
            line=case.position.line,
        )
        for tag in case.tags:
            line = f"{tag}: a tag of a suite"
            if line not in parent.config.getini("markers"):
                parent.config.addinivalue_line("markers", line)
            item.add_marker(tag)
        return item

    @property
    def key(self) -> Key:
        """Suite, case and variant."""
        return self.suite.name, self.case.id if self.case else "", self.variant.name

    def outcome(self) -> ItemOutcome:
        """Return the outcome of this case, known once the run is over."""
        results = self.batch.results(self.key)
        if results and not self.user_properties:
            # Facts for JUnit; built-in types only, they travel between xdist's processes
            self.user_properties += [
                ("category", self.suite.category),
                ("variant", self.variant.name),
                ("outcome", str(results[0].outcome)),
                ("score", results[0].score),
            ]
        verdict = self.batch.verdict(self.suite.name, self.variant.name)
        failure = self.batch.report.failure if self.batch.report else ""
        if verdict is None:
            return _broken("no result: the run ended before it was asked", failure)
        info = self.batch.report.info if self.batch.report else None
        key = (*self.key[:2], info.baseline if info and info.baseline else "")
        beside = self.batch.results(key) if key != self.key else []
        return case_outcome(results, verdict, self.suite.gate.min_pass_rate, failure, beside)


class GateItem(SuiteItem):
    """The verdict on one suite for one candidate."""

    @classmethod
    def make(cls, parent: SuiteFile, suite: Suite, variant: Variant) -> GateItem:
        """Return the item; it stands at the top of the file."""
        item: GateItem = cls.from_parent(
            parent, name=f"gate[{variant.name}]", suite=suite, variant=variant, case=None, line=1
        )
        return item

    def outcome(self) -> ItemOutcome:
        """Return the verdict, known once the run is over."""
        verdict = self.batch.verdict(self.suite.name, self.variant.name)
        if not self.user_properties:
            said = str(verdict.verdict or "none") if verdict else "none"
            self.user_properties.append(("verdict", said))
        if verdict is None:
            cases = plural(len(self.suite.cases), "case")
            return ItemOutcome(Kind.SKIPPED, f"partial: 0 of {cases}, no verdict")
        return gate_outcome(verdict)


def selected(session: pytest.Session) -> list[Key]:
    """Return the cases that this session will run: after -k, -m, --lf, without skipped ones."""
    return [
        item.key
        for item in session.items
        if isinstance(item, CaseItem) and item.get_closest_marker("skip") is None
    ]
