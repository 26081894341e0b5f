"""A candidate's answers against the baseline's, as a judge preferred them: counts, test, status."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.common import GateSettings, first_of, plural
from harness.gate import sentences as say
from harness.gate.pairs import FINEST_GRID
from harness.gate.sequential import METHOD, SequentialTest
from harness.gate.statistics import (
    group_sums,
    groups_of,
    mcnemar_mid_p,
    rate_interval,
    sign_flip_p,
)
from harness.results import PairJudgement, Preference, Verdict

MOST_EXAMPLES = 5  # of pairs lost, won and flipped each: the page has all beside the answers
SIGN_TEST = "sign test, mid-p"
SIGN_FLIP = "sign-flip permutation"
CLUSTER_FLIP = "cluster sign-flip permutation"


def count_preferences(
    judgements: Sequence[PairJudgement], baseline: str, *, sequential: bool = False
) -> Preference:
    """Count the pairs of one suite and candidate, and test losses against wins.

    The item is the case: its repeats are averaged first, and a case with a pair that could not be
    judged leaves the test. `sequential`: the pairs are in the order in which one looked, and a test
    that allows that takes the place of the final one.
    """
    cases: dict[str, list[PairJudgement]] = {}
    for each in judgements:
        if not each.left_out:
            cases.setdefault(each.case, []).append(each)
    whole = {case: of for case, of in cases.items() if all(one.value is not None for one in of)}
    judged = [(one, one.value) for of in whole.values() for one in of if one.value is not None]
    values = np.array(
        [sum(one.value or 0 for one in of) / len(of) for of in whole.values()], dtype=np.float64
    )
    groups = groups_of([of[0] for of in whole.values()])
    clusters = len(set(groups.tolist()))
    clustered = clusters < len(whole)
    wins = sum(value > 0 for _, value in judged)
    losses = sum(value < 0 for _, value in judged)
    if sequential:
        test = SequentialTest()
        for total in group_sums(values, groups):
            test = test.observe(float(total))
        p, method = test.p, METHOD
    elif not clustered and all(value in (-1.0, 0.0, 1.0) for value in values):  # repeats agree
        fell, rose = int((values < 0).sum()), int((values > 0).sum())
        p, method = mcnemar_mid_p(fell, rose), SIGN_TEST
    else:
        grid = math.lcm(*(len(of) for of in whole.values()))
        sums = group_sums(values, groups)
        p = sign_flip_p(sums, grid if grid <= FINEST_GRID else None)[0]
        method = CLUSTER_FLIP if clustered else SIGN_FLIP
    low, high = rate_interval((values + 1) / 2, groups)
    flips = [one for one, _ in judged if one.flipped]
    broken = [one for of in cases.values() for one in of if one.error]
    lost = [one for one, value in judged if value < 0]
    won = [one for one, value in judged if value > 0]
    told = [each for some in (lost, won, flips) for each in some[:MOST_EXAMPLES] if each.why]
    return Preference(
        baseline=baseline,
        pairs=len(judged),
        cases=len(whole),
        clusters=clusters if clustered else None,
        wins=wins,
        ties=len(judged) - wins - losses,
        losses=losses,
        identical=sum(one.identical for one, _ in judged),
        flips=len(flips),
        first_slot=sum(one.slot == "first" for one in flips),
        second_slot=sum(one.slot == "second" for one in flips),
        errors=len({one.case for one in broken}),
        left_out=len({one.case for one in judgements if one.left_out}),
        share=float((values.mean() + 1) / 2) if whole else None,
        low=low,
        high=high,
        p=p if whole else 1.0,
        p_adjusted=p if whole else 1.0,
        method=method,
        broken=broken[0].error if broken else "",
        won=tuple(case for case, value in zip(whole, values, strict=True) if value > 0),
        lost=tuple(case for case, value in zip(whole, values, strict=True) if value < 0),
        flipped=tuple(dict.fromkeys(one.case for one in flips)),
        failed=tuple(dict.fromkeys(one.case for one in broken)),
        examples=tuple(told),
    )


def decide_preference(
    seen: Preference, settings: GateSettings, p_adjusted: float, family: int
) -> Preference:
    """Give the row its status: regressed where losses over wins are beyond chance after Holm."""
    seen = replace(seen, p_adjusted=p_adjusted, family=family)
    verdict = Verdict.PASS
    told = (
        f"the judge preferred {seen.baseline} in {plural(seen.losses, 'pair')} and the candidate "
        f"in {seen.wins}, {seen.ties} {'was' if seen.ties == 1 else 'were'} tied"
    )
    if seen.losses > seen.wins:
        why = next((pair.why for pair in seen.examples if pair.case == seen.lost[0]), "")
        told += say.example(seen.lost[0], why) if seen.lost else ""
    chance = f"equal models lose so often in {say.odds(p_adjusted)} of runs after Holm"
    reasons = [f"{told}; {chance}" if seen.losses > seen.wins else told]
    if p_adjusted <= settings.alpha and seen.share is not None and seen.share < 0.5:
        verdict = Verdict.REGRESSED
    if not seen.pairs:
        verdict, reasons = Verdict.ERROR, ["no pair of answers could be judged"]
    if seen.errors > settings.max_errors:
        verdict = Verdict.ERROR
        what = f"{plural(seen.errors, 'pair of answers')}" if seen.errors == 1 else ""
        what = what or f"pairs of answers of {plural(seen.errors, 'case')}"
        limit = f"max_errors is {settings.max_errors}"
        reasons.insert(
            0, f"{what} could not be judged ({first_of(seen.failed)}), {limit}: {seen.broken}"
        )
    return replace(seen, verdict=verdict, reasons=tuple(reasons))
