"""How long `harness score` takes on recorded answers of the six categories, step by step.

    python -m bench.score_recorded [--answers 10000] [--processes N]

Writes six suites with a case for each answer and a file of answers into a temporary folder, then
loads, scores, gates and reports them as the command does. The digest of `results.jsonl` at the end
says whether two runs found the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, pairwise
from pathlib import Path

from bench.score_answers import _CATEGORIES, told_apart
from harness.config import load_settings
from harness.evaluation import run_suites
from harness.evaluation import scoring_pool as scoring
from harness.results import Event, Finished, Planned


def write(folder: Path, answers: int) -> None:
    """Suites and recorded answers; the checks and answers are those of `bench.score_answers`."""
    (folder / "suites").mkdir()
    (folder / "harness.toml").write_text('suites = ["suites"]\nbackend = "replay"\n')
    rows = []
    for category, (checks, said, context) in _CATEGORIES.items():
        cases = []
        for number, answer in zip(range(answers // len(_CATEGORIES)), cycle(said), strict=False):
            case = {"id": f"{category}-{number}", "user": context.user or "?", "checks": checks}
            cases.append(case | ({"system": context.system} if context.system else {}))
            rows.append(json.dumps({"case": case["id"], "response": told_apart(answer, number)}))
        suite = {"suite": category, "category": category, "cases": cases}
        (folder / "suites" / f"{category}.yaml").write_text(json.dumps(suite, indent=0))
    (folder / "answers.jsonl").write_text("\n".join(rows) + "\n")


def score(folder: Path) -> None:
    """One run, with the seconds of its steps."""
    marks = [time.perf_counter()]

    def note(event: Event) -> None:
        if isinstance(event, Planned | Finished):
            marks.append(time.perf_counter())

    settings = load_settings(folder, {"responses": Path("answers.jsonl")})
    report = run_suites(settings, observer=note)
    marks.append(time.perf_counter())
    steps = [after - before for before, after in pairwise(marks)]
    for name, seconds in zip(("load", "score and store", "gate and report"), steps, strict=True):
        print(f"{seconds:6.1f} s  {name}")
    times = os.times()
    print(f"{marks[-1] - marks[0]:6.1f} s  in all, for {report.info.generated:,} answers")
    print(f"{times.user:6.1f} s  of one core here, {times.children_user:.1f} s in other processes")
    print(f"results.jsonl: {hashlib.sha256(report.paths.results.read_bytes()).hexdigest()[:16]}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, score and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=scoring.MOST)
    options = parser.parse_args(arguments)
    scoring.MOST = options.processes
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.answers)
        score(Path(folder))


if __name__ == "__main__":
    main()
