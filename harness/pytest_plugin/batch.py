"""One run for all selected items: it starts when the first of them is set up, and only once.

Under pytest-xdist the first worker runs, under a lock, and leaves the run's id (or its error) in a
file; the other workers read the results from the store. So four workers load one engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from harness.common import HarnessError, InputError, MachineryError, Problem, Variant, make_folder
from harness.common.console import Terminal
from harness.config import Settings
from harness.evaluation import RunReport, Variants, export_after, reopen, run
from harness.reports import Progress
from harness.results import Observer, Result, SuiteResult, ignore
from harness.suites import Case, Suite

Key = tuple[str, str, str]  # suite, case, variant


class Batch:
    """The run of one pytest session. A failed run is remembered: every item sees its error."""

    def __init__(self, settings: Settings, variants: Variants, shared: Path | None):
        self.settings = settings
        self.variants = variants
        self.shared = shared
        self.suites: dict[str, Suite] = {}
        self.selected: frozenset[Key] | None = None  # None until the run begins
        self.report: RunReport | None = None
        self.exported: tuple[str, ...] = ()  # what became of exports after the run
        self.error: HarnessError | None = None
        self.interrupted = False  # while it ran: the engine may still be at work
        self._told = False
        self._results: dict[Key, list[Result]] = {}
        self._verdicts: dict[tuple[str, str], SuiteResult] = {}

    @property
    def started(self) -> bool:
        """Return whether the run was tried, well or badly; never a second time."""
        return self.selected is not None

    def start(self, selected: Iterable[Key], observer: Observer) -> None:
        """Run the selected cases, if there are any; keep what goes wrong in `error`."""
        self.selected = frozenset(selected)
        if not self.selected:  # gates alone: an empty run would be the store's latest
            return
        try:
            self._keep(self._run_shared(observer))
        except HarnessError as error:
            self.error = error
        except Exception as error:  # a fault of ours: whole for the first item, named for the rest
            what = f"{type(error).__name__}: {error}"
            self.error = MachineryError(Problem(f"the run broke, see the first error: {what}"))
            raise
        except KeyboardInterrupt:
            self.interrupted = True
            raise

    def told(self, error: HarnessError) -> str:
        """Return all of the error the first time, its first line from then on."""
        text, first = str(error), not self._told
        self._told = True
        return text if first else f"{text.splitlines()[0]} (see the first error)"

    def results(self, key: Key) -> list[Result]:
        """Return the repeats of one case and variant; none where its suite stopped early."""
        return self._results.get(key, [])

    def verdict(self, suite: str, variant: str) -> SuiteResult | None:
        """Return what the gate says of one suite and variant; None where no case was run."""
        return self._verdicts.get((suite, variant))

    def adopt(self) -> None:
        """Take over what a worker ran: for the process that prints the summary."""
        if self.report is None and self.shared and self.shared.is_file():
            with suppress(HarnessError):
                told = json.loads(self.shared.read_text(encoding="utf-8"))
                self.exported = tuple(told.get("exported", ()))
                self._keep(self._reopen(told))

    def _keep(self, report: RunReport) -> None:
        self.report = report
        for verdict in report.gate.suites:
            self._verdicts[verdict.suite, verdict.variant] = verdict
        for result in report.results():
            self._results.setdefault((result.suite, result.case, result.variant), []).append(result)

    def _run_shared(self, observer: Observer) -> RunReport:
        if self.shared is None:
            return self._run(observer)
        make_folder(self.shared.parent)
        with FileLock(f"{self.shared}.lock"):
            if self.shared.is_file():
                return self._reopen(json.loads(self.shared.read_text(encoding="utf-8")))
            try:
                report = self._run(observer)
            except HarnessError as error:
                _write(self.shared, {"error": str(error), "exit_code": error.exit_code})
                raise
            _write(self.shared, {"run": report.info.id, "exported": list(self.exported)})
            return report

    def _run(self, observer: Observer) -> RunReport:
        selected = self.selected or frozenset()

        def chosen(case: Case, variant: Variant) -> bool:
            return (case.suite, case.id, variant.name) in selected

        suites = tuple(self.suites.values())
        report = run(self.settings, suites, self.variants, select=chosen, observer=observer)
        self.exported = export_after(self.settings, report)
        return report

    def _reopen(self, told: Mapping[str, object]) -> RunReport:
        if "run" in told:
            return reopen(self.settings, str(told["run"]))
        kind = InputError if told["exit_code"] == InputError.exit_code else MachineryError
        raise kind(Problem(str(told["error"])))


def _write(path: Path, value: Mapping[str, object]) -> None:
    """Whole or not at all: another worker never reads half a file."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value), encoding="utf-8")
    temporary.replace(path)


ERASE = "\r\x1b[2K"  # to the start of the line, and clear it


@contextmanager
def progress_of(config: pytest.Config) -> Iterator[Observer]:
    """Yield an observer that draws on the terminal; silent in an xdist worker, which has none."""
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if reporter is None or hasattr(config, "workerinput"):
        yield ignore
        return
    # The public `TerminalReporter` offers no file and no line; `_tw` stands since 2.x.
    guest = Guest(reporter._tw, erases=reporter.isatty)
    with capture.global_and_fixture_disabled():
        try:
            with Progress(console_of(config, guest)) as progress:
                yield progress
        finally:
            guest.leave()


class Guest:
    """pytest's terminal, lent: the line that pytest has begun is put aside, and given back.

    So the first dot stands behind the file's name as all others do. Where nothing is written,
    nothing changes.
    """

    def __init__(self, writer: Any, *, erases: bool) -> None:
        self._file, self._line = writer._file, writer._current_line
        self._room = (ERASE if erases else "\n") if self._line else ""
        self._wrote = False

    def write(self, text: str) -> int:
        """Write as a file does."""
        if not self._wrote:
            self._wrote = True
            self._file.write(self._room)
        return int(self._file.write(text))

    def leave(self) -> None:
        """Put pytest's line back."""
        if self._wrote:
            self._file.write(self._line)
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def console_of(config: pytest.Config, file: Any = None) -> Terminal:
    """rich's console on pytest's own terminal, with its choice of colour and width."""
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    writer = reporter._tw
    colour = bool(writer.hasmarkup)
    return Terminal(
        file=file or writer._file,
        width=writer.fullwidth if reporter.isatty else None,
        force_terminal=colour and reporter.isatty,
        no_color=not colour,
    )
