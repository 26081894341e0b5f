"""Runs of the starter suites on the embedded model, through the doors that a user has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ADAPTERS = [f"--adapter={name}=fixtures/adapters/{name}" for name in ("repaired", "forgetful")]


@dataclass(frozen=True)
class Done:
    """A finished run of the suites under `suites/starter`; `report` is the folder of its report."""

    code: int
    out: str
    folder: Path
    report: Path

    @property
    def card(self) -> dict[str, Any]:
        """The scorecard."""
        read: dict[str, Any] = json.loads(
            (self.report / "scorecard.json").read_text(encoding="utf-8")
        )
        return read

    def verdicts(self, variant: str) -> dict[str, str]:
        """The verdict on each suite."""
        rows = [row for row in self.card["categories"] if row["variant"] == variant]
        return {row["suite"]: row["gate"]["verdict"] for row in rows if row["gate"]}

    def answers(self) -> dict[tuple[str, str], list[str]]:
        """What was answered, by case and variant."""
        lines = (self.report / "results.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in lines.splitlines()]
        said = [row.get("responses") or [row.get("response")] for row in rows]
        return {(row["case"], row["variant"]): a for row, a in zip(rows, said, strict=True)}

    def rate(self, suite: str, variant: str) -> float:
        """The pass rate of one suite and variant."""
        rows = {(row["suite"], row["variant"]): row["pass_rate"] for row in self.card["categories"]}
        return float(rows[suite, variant])


def run(folder: Path, *words: str, **environment: str) -> Done:
    """Run a command of this project; reports and the store go to `folder`."""
    where = [f"--report-dir={folder / 'reports'}", f"--store={folder / 'store.db'}"]
    done = subprocess.run(
        [sys.executable, *words, *where],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        timeout=900,
    )
    report = (folder / "reports/latest").resolve()
    return Done(done.returncode, done.stdout + done.stderr, folder, report)
