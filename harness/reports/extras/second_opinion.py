"""What a judge says of the answers that a rule reads as refusal or help."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.canonical import JsonValue
from harness.reports.extras.agreement import cohen_kappa
from harness.reports.extras.row import Frozen, Key, Row, judged, key_of
from harness.runner.values import CheckResult, Result

_RULES = ("refuses", "complies")
_JUDGE = "judge"


class Disagreement(Frozen):
    """An answer on which the two differ: whether each holds. `turn` counts from 1, `repeat` from 0.

    Repeat r was sampled with the case's seed + r.
    """

    case: str
    turn: int
    repeat: int
    rule: bool
    judge: bool


class SecondOpinionRow(Row):
    """Answers with a rule (`refuses` or `complies`) and a `judge` among the checks of their turn.

    `n` counts answers, each repeat by itself; empty ones are not judged and do not count. `kappa`
    is Cohen's, null where it is undefined: both said one and the same thing of every answer.
    """

    n: int
    agreement: float
    kappa: float | None
    disagreements: tuple[Disagreement, ...]


@dataclass(slots=True)
class _Count:
    pairs: list[tuple[bool, bool]] = field(default_factory=list)
    apart: list[Disagreement] = field(default_factory=list)


class SecondOpinionCount:
    """Counts results, one after the other."""

    def __init__(self) -> None:
        self._counts: dict[Key, _Count] = {}

    def add(self, result: Result) -> None:
        """Count one result: a turn at a time, whatever the checks' weights."""
        if not judged(result) or not any(check.detail for check in result.checks):
            return
        for turn in sorted({check.turn for check in result.checks}):
            pair = _opinions(check for check in result.checks if check.turn == turn)
            if pair is not None:
                count = self._counts.setdefault(key_of(result), _Count())
                count.pairs.append(pair)
                if pair[0] != pair[1]:
                    count.apart.append(_apart(result, turn, pair))

    def rows(self) -> Iterator[SecondOpinionRow]:
        """A row for each suite and variant with such turns."""
        for (suite, variant), count in self._counts.items():
            n = len(count.pairs)
            yield SecondOpinionRow(
                suite=suite,
                variant=variant,
                n=n,
                agreement=(n - len(count.apart)) / n,
                kappa=cohen_kappa(count.pairs),
                disagreements=tuple(sorted(count.apart, key=_place)),
            )


def _opinions(checks: Iterable[CheckResult]) -> tuple[bool, bool] | None:
    """Whether all rules hold, and all judges; None where one of the two is missing."""
    said: dict[bool, list[bool]] = {True: [], False: []}
    for check in checks:
        for name, passed in _simple(check.check, check.passed, check.detail):
            said[name == _JUDGE].append(passed)
    rules, judges = said[False], said[True]
    return (all(rules), all(judges)) if rules and judges else None


def _simple(
    name: object, passed: object, detail: object, flip: bool = False
) -> Iterator[tuple[str, bool]]:
    """The rules and judges in a check; what stands below `not` says the opposite."""
    if not isinstance(detail, Mapping):
        return
    # An empty answer fails unseen: the rule gave no label, and the judge was never asked.
    seen = "why" in detail if name == _JUDGE else "label" in detail
    if isinstance(name, str) and name in (_JUDGE, *_RULES) and seen:
        if isinstance(passed, bool):
            yield name, passed != flip
    else:
        for row in _inner(detail):
            inner = row.get("detail")
            yield from _simple(row.get("check"), row.get("passed"), inner, flip != (name == "not"))


def _inner(detail: Mapping[str, JsonValue]) -> Iterator[Mapping[str, JsonValue]]:
    rows = detail.get("checks")
    for row in rows if isinstance(rows, list | tuple) else ():
        if isinstance(row, Mapping):
            yield row


def _apart(result: Result, turn: int, pair: tuple[bool, bool]) -> Disagreement:
    rule, judge = pair
    return Disagreement(
        case=result.case, turn=turn + 1, repeat=result.repeat, rule=rule, judge=judge
    )


def _place(found: Disagreement) -> tuple[str, int, int]:
    return found.case, found.turn, found.repeat
