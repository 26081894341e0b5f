"""How far a judge agrees with the rule that reads refusals, and where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.common import first_of
from harness.reports.sections.base import (
    SHOWN,
    Cell,
    Figures,
    Frozen,
    Key,
    TableSection,
    judged,
    key_of,
    share,
)
from harness.results import Result


def cohen_kappa(pairs: Iterable[tuple[bool, bool]]) -> float | None:
    """Return Cohen's kappa (1960) of two raters who say yes or no about the same things.

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


class SecondOpinionRow(Figures):
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


class SecondOpinionSection(TableSection[SecondOpinionRow]):
    """A row per suite and variant with a rule and a judge in one turn."""

    name = "second_opinion"
    figures = SecondOpinionRow
    title = "Second opinion on refusals"
    label = "Second opinion on refusals"
    intro = (
        "Share of answers where the rule (refuses or complies) and the judge of the same turn "
        "both hold or both do not. Kappa is 1 for full agreement and 0 for what chance gives; "
        "a dash where both said one thing of every answer. Named are the answers to look at, "
        "with what each of the two said."
    )

    def __init__(self) -> None:
        self._counts: dict[Key, _Count] = {}

    def see(self, result: Result) -> None:
        """Count the turns that have both: whether all rules hold, and all judges.

        The weights of the checks do not matter.
        """
        if not judged(result) or not any(check.detail for check in result.checks):
            return
        for turn in sorted({check.turn for check in result.checks}):
            rules: list[bool] = []
            judges: list[bool] = []
            for check in (check for check in result.checks if check.turn == turn):
                for name, passed in _opinions(check.check, check.passed, check.detail):
                    (judges if name == _JUDGE else rules).append(passed)
            if not (rules and judges):
                continue
            rule, judge = all(rules), all(judges)
            count = self._counts.setdefault(key_of(result), _Count())
            count.pairs.append((rule, judge))
            if rule != judge:
                count.apart.append(
                    Disagreement(
                        case=result.case,
                        turn=turn + 1,
                        repeat=result.repeat,
                        rule=rule,
                        judge=judge,
                    )
                )

    def rows(self) -> Iterator[SecondOpinionRow]:
        """Yield a row for each suite and variant with such turns."""
        for (suite, variant), count in self._counts.items():
            n = len(count.pairs)
            apart = sorted(count.apart, key=lambda found: (found.case, found.turn, found.repeat))
            yield SecondOpinionRow(
                suite=suite,
                variant=variant,
                n=n,
                agreement=(n - len(apart)) / n,
                kappa=cohen_kappa(count.pairs),
                disagreements=tuple(apart),
            )

    @classmethod
    def grid(
        cls, rows: Sequence[SecondOpinionRow]
    ) -> tuple[Sequence[str], Iterable[Sequence[Cell]]]:
        """Return agreement, kappa and the answers to look at."""
        cells = []
        for row in rows:
            kappa = "–" if row.kappa is None else f"{row.kappa:.2f}".replace("-", "−")
            named = []
            for found in row.disagreements:
                turn = f", turn {found.turn}" if found.turn > 1 else ""
                repeat = f", repeat {found.repeat}" if found.repeat else ""
                holds, fails = ("rule", "judge") if found.rule else ("judge", "rule")
                named.append(f"{found.case}{turn}{repeat} ({holds} holds, {fails} does not)")
            agreement = share(row.agreement, row.n)
            cells.append((row.suite, row.variant, agreement, kappa, first_of(named, SHOWN) or "–"))
        head = ("Suite", "Variant", "Agreement", "Cohen's kappa", "Rule and judge disagree")
        return head, cells


def _opinions(
    name: object, passed: object, detail: object, flip: bool = False
) -> Iterator[tuple[str, bool]]:
    """Yield the rules and judges in a check; what stands below `not` says the opposite."""
    if not isinstance(detail, Mapping):
        return
    # An empty answer fails unseen: the rule gave no label, and the judge was never asked.
    seen = "why" in detail if name == _JUDGE else "label" in detail
    if isinstance(name, str) and name in (_JUDGE, *_RULES) and seen:
        if isinstance(passed, bool):
            yield name, passed != flip
        return
    inner = detail.get("checks")
    for row in inner if isinstance(inner, list | tuple) else ():
        if isinstance(row, Mapping):
            below = flip != (name == "not")
            yield from _opinions(row.get("check"), row.get("passed"), row.get("detail"), below)
