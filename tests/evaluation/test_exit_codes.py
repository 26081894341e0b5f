"""Recorded answers of two model versions: every verdict equals a computation of its own.

Nothing of the gate is used to compute what is expected: the pairs are counted from the answers,
the p value is scipy's binomial distribution, Holm's correction is written out.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from scipy.stats import binom

from harness.config import load_settings
from harness.evaluation import RunReport, run_suites

ALPHA = 0.05
SUITES = {"alpha": 120, "beta": 60, "gamma": 300}
Signs = Mapping[str, Sequence[tuple[bool, bool]]]


def answers(seed: int, losses: Mapping[str, float]) -> Signs:
    """For each suite, whether the old and the new version pass each case."""
    rng = random.Random(seed)
    found = {}
    for suite, n in SUITES.items():
        old = [rng.random() < 0.85 for _ in range(n)]
        worse = losses.get(suite, 0.0)
        new = [(p and rng.random() >= worse) or (not p and rng.random() < 0.1) for p in old]
        found[suite] = list(zip(old, new, strict=True))
    return found


def recorded(folder: Path, signs: Signs) -> RunReport:
    """A run of the gate on these answers."""
    rows = []
    for suite, pairs in signs.items():
        cases = "".join(
            f"  - {{id: {suite}-{n}, user: Say red., checks: [{{contains: red}}]}}\n"
            for n in range(len(pairs))
        )
        (folder / f"{suite}.yaml").write_text(f"suite: {suite}\ncategory: c\ncases:\n{cases}")
        for number, pair in enumerate(pairs):
            for variant, passed in zip(("base", "new"), pair, strict=True):
                text = "red" if passed else "blue"
                rows.append({"case": f"{suite}-{number}", "variant": variant, "response": text})
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = {"backend": "replay", "responses": Path("answers.jsonl")}
    return run_suites(load_settings(folder, given), [str(folder)])


def mid_p(worse: int, better: int) -> float:
    """The chance that a fair coin gives more losses, and half of that it gives as many."""
    n = worse + better
    return float(binom.sf(worse, n, 0.5) + binom.pmf(worse, n, 0.5) / 2) if n else 0.5


def expected(signs: Signs) -> dict[str, tuple[float, str]]:
    """Adjusted p and verdict of each suite."""
    raw = {}
    for suite, pairs in signs.items():
        fell = sum(old and not new for old, new in pairs)
        rose = sum(new and not old for old, new in pairs)
        raw[suite] = (mid_p(fell, rose), fell > rose)
    highest, found = 0.0, {}
    for place, (suite, (p, fell)) in enumerate(sorted(raw.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, p * (len(raw) - place)))
        found[suite] = (highest, "regressed" if highest <= ALPHA and fell else "pass")
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "losses", [{}, {"gamma": 0.08}, {"alpha": 0.07, "beta": 0.12}, {"alpha": 0.3, "gamma": 0.3}]
)
def test_every_verdict_equals_a_computation_of_its_own(
    tmp_path: Path, seed: int, losses: dict[str, float]
) -> None:
    signs = answers(seed, losses)
    report = recorded(tmp_path, signs)

    rows = {row.suite: row for row in report.scorecard.rows(variant="new")}
    for suite, (p, verdict) in expected(signs).items():
        seen = rows[suite].comparison
        assert seen is not None
        assert seen.p_adjusted == pytest.approx(p)
        assert rows[suite].verdict == verdict
    worst = {verdict for _, verdict in expected(signs).values()}
    assert report.exit_code == (1 if "regressed" in worst else 0)
