"""What all tests share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.embedded import ADAPTERS, ROOT, Done, run

# A red test is red again on the next machine, and no test is red because the machine is busy.
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", steady, derandomize=True)
# New examples each time, ten times as many.
settings.register_profile("search", steady, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


# Files that one worker of pytest-xdist runs, by the beginnings of their names: what takes longest
# comes first, and many short files, each by itself, fill up the end.
TOGETHER = (
    (  # `gated` and `warm_engine`
        "tests/evaluation/test_embedded_gate.py",
        "tests/backends/openai/test_round_robin.py",
        "tests/backends/openai/test_vllm_server.py",
        "tests/backends/vllm/server/test_warm.py",
        "tests/backends/vllm/test_gate.py",
        "tests/training/repair/",
    ),
    ("tests/evaluation/test_kill.py",),
    ("tests/backends/vllm/test_serving.py", "tests/backends/vllm/test_tools.py"),  # `vllm_engine`
    ("tests/backends/replicas/",),  # `nodes`
    ("tests/training/sft/test_train.py",),
    ("tests/training/sft/test_hosts.py",),
    ("tests/training/sft/test_sharing.py",),
    ("tests/hostile/test_fuzzing.py",),
    ("tests/website/test_running.py",),
    ("tests/pytest_plugin/test_workers.py",),
)


def group_of(nodeid: str) -> int:
    """Return the place in `TOGETHER` of what a test belongs to; -1 where its file stands alone."""
    return next((n for n, begins in enumerate(TOGETHER) if nodeid.startswith(begins)), -1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put first what takes longest; without workers the order stays that of the files."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: group_of(item.nodeid) % (len(TOGETHER) + 1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole files and what is `TOGETHER`, in the order of collection.

    pytest-xdist's own way, marks of groups, does nothing in version 3.8 with pytest 9.2: it says
    the group in a name of the test that pytest no longer reads.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # has no types

    class Together(LoadScopeScheduling):  # type: ignore[misc]  # as above
        def _split_scope(self, nodeid: str) -> str:
            group = group_of(nodeid)
            return nodeid.partition("::")[0] if group < 0 else TOGETHER[group][0]

    config.option.loadscopereorder = False
    return Together(config, log)


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
