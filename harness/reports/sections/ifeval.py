"""IFEval's own four figures, for suites that use its instructions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.reports.sections.base import Cell, Figures, Key, TableSection, judged, key_of, share
from harness.results import Result


class IfevalRow(Figures):
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


class IfevalSection(TableSection[IfevalRow]):
    """A row per suite and variant with `ifeval` checks."""

    name = "ifeval"
    figures = IfevalRow
    title = "Instructions followed"
    label = "Accuracy on IFEval's instructions"
    intro = (
        "A prompt counts when all of its instructions are followed. Loose: without its first "
        "line, its last line or its asterisks the answer may follow them as well. Other checks "
        "of the suite do not count here."
    )

    def __init__(self) -> None:
        self._counts: dict[Key, _Count] = {}

    def see(self, result: Result) -> None:
        """Count what the checks found, whichever of the two decides; an empty answer has none."""
        checks = [check for check in result.checks if check.check == "ifeval"]
        if not checks or not judged(result):
            return
        count = self._counts.setdefault(key_of(result), _Count())
        strict = [check.detail.get("strict") is True for check in checks]
        loose = [check.detail.get("loose") is True for check in checks]
        count.prompts += 1
        count.instructions += len(checks)
        count.prompt_strict += all(strict)
        count.prompt_loose += all(loose)
        count.strict += sum(strict)
        count.loose += sum(loose)

    def rows(self) -> Iterator[IfevalRow]:
        """Yield a row for each suite and variant that has such checks."""
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

    @classmethod
    def grid(cls, rows: Sequence[IfevalRow]) -> tuple[Sequence[str], Iterable[Sequence[Cell]]]:
        """Return strict and loose shares, of prompts and of instructions."""
        head = ("Suite", "Variant", "Prompts, strict", "loose", "Instructions, strict", "loose")
        return head, (
            (
                row.suite,
                row.variant,
                share(row.prompt_strict, row.prompts),
                share(row.prompt_loose, row.prompts),
                share(row.instruction_strict, row.instructions),
                share(row.instruction_loose, row.instructions),
            )
            for row in rows
        )
