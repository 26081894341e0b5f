"""How far a judge agrees with the rule that reads refusals, and where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.common import JsonValue
from harness.reports.sections.table import (
    Cell,
    Frozen,
    Key,
    TableSection,
    first_of,
    judged,
    key_of,
    share,
)
from harness.reports.sections.table import RowRow as Row
from harness.results import CheckResult, Result

if TYPE_CHECKING:
    from harness.reports.scorecard import Scorecard


def cohen_kappa(pairs: Iterable[tuple[bool, bool]]) -> float | None:
    """Cohen's kappa (1960) of two raters who say yes or no about the same things.

    1 is full agreement, 0 what chance gives, below 0 less than that. None where it is undefined:
    without pairs, and where both raters say one and the same thing every time.
    """
    said = list(pairs)
    n = len(said)
    first, second = sum(a for a, _ in said), sum(b for _, b in said)
    same = sum(a == b for a, b in said)
    # In whole numbers, n² times the agreement that chance gives: no rounding next to 1.
    chance = first * second + (n - first) * (n - second)
    return None if chance == n * n else (n * same - chance) / (n * n - chance)


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


_HEAD = ("Suite", "Variant", "Agreement", "Cohen's kappa", "Rule and judge disagree")


class SecondOpinionSection(TableSection[SecondOpinionRow]):
    """A row per suite and variant with a rule and a judge in one turn."""

    title = "Second opinion on refusals"
    label = "Second opinion on refusals"
    intro = (
        "Share of answers where the rule (refuses or complies) and the judge of the same turn "
        "both hold or both do not. Kappa is 1 for full agreement and 0 for what chance gives; "
        "a dash where both said one thing of every answer. Named are the answers to look at, "
        "with what each of the two said."
    )

    def __init__(self, scorecard: Scorecard) -> None:
        super().__init__(scorecard.extras.second_opinion)

    def head(self) -> Sequence[str]:
        """Agreement, and where there is none."""
        return _HEAD

    def cells(self, row: SecondOpinionRow) -> tuple[Cell, ...]:
        """Agreement, kappa and the answers to look at."""
        kappa = "–" if row.kappa is None else f"{row.kappa:.2f}".replace("-", "−")
        apart = first_of(map(_named, row.disagreements)) or "–"
        return (row.suite, row.variant, share(row.agreement, row.n), kappa, apart)


def _named(found: Disagreement) -> str:
    turn = f", turn {found.turn}" if found.turn > 1 else ""
    repeat = f", repeat {found.repeat}" if found.repeat else ""
    holds, fails = ("rule", "judge") if found.rule else ("judge", "rule")
    return f"{found.case}{turn}{repeat} ({holds} holds, {fails} does not)"
