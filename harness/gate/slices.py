"""The cases of a suite by tag: how each slice changed, where losses gather, and declared slices.

Every tag is a slice. An exploratory one is described and decides nothing: with many tags some
always look bad. One that the suite declares is tested with the suites, under the same error budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from harness.common import GateSettings
from harness.gate import sentences as say
from harness.gate.comparison import Tested, rate_of, regressed, smallest_seen
from harness.gate.pairs import CHANGED, Items, Pairs
from harness.gate.statistics import Ints, gathering_p, group_sums, holm, spread
from harness.results import Slice, Verdict

MOST_SLICES = 100  # of a suite, the most frequent tags: a tag for each case is no slice
ENOUGH_LOSSES = 5  # fewer are no pattern


@dataclass(frozen=True, slots=True)
class Sliced:
    """The slices of one suite and variant, and the pairs of those that the suite declares.

    `tags` counts all tags.
    """

    slices: tuple[Slice, ...] = ()
    tags: int = 0
    declared: Mapping[str, Pairs] = field(default_factory=dict)


NO_SLICES = Sliced()


def count_slices(
    items: Items, others: Items, pairs: Pairs | None, settings: GateSettings
) -> Sliced:
    """Describe each tag: its rate, and its change over the pairs with the baseline.

    A declared slice is there even where no result has its tag; `decide_slices` judges it.
    """
    cases: dict[str, list[str]] = {tag: [] for tag in settings.slices}
    for case, item in items.items():
        for tag in dict.fromkeys(item.tags or (others[case].tags if case in others else ())):
            cases.setdefault(tag, []).append(case)
    declared = dict.fromkeys(settings.slices)
    free = sorted((tag for tag in cases if tag not in declared), key=lambda t: (-len(cases[t]), t))
    at = {case: place for place, case in enumerate(pairs.cases)} if pairs is not None else {}
    found, tested, chances = [], {}, {}
    for tag in (*declared, *free[: max(0, MOST_SLICES - len(declared))]):
        row = Slice(tag, rate_of({case: items[case] for case in cases[tag]}))
        places = np.array([at[case] for case in cases[tag] if case in at], dtype=np.int64)
        if pairs is not None and places.size:
            some = pairs.take(places)
            wide = spread(some.changes, some.groups, binary=some.binary)
            low, high = wide.interval()
            row = replace(
                row,
                shift=some.shift,
                delta=float(some.changes.mean()),
                low=low,
                high=high,
                worse=some.changed(-1),
                better=some.changed(1),
                sees=smallest_seen(some, wide, settings.alpha),
            )
            if tag in declared:
                tested[tag] = some
            if (chance := _gathering(pairs, places)) is not None:
                chances[tag] = chance
        found.append(replace(row, declared=tag in declared))
    gathers = dict(zip(chances, holm(list(chances.values())), strict=True))
    found = [replace(row, gathers=gathers.get(row.tag)) for row in found]
    # Declared ones in their order, then by what they lost: those that nobody asked about last.
    found.sort(key=lambda row: (not row.declared, len(row.better) - len(row.worse)))
    head = [row for tag in declared for row in found if row.tag == tag]
    rest = [row for row in found if not row.declared]
    return Sliced((*head, *rest), len(cases), tested)


def _gathering(pairs: Pairs, places: Ints) -> float | None:
    """Return the chance that the slice at these places holds so many of the suite's losses.

    What counts is the cluster, as a loss where its cases lost together; a cluster of which a part
    is in the slice counts as two. None for few losses and for a slice that is the whole suite.
    """
    inside = np.zeros(len(pairs.cases), dtype=np.int64)
    inside[places] = 1
    keys, groups = np.unique(2 * pairs.groups + inside, return_inverse=True)
    lost = group_sums(pairs.changes, groups.astype(np.int64)) < -CHANGED
    of_slice = keys % 2 == 1
    if lost.sum() < ENOUGH_LOSSES or of_slice.all():
        return None
    return gathering_p(
        int((lost & of_slice).sum()), int(of_slice.sum()), int(lost.sum()), len(keys)
    )


def decide_slices(
    sliced: Sliced,
    tested: Mapping[str, Tested],
    items: Items,
    settings: GateSettings,
    baseline: str,
) -> tuple[Slice, ...]:
    """Return the slices, the declared ones with their tests and verdicts.

    A declared slice regresses as a suite does: the drop is beyond chance after Holm, and larger
    than `max_drop`. Where none of its cases could be compared nobody can tell.
    """
    rows = []
    for row in sliced.slices:
        if row.declared and row.shift is None:
            reason = f"slice {row.tag}: no case of it could be compared with {baseline}"
            row = replace(row, verdict=Verdict.INCONCLUSIVE, reasons=(reason,))
        elif row.declared and row.shift is not None:
            seen = tested[row.tag].comparison
            worse = regressed(seen, settings)
            told = say.moved(row.shift, settings)
            if worse:
                told += say.example(row.worse[0], items[row.worse[0]].reason)
            parts = [f"slice {row.tag}: {told}", say.change(seen, settings)]
            reasons = ["; ".join(parts)] if worse else [*parts[:1], say.sight(seen, "slice")]
            row = replace(
                row,
                sees=seen.sees,
                comparison=seen,
                verdict=Verdict.REGRESSED if worse else Verdict.PASS,
                reasons=("; ".join(reasons),),
            )
        rows.append(row)
    return tuple(rows)
