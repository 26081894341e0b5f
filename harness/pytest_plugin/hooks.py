"""pytest's hooks, thin: options, collection of YAML suites, the summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.common import HarnessError
from harness.evaluation import at_work, leave_now
from harness.pytest_plugin.batch import Batch, console_of
from harness.pytest_plugin.collecting import BATCH, FILES, RUN_UID, batch_of, collects
from harness.pytest_plugin.items import SuiteFile
from harness.pytest_plugin.options import add_options, check_root, refuse

STOPPED = "stopped; what was finished is kept: run the same command again"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add every option of the harness."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Test nothing under a root folder that pytest chose by mistake."""
    check_root(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """Collect suites that are configured, or named on the command line."""
    if file_path.suffix not in (".yaml", ".yml") or not collects(parent.config, file_path):
        return None
    parent.config.stash.setdefault(FILES, {})[file_path] = None
    file: SuiteFile = SuiteFile.from_parent(parent, path=file_path)
    return file


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config) -> None:
    """End the session where settings or variants are wrong: all files are read by now."""
    refuse(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist: remember the session's name, by which workers find each other's run."""
    node.config.stash[RUN_UID] = node.workerinput["testrunuid"]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the same table and verdicts as `harness run`."""
    from harness.reports import print_summary, view_command

    batch = _batch(config)
    if batch and batch.interrupted:
        terminalreporter.write_line(STOPPED)
    if batch and batch.report:
        terminalreporter.section("harness")
        report = batch.report
        view = view_command(batch.settings, report.info.id)
        print_summary(console_of(config), report.scorecard, report.paths, view=view)
        for line in (*report.failure.splitlines(), *batch.exported):
            terminalreporter.write_line(line)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the workers told each other, in the process that started them."""
    batch = _batch(config)
    if batch and batch.shared and not hasattr(config, "workerinput"):
        for path in (batch.shared, Path(f"{batch.shared}.lock")):
            path.unlink(missing_ok=True)
    if batch and batch.interrupted and at_work():
        leave_now(pytest.ExitCode.INTERRUPTED)


def _batch(config: pytest.Config) -> Batch | None:
    """Return the run of this session, if it had one; a worker's, where the workers ran it."""
    if RUN_UID not in config.stash:
        return config.stash.get(BATCH, None)
    try:
        batch = batch_of(config)
        batch.adopt()
    except HarnessError:  # the workers have reported it for every file
        return None
    return batch
