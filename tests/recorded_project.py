"""A small project whose answers are recorded: one suite of twelve cases, no model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

Record = Callable[[Mapping[str, str]], None]
CASES = [f"c{number:02}" for number in range(12)]
CONFIGURATION = 'suites = ["suites"]\nbackend = "replay"\nresponses = "answers.jsonl"\n'
SUITE = """
suite: colours
category: instruction_following
gate: {min_pass_rate: 0.5}
cases:
""" + "".join(
    f"  - {{id: {case}, user: Say red., tags: [{'smoke' if case < 'c03' else 'rest'}],"
    " checks: [{contains: red}]}\n"
    for case in CASES
)


def write_project(folder: Path) -> None:
    """The configuration and the suite; answers come from `answers.jsonl`."""
    folder.joinpath("harness.toml").write_text(CONFIGURATION)
    folder.joinpath("suites").mkdir()
    folder.joinpath("suites", "colours.yaml").write_text(SUITE)


def recorder(folder: Path) -> Record:
    """Records answers: for each variant a string of `+` (right) and `-` (wrong), one a case."""

    def write(answers: Mapping[str, str]) -> None:
        rows = [
            {"case": case, "variant": variant, "response": "red" if sign == "+" else "blue"}
            for variant, signs in answers.items()
            for case, sign in zip(CASES, signs, strict=False)
        ]
        folder.joinpath("answers.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))

    return write
