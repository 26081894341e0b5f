"""A small project whose answers are recorded: what pytest says of it is known in advance."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
import scipy.stats  # noqa: F401  # pytester forgets modules after each run; numpy loads only once

import harness.session  # noqa: F401  # as above, for speed

Record = Callable[[Mapping[str, str]], None]
CASES = [f"c{number:02}" for number in range(12)]
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


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with one suite, and the plugin switched on."""
    pytester.makeconftest('pytest_plugins = ["harness.pytest_plugin"]')
    pytester.path.joinpath("harness.toml").write_text(
        'suites = ["suites"]\nbackend = "replay"\nresponses = "answers.jsonl"\n'
    )
    pytester.path.joinpath("suites").mkdir()
    pytester.path.joinpath("suites", "colours.yaml").write_text(SUITE)
    return pytester


@pytest.fixture
def record(project: pytest.Pytester) -> Record:
    """Record answers: for each variant a string of `+` (right) and `-` (wrong), one a case."""

    def write(answers: Mapping[str, str]) -> None:
        rows = [
            {"case": case, "variant": variant, "response": "red" if sign == "+" else "blue"}
            for variant, signs in answers.items()
            for case, sign in zip(CASES, signs, strict=False)
        ]
        project.path.joinpath("answers.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows)
        )

    return write
