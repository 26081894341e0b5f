"""The gate at each look: it says what the whole gate says, and asks it only when it must."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from harness.common import GateSettings, VariantRole
from harness.gate import InterimGate, collect, decide
from harness.results import GateReport, Outcome, Result, SuiteInfo, Verdict

ROLES = {
    "base": VariantRole.BASELINE,
    "new": VariantRole.CANDIDATE,
    "other": VariantRole.CANDIDATE,
    "old": VariantRole.REFERENCE,
}
GATES = {
    "plain": GateSettings(),
    "scored": GateSettings(on="score", max_drop=0.05, policy="non_inferiority"),
    "barred": GateSettings(min_pass_rate=0.9, max_errors=1),
    "part": GateSettings(),
}


def results(rng: random.Random, suite: str, case: int, loss: float) -> Iterator[Result]:
    """What all variants make of one case, twice; some of it is broken, skipped or unlike."""
    for variant in ROLES:
        for repeat in range(2):
            lost = rng.random() < (0.1 if variant in ("base", "old") else loss)
            outcome = Outcome.FAIL if lost else Outcome.PASS
            if rng.random() < 0.01:
                outcome = rng.choice([Outcome.ERROR, Outcome.SKIPPED])
            yield Result(
                suite=suite,
                category="c",
                case=f"{suite}-{case}",
                variant=variant,
                repeat=repeat,
                outcome=outcome,
                score=rng.random() if outcome is Outcome.FAIL else 1.0,
                responses=(),
                case_hash="other" if variant == "new" and rng.random() < 0.05 else "same",
                cluster=f"k{case // 3}" if suite == "scored" else None,
            )


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("earlier", [False, True])
def test_each_look_says_what_the_whole_gate_says(seed: int, earlier: bool) -> None:
    rng = random.Random(seed)
    losses = {suite: rng.choice([0.05, 0.3, 0.6]) for suite in GATES}
    demands = [
        SuiteInfo(suite, "c", "", "", gate, 90, 60 if suite == "part" else 90)
        for suite, gate in GATES.items()
    ]
    looks = [
        [r for s in GATES for n in range(look, look + 15) for r in results(rng, s, n, losses[s])]
        for look in range(0, 60, 15)
    ]
    baseline = [r for look in looks for r in look if r.variant == "base"]
    if earlier:  # it answered all of it in another run
        looks = [[r for r in look if r.variant != "base"] for look in looks]
        gate = InterimGate(demands, ROLES, "base", earlier=collect(baseline))
    else:
        gate = InterimGate(demands, ROLES, "base")
    seen: list[Result] = []
    for number, look in enumerate(looks, start=1):
        seen += look
        asked = dict.fromkeys(GATES, 15 * number)
        whole = decide(
            [*seen, *(baseline if earlier else [])],
            [
                demand
                if demand.partial
                else SuiteInfo(demand.name, "c", "", "", demand.gate, 15 * number, 15 * number)
                for demand in demands
            ],
            ROLES,
            "base",
            sequential=True,
        )
        candidates = [row for row in whole.suites if row.role is VariantRole.CANDIDATE]
        regressed = {
            suite
            for suite in GATES
            if {row.verdict for row in candidates if row.suite == suite} == {Verdict.REGRESSED}
        }
        assert gate.look(look, asked) == regressed


def test_the_whole_gate_is_asked_only_where_a_suite_may_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def judge(*arguments: object, **more: object) -> GateReport:
        raise AssertionError("nothing has regressed, and the whole gate was asked")

    monkeypatch.setattr("harness.gate.interim.judge_ledger", judge)
    rng = random.Random(1)
    gate = InterimGate([SuiteInfo("plain", "c", "", "", GateSettings(), 600, 600)], ROLES, "base")
    for look in range(40):
        new = [r for n in range(10) for r in results(rng, "plain", 10 * look + n, 0.1)]
        assert gate.look(new, {"plain": 10 * (look + 1)}) == frozenset()
