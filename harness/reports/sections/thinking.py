"""How much is thought before an answer, and how often thinking never ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.common import percent
from harness.reports.sections.base import (
    Cell,
    Figures,
    Key,
    TableSection,
    judged,
    key_of,
    share,
)
from harness.results import Result


class ThinkingRow(Figures):
    """Of `answers`, every repeat and turn by itself: those with reasoning, and those without end.

    `reasoning_tokens` are those of all answers together, and among `completion_tokens`.
    """

    answers: int
    reasoned: int
    unended: int
    reasoning_tokens: int
    completion_tokens: int


@dataclass(slots=True)
class _Count:
    answers: int = 0
    reasoned: int = 0
    unended: int = 0
    reasoning_tokens: int = 0
    completion_tokens: int = 0


class ThinkingSection(TableSection[ThinkingRow]):
    """A row per suite and variant in which anything was thought."""

    name = "thinking"
    figures = ThinkingRow
    title = "Thinking"
    label = "Thinking before the answer"
    intro = (
        "How many answers have reasoning, which no check reads unless it says so, and how long it "
        "is. An answer whose thinking never ended fails: nothing of it is an answer."
    )

    def __init__(self) -> None:
        self._counts: defaultdict[Key, _Count] = defaultdict(_Count)

    def see(self, result: Result) -> None:
        """Count one result."""
        if not judged(result):
            return
        count = self._counts[key_of(result)]
        thoughts = [step.reasoning for step in result.steps] or result.reasoning
        count.answers += len(result.steps) or len(result.responses)
        count.reasoned += sum(bool(text) for text in thoughts)
        count.unended += result.unended
        count.reasoning_tokens += result.reasoning_tokens
        count.completion_tokens += result.completion_tokens

    def rows(self) -> Iterator[ThinkingRow]:
        """Yield a row for each suite and variant with reasoning."""
        for (suite, variant), count in self._counts.items():
            if count.reasoned or count.unended:
                yield ThinkingRow(
                    suite=suite,
                    variant=variant,
                    answers=count.answers,
                    reasoned=count.reasoned,
                    unended=count.unended,
                    reasoning_tokens=count.reasoning_tokens,
                    completion_tokens=count.completion_tokens,
                )

    @classmethod
    def grid(cls, rows: Sequence[ThinkingRow]) -> tuple[Sequence[str], Iterable[Sequence[Cell]]]:
        """Return how many think, for how long, and how many come to no end."""
        head = (
            "Suite",
            "Variant",
            "With reasoning",
            "Never ended",
            "Tokens of it",
            "Of all tokens",
        )
        cells = []
        for row in rows:
            mean = row.reasoning_tokens / row.reasoned if row.reasoned else 0.0
            whole = row.completion_tokens
            of_all = percent(row.reasoning_tokens / whole) if whole else "–"
            reasoned = share(row.reasoned / row.answers, row.answers)
            tokens = f"{mean:,.0f} each"
            cells.append((row.suite, row.variant, reasoned, f"{row.unended:,}", tokens, of_all))
        return head, cells
