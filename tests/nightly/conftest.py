"""A project of two suites and two adapters whose answers are written by the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.config import load_settings
from harness.nightly import NightReport, load_config, run_night

FIRST = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
CASES = 12
ALL = "+" * CASES
WORSE = "-------+++++"
CONFIG = """\
name: production
suites: [suites/colours.yaml]
variants:
  new: {adapter: adapters/new}
"""
Sleep = Callable[..., NightReport]


def suite(name: str, letter: str) -> str:
    """A suite of twelve cases with ids `c00` and so on."""
    head = f"suite: {name}\ncategory: instruction_following\ngate: {{min_pass_rate: 0.5}}\ncases:\n"
    return head + "".join(
        f"  - {{id: {letter}{n:02}, user: Say red., checks: [{{contains: red}}]}}\n"
        for n in range(CASES)
    )


def answers(**signs: str) -> None:
    """What each variant answers: a string of `+` (right) and `-` (wrong), one a case."""
    rows = [
        {"case": f"{letter}{n:02}", "variant": variant, "response": "red" if s == "+" else "blue"}
        for variant, chain in signs.items()
        for letter in "cs"
        for n, s in enumerate(chain)
    ]
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The backend `echo` reads its answers from `answers.jsonl`."""
    monkeypatch.chdir(tmp_path)
    Path("harness.toml").write_text('backend = "echo"\nresponses = "answers.jsonl"\n')
    Path("suites").mkdir()
    Path("suites/colours.yaml").write_text(suite("colours", "c"))
    Path("suites/shades.yaml").write_text(suite("shades", "s"))
    Path("nightly.yaml").write_text(CONFIG)
    answers(base=ALL, new=ALL)
    return tmp_path


@pytest.fixture
def sleep(project: Path) -> Sleep:
    """Run the night after so many days, with other answers where some are given."""

    def night(after: float = 0, **signs: str) -> NightReport:
        if signs:
            answers(**signs)
        settings = load_settings(Path())
        return run_night(
            settings, load_config(Path("nightly.yaml")), now=FIRST + timedelta(days=after)
        )

    return night


def changed(**lines: str) -> None:
    """Add lines at the top level of the configuration."""
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    Path("nightly.yaml").write_text(CONFIG + text)


def verdicts(report: NightReport) -> Mapping[tuple[str, str], str]:
    """Verdicts by rival and variant."""
    return {
        (finding.rival.value, finding.variant): str(finding.verdict)
        for finding in report.night.findings
    }
