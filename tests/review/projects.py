"""A project whose answers are recorded, judged by nobody yet: names that no answer holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from harness.cli import main
from harness.config import Settings, load_settings
from harness.results import RunInfo
from harness.store import Store

BASE, TUNED = "zebra-base", "zebra-tuned"
CASES = [f"c{number}" for number in range(6)]


def write_project(
    folder: Path, *, gate: str = "", variants: tuple[str, ...] = (BASE, TUNED), more: str = ""
) -> None:
    """Write six cases, answered by each variant in a text of its own; the first three differ."""
    folder.joinpath("harness.toml").write_text(
        'suites = ["suites"]\nbackend = "replay"\nresponses = "answers.jsonl"\n'
    )
    folder.joinpath("suites").mkdir(exist_ok=True)
    cases = "".join(
        f"  - {{id: {case}, user: Where is parcel {case}?, checks: [{{contains: sorry}}]{more}}}\n"
        for case in CASES
    )
    folder.joinpath("suites", "support.yaml").write_text(
        f"suite: support\ncategory: style\n{gate}\ncases:\n{cases}"
    )
    write_answers(folder, variants)


def write_answers(
    folder: Path, variants: tuple[str, ...], said: Mapping[tuple[str, str], str] | None = None
) -> None:
    """Record an answer of each variant to each case; `said` stands in the place of some."""
    rows = []
    for case in CASES:
        for number, variant in enumerate(variants):
            sorry = number == 0 or case not in CASES[:3]
            text = f"{'I am sorry, it' if sorry else 'It'} is at stop {number} of {case}."
            text = (said or {}).get((case, variant), text)
            rows.append({"case": case, "variant": variant, "response": text})
    folder.joinpath("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(*words: str) -> RunInfo:
    """Run the suites in the working directory, and return the record of the run."""
    assert main(["run", *words]) in (0, 1, 4)
    with Store(store()) as opened:
        found = opened.latest()
    assert found is not None
    return found


def store() -> Path:
    """Return the store of the working directory."""
    settings: Settings = load_settings(Path())
    return settings.path(settings.store)
