"""What all tests share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.embedded import ADAPTERS, ROOT, Done, run

# A red test is red again on the next machine, and no test is red because the machine is busy.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", steady, derandomize=True)
# New examples each time, ten times as many.
settings.register_profile("search", steady, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_works() -> None:
    """A shell starts background jobs with SIGINT ignored, and tests of Ctrl-C inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Base, `repaired` and `forgetful` on all six suites, generated once by the backend hf."""
    folder = tmp_path_factory.mktemp("gate")
    return run(folder, "-m", "harness", "run", "suites/", *ADAPTERS)


@pytest.fixture(scope="session")
def warm_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose warm engine, vLLM with the embedded model, is up; one for all tests."""
    folder = tmp_path_factory.mktemp("warm")
    words = ["-m", "harness", "engine"]
    # On a CPU every token pays for all slots at the full rank: the usual rank of 64 is far slower.
    # Two adapters by name and two by hash, and the last slot stays empty, as planning.py says.
    small = ["--engine-arg=max_lora_rank=8", "--engine-arg=max_loras=5"]
    store = f"--store={folder / 'store.db'}"
    started = subprocess.run(
        [sys.executable, *words, "up", store, *small], cwd=ROOT, capture_output=True, text=True
    )
    assert started.returncode == 0, started.stderr
    yield folder
    subprocess.run([sys.executable, *words, "down", store], cwd=ROOT, check=True)


def skipped(reporter: pytest.TerminalReporter) -> Counter[str]:
    """Count the skipped tests of a session by their reasons."""
    reasons: Counter[str] = Counter()
    for report in reporter.stats.get("skipped", ()):
        if isinstance(report.longrepr, tuple):
            reasons[str(report.longrepr[2]).removeprefix("Skipped: ")] += 1
    return reasons


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say last what was skipped: each reason names what makes the test run."""
    reasons = skipped(terminalreporter)
    if reasons:
        said = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common())
        terminalreporter.write_line(f"skipped: {said}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that skipped what `HARNESS_NEVER_SKIP` names, a part of the reason."""
    never = os.environ.get("HARNESS_NEVER_SKIP", "")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if never and reporter and any(never in reason for reason in skipped(reporter)):
        reporter.write_line(f"\nskipped tests that need {never}: install it", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
