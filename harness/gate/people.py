"""What people said of answers, as items of the gate and as agreement between raters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from harness.common import first_of, plural
from harness.gate.pairs import Items
from harness.results import HIGHEST, LOWEST, TIE, HumanJudgement, Reviewed, Signature

GOOD = 4  # a mean score from here on is a pass, as for a judge
FEWEST = 10  # answers that several people judged: fewer say nothing of their agreement


@dataclass(frozen=True, slots=True)
class CaseMark:
    """What people think of one case of one variant: from 0 to 1, and in words."""

    value: float
    good: bool
    told: str


Marks = Mapping[str, CaseMark]  # by case


def score_marks(people: Reviewed, suite: str, variant: str) -> dict[str, CaseMark]:
    """Return the cases of a variant whose answers were scored.

    A case is the mean over its answers, an answer that over all its scores, whoever gave them.
    """
    found: defaultdict[str, defaultdict[tuple[int, int], list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    raters: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for row in people.judgements:
        if row.suite != suite or row.score is None:
            continue
        for name, repeat in people.places[row.keys[0]]:
            if name == variant:
                found[row.case][repeat, row.turn].append(row.score)
                raters[row.case][row.rater] = None
    marks = {}
    for case, answers in found.items():
        mean = sum(sum(scores) / len(scores) for scores in answers.values()) / len(answers)
        told = f"scored {mean:.1f} of {HIGHEST} by {first_of(raters[case])}"
        marks[case] = CaseMark((mean - LOWEST) / (HIGHEST - LOWEST), mean >= GOOD, told)
    return marks


def preference_values(row: HumanJudgement, people: Reviewed, variant: str, other: str) -> list[int]:
    """Return a judgement for each repeat in which the two variants gave these two answers.

    1 where the answer of `variant` was preferred, −1 where that of `other` was, 0 for a tie.
    """
    if row.preferred is None:
        return []
    first, second = (set(people.places[key]) for key in row.keys)
    digests = [each.digest for each in row.answers]
    values = []
    for mine, theirs, digest in ((first, second, digests[0]), (second, first, digests[1])):
        worth = 0 if row.preferred == TIE else 1 if row.better == digest else -1
        both = [at for name, at in mine if name == variant and (other, at) in theirs]
        values += [worth] * len(both)
    return values


def preference_marks(
    people: Reviewed, suite: str, variant: str, baseline: str
) -> dict[str, tuple[CaseMark, CaseMark]]:
    """Return the cases in which answers of both were compared: the variant's, the baseline's.

    A case is the mean over all comparisons: (1 + mean) / 2 for the variant, where 1 is a win and
    −1 a loss, and the rest of 1 for the baseline.
    """
    found: defaultdict[str, list[int]] = defaultdict(list)
    raters: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for row in people.judgements:
        if row.suite == suite and (values := preference_values(row, people, variant, baseline)):
            found[row.case] += values
            raters[row.case][row.rater] = None
    marks = {}
    for case, values in found.items():
        mean = sum(values) / len(values)
        liked = "no answer" if mean == 0 else "its answer" if mean > 0 else f"that of {baseline}"
        told = f"{liked} was preferred by {first_of(raters[case])}"
        marks[case] = (
            CaseMark((1 + mean) / 2, mean >= 0, told),
            CaseMark((1 - mean) / 2, mean <= 0, told),
        )
    return marks


def judged_items(
    people: Reviewed,
    suite: str,
    variant: str,
    items: Items,
    baseline: str | None,
    others: Items,
) -> tuple[Items, Items]:
    """Return the items of a variant and its baseline that people judged, with what they said.

    Where both scores and comparisons are there, that counts which more cases have.
    """
    mine = score_marks(people, suite, variant)
    theirs = score_marks(people, suite, baseline) if baseline is not None else {}
    if baseline is not None:
        pairs = preference_marks(people, suite, variant, baseline)
        if len(pairs) > len(mine.keys() & theirs.keys()):
            mine = {case: pair[0] for case, pair in pairs.items()}
            theirs = {case: pair[1] for case, pair in pairs.items()}
    return _marked(items, mine), _marked(others, theirs)


def _marked(items: Items, marks: Marks) -> Items:
    """Return the items that have a mark, as if it were the outcome of one repeat.

    How answers were scored does not count here: judges and tags of reasoning may differ.
    """
    return {
        case: replace(
            items[case],
            passes=int(mark.good),
            fails=int(not mark.good),
            errors=0,
            skips=0,
            score=mark.value,
            seen=1,
            reason=mark.told,
            signatures=tuple(
                dict.fromkeys(Signature(s.environment, s.sampling) for s in items[case].signatures)
            ),
        )
        for case, mark in marks.items()
        if case in items
    }


@dataclass(frozen=True, slots=True)
class Alpha:
    """Krippendorff's alpha over the `n` units that two raters or more judged.

    `value` is None where nobody can tell, and `reason` says why.
    """

    n: int
    raters: int
    value: float | None = None
    reason: str = ""


def krippendorff_alpha(
    units: Iterable[Mapping[str, int]], metric: Literal["interval", "nominal"]
) -> Alpha:
    """Return the agreement of raters, each unit a mapping from a rater to what that one said.

    1 is full agreement, 0 what chance would give. interval: scores, of which near ones disagree
    little; nominal: names. Units that one rater alone judged do not count. By NLTK. Source:
    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability.
    """
    several = [dict(unit) for unit in units if len(unit) > 1]
    n, raters = len(several), len({rater for unit in several for rater in unit})
    if not n:
        return Alpha(0, 0, reason="no answer was judged by two people")
    if n < FEWEST:
        told = plural(n, "answer")
        return Alpha(n, raters, reason=f"{told} judged by two people, {FEWEST} are needed")
    if len({said for unit in several for said in unit.values()}) == 1:
        return Alpha(n, raters, reason="all said the same of everything: chance cannot be told")
    try:
        from nltk.metrics import binary_distance, interval_distance
        from nltk.metrics.agreement import AnnotationTask
    except ModuleNotFoundError:
        hint = 'pip install "lora-regression-harness[review]"'
        return Alpha(n, raters, reason=f"nltk is not installed: {hint}")
    distance = interval_distance if metric == "interval" else binary_distance
    rows = [(who, at, said) for at, unit in enumerate(several) for who, said in unit.items()]
    return Alpha(n, raters, float(AnnotationTask(data=rows, distance=distance).alpha()))
