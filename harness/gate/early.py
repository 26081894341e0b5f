"""The sequential test of one suite, over its pairs in the order in which they were answered."""

from __future__ import annotations

from collections import Counter

from harness.gate.ledger import Items
from harness.gate.pairs import Pairs
from harness.gate.sequential import SequentialTest

METHOD = "e-value, valid whenever one stops"


def sequential_test(pairs: Pairs, items: Items) -> SequentialTest:
    """The test over all pairs so far; a cluster is looked at once all of its pairs are there.

    `items` are the candidate's, in the order of their results.
    """
    place = {case: index for index, case in enumerate(pairs.cases)}
    left = Counter(pairs.groups.tolist())
    sums: Counter[int] = Counter()
    test = SequentialTest()
    for case in items:
        if case not in place:
            continue
        group = int(pairs.groups[place[case]])
        sums[group] += pairs.changes[place[case]]
        left[group] -= 1
        if not left[group]:
            test = test.observe(float(sums[group]))
    return test
