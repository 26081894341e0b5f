"""A suite file as pytest sees it: one item for each case and variant, one gate for each candidate.

suites/starter/invoices.yaml::invoice-01[repaired]
suites/starter/invoices.yaml::gate[repaired]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import HarnessError, InputError
from harness.pytest_plugin.batch import Batch, Key
from harness.pytest_plugin.collecting import batch_of, load
from harness.pytest_plugin.progress import progress_of
from harness.pytest_plugin.refusing import refuse, remember
from harness.pytest_plugin.rulings import Kind, Ruling, rule_case, rule_gate
from harness.suites import Case, Suite
from harness.variants import Variant, VariantRole


class CaseFailed(Exception):
    """A case or a gate does not hold; the first line of its text is the reason."""


class Reason(str):
    """A failure's text; its first line stands in the short summary, before pytest 9 too.

    Not in an xdist worker: only plain texts travel between processes.
    """

    @property
    def reprcrash(self) -> SimpleNamespace:
        """What pytest's summary and JUnit take the message from."""
        return SimpleNamespace(message=self.partition("\n")[0])


class SuiteFile(pytest.File):
    """One YAML file; wrong input is a collection error in the house form."""

    def collect(self) -> Iterator[pytest.Item]:
        """Cases in the order of the file, each for all variants; then the gates."""
        try:
            cast = batch_of(self.config).variants
        except InputError as error:
            if remember(self.config, error):
                return
            raise self.CollectError(str(error)) from None
        try:
            suite = load(self.config, self.path)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for case in suite.cases:
            for variant in cast:
                yield CaseItem.make(self, suite, variant, case)
        for variant in cast:
            if variant.role is VariantRole.CANDIDATE:
                yield GateItem.make(self, suite, variant)


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
        """The run of this pytest session."""
        return batch_of(self.config)

    def setup(self) -> None:
        """Broken machinery raises here, so that pytest calls it ERROR and not FAILED."""
        if self.config.getoption("setuponly", False) or self.config.getoption("setupplan", False):
            return
        if error := self.error():
            if isinstance(error, InputError) and remember(self.config, error):
                refuse(self.config)
            pytest.fail(self.batch.told(error), pytrace=False)
        ruling = self.ruling()
        if ruling.kind is Kind.ERROR:
            pytest.fail(ruling.text, pytrace=False)

    def error(self) -> HarnessError | None:
        """Run all selected cases, the first time; what went wrong then, each time."""
        if not self.batch.started:
            with progress_of(self.config) as observer:
                self.batch.start(selected(self.session), observer)
        return self.batch.error

    def runtest(self) -> None:
        """Turn the ruling into pytest's outcome."""
        ruling = self.ruling()
        if ruling.kind is Kind.SKIPPED:
            pytest.skip(ruling.text)
        if ruling.kind is Kind.XFAILED:
            pytest.xfail(ruling.text)
        if ruling.kind is Kind.FAILED:
            raise CaseFailed(ruling.text)

    def ruling(self) -> Ruling:
        """What the finished run says of this item."""
        raise NotImplementedError

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The reason alone for a case that failed; everything for a fault of ours."""
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
        """The item, with the case's tags as marks."""
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

    def ruling(self) -> Ruling:
        """The outcome of this case, known once the run is over."""
        results = self.batch.results(self.key)
        if results:
            self._record(results[0].score, str(results[0].outcome))
        verdict = self.batch.verdict(self.suite.name, self.variant.name)
        failure = self.batch.report.failure if self.batch.report else ""
        return rule_case(results, verdict, self.suite.gate.min_pass_rate, failure)

    def _record(self, score: float, outcome: str) -> None:
        """Facts for JUnit; built-in types only, they travel between xdist's processes."""
        if not self.user_properties:
            self.user_properties += [
                ("category", self.suite.category),
                ("variant", self.variant.name),
                ("outcome", outcome),
                ("score", score),
            ]


class GateItem(SuiteItem):
    """The verdict on one suite for one candidate."""

    @classmethod
    def make(cls, parent: SuiteFile, suite: Suite, variant: Variant) -> GateItem:
        """The item; it stands at the top of the file."""
        item: GateItem = cls.from_parent(
            parent, name=f"gate[{variant.name}]", suite=suite, variant=variant, case=None, line=1
        )
        return item

    def ruling(self) -> Ruling:
        """The verdict, known once the run is over."""
        verdict = self.batch.verdict(self.suite.name, self.variant.name)
        if not self.user_properties:
            self.user_properties.append(("verdict", str(verdict.verdict or "none")))
        return rule_gate(verdict)


def selected(session: pytest.Session) -> list[Key]:
    """The cases that this session will run: after -k, -m, --lf, without skipped ones."""
    return [
        item.key
        for item in session.items
        if isinstance(item, CaseItem) and item.get_closest_marker("skip") is None
    ]
