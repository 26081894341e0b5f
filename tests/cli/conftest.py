"""A small project whose answers are recorded, as the working directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Record = Callable[[Mapping[str, str]], None]
CASES = [f"c{number:02}" for number in range(12)]
SUITE = """
suite: colours
category: instruction_following
gate: {min_pass_rate: 0.5}
cases:
""" + "".join(
    f"  - {{id: {case}, user: Say red., checks: [{{contains: red}}]}}\n" for case in CASES
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One configured suite; answers come from `answers.jsonl`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("harness.toml").write_text(
        'suites = ["suites"]\nbackend = "replay"\nresponses = "answers.jsonl"\n'
    )
    Path("suites").mkdir()
    Path("suites/colours.yaml").write_text(SUITE)
    return tmp_path


@pytest.fixture
def record(project: Path) -> Record:
    """Record answers: for each variant a string of `+` (right) and `-` (wrong), one a case."""

    def write(answers: Mapping[str, str]) -> None:
        rows = [
            {"case": case, "variant": variant, "response": "red" if sign == "+" else "blue"}
            for variant, signs in answers.items()
            for case, sign in zip(CASES, signs, strict=False)
        ]
        (project / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write
