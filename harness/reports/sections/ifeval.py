"""IFEval's own four figures, for suites that use its instructions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.reports.sections.table import Cell, Key, TableSection, judged, key_of, share
from harness.reports.sections.table import RowRow as Row
from harness.results import CheckResult, Result

if TYPE_CHECKING:
    from harness.reports.scorecard import Scorecard


class IfevalRow(Row):
    """Accuracies in shares. A prompt is followed when all of its instructions are.

    `prompts` counts answers to prompts with `ifeval` checks, each repeat by itself, without those
    that ended as errors; an empty answer follows nothing.
    """

    prompts: int
    instructions: int
    prompt_strict: float
    prompt_loose: float
    instruction_strict: float
    instruction_loose: float


@dataclass(slots=True)
class _Count:
    prompts: int = 0
    instructions: int = 0
    prompt_strict: int = 0
    prompt_loose: int = 0
    strict: int = 0
    loose: int = 0


class IfevalCount:
    """Counts results, one after the other."""

    def __init__(self) -> None:
        self._counts: dict[Key, _Count] = {}

    def add(self, result: Result) -> None:
        """Count one result."""
        checks = [check for check in result.checks if check.check == "ifeval"]
        if not checks or not judged(result):
            return
        count = self._counts.setdefault(key_of(result), _Count())
        strict = [_says(check, "strict") for check in checks]
        loose = [_says(check, "loose") for check in checks]
        count.prompts += 1
        count.instructions += len(checks)
        count.prompt_strict += all(strict)
        count.prompt_loose += all(loose)
        count.strict += sum(strict)
        count.loose += sum(loose)

    def rows(self) -> Iterator[IfevalRow]:
        """A row for each suite and variant that has such checks."""
        for (suite, variant), count in self._counts.items():
            yield IfevalRow(
                suite=suite,
                variant=variant,
                prompts=count.prompts,
                instructions=count.instructions,
                prompt_strict=count.prompt_strict / count.prompts,
                prompt_loose=count.prompt_loose / count.prompts,
                instruction_strict=count.strict / count.instructions,
                instruction_loose=count.loose / count.instructions,
            )


def _says(check: CheckResult, how: str) -> bool:
    """What the check found, whichever of the two decides; nothing is found in an empty answer."""
    return check.detail.get(how) is True


_HEAD = ("Suite", "Variant", "Prompts, strict", "loose", "Instructions, strict", "loose")


class IfevalSection(TableSection[IfevalRow]):
    """A row per suite and variant."""

    title = "Instructions followed"
    label = "Accuracy on IFEval's instructions"
    intro = (
        "A prompt counts when all of its instructions are followed. Loose: without its first "
        "line, its last line or its asterisks the answer may follow them as well. Other checks "
        "of the suite do not count here."
    )

    def __init__(self, scorecard: Scorecard) -> None:
        super().__init__(scorecard.extras.ifeval)

    def head(self) -> Sequence[str]:
        """Strict and loose, of prompts and of instructions."""
        return _HEAD

    def cells(self, row: IfevalRow) -> tuple[Cell, ...]:
        """Four shares."""
        return (
            row.suite,
            row.variant,
            share(row.prompt_strict, row.prompts),
            share(row.prompt_loose, row.prompts),
            share(row.instruction_strict, row.instructions),
            share(row.instruction_loose, row.instructions),
        )
