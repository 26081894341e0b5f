"""A run in a notebook: one line, a table, a frame of its results. Everything shown is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.common import (
    InputError,
    Problem,
    html_table,
    percent,
    plural,
    points,
    points_span,
    span,
)
from harness.reports.document import ScorecardDocument
from harness.reports.words import label
from harness.results import Outcome, Result

if TYPE_CHECKING:
    import pandas

MOST_ROWS = 200  # of the table in a notebook; the page has all
PLAIN = (
    "suite",
    "category",
    "case",
    "variant",
    "repeat",
    "score",
    "reason",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "required",
    "cluster",
    "question",
    "prompt",
)
COLUMNS = (*PLAIN, "outcome", "passed", "response", "reasoning", "failed_checks", "tags")


def to_frame(results: Iterable[Result]) -> pandas.DataFrame:
    """Return one row per case, variant and repeat, with the columns `COLUMNS`.

    `passed` is a boolean, false for errors and skips as well: `outcome` tells them apart.
    `question` is the last user turn, `prompt` all messages, as dicts with role and content.
    `response` and `reasoning` join those of several turns by a blank line; `failed_checks` and
    `tags` are tuples of names. Raises InputError where pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError(
            Problem("pandas is not installed", hint='pip install "lora-regression-harness[pandas]"')
        ) from None
    rows = [
        {
            **{name: getattr(result, name) for name in PLAIN},
            "outcome": result.outcome.value,
            "passed": result.outcome is Outcome.PASS,
            "response": "\n\n".join(result.responses),
            "reasoning": "\n\n".join(filter(None, result.thought)),
            "failed_checks": tuple(check.check for check in result.checks if not check.passed),
            "tags": result.tags,
        }
        for result in results
    ]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


class NotebookView:
    """What a run shows of itself in a notebook: its scorecard in one line, and as a table."""

    __slots__ = ()

    def shown(self) -> tuple[ScorecardDocument, Path]:
        """Return the scorecard, and where its page is."""
        raise NotImplementedError

    def results(self) -> Iterator[Result]:
        """Yield all results."""
        raise NotImplementedError

    def to_frame(self) -> pandas.DataFrame:
        """Return one row per case, variant and repeat: see `harness.reports.notebook.to_frame`."""
        return to_frame(self.results())

    def __repr__(self) -> str:
        """Return kind, run, verdict and size."""
        card, _ = self.shown()
        size = f"{plural(len(card.run.suites), 'suite')}, {plural(len(card.variants), 'variant')}"
        return f"{type(self).__name__}({card.run.id}, {label(card.verdict)}, {size})"

    def _repr_html_(self) -> str:
        card, page = self.shown()
        heads = ("suite", "variant", "passed", "rate (95 %)", "change (95 %)", "verdict")
        rows = []
        for row in card.categories[:MOST_ROWS]:
            gate = row.gate
            change = ""
            if gate and gate.delta is not None:
                change = f"{points(gate.delta)} ({points_span(gate.delta_ci)})"
            rate = percent(row.pass_rate) + (f" ({span(row.ci)})" if row.ci else "")
            broken = row.n > 0 and row.errors == row.n
            standing = "not gated" if row.role == "candidate" else row.role.value
            rows.append(
                (
                    row.suite,
                    row.variant,
                    f"{row.passed}/{row.n}",
                    "all broke" if broken else rate,
                    change,
                    label(gate.verdict) if gate else row.partial or standing,
                )
            )
        if (more := len(card.categories) - len(rows)) > 0:
            rows.append((f"and {more:,} more", "", "", "", "", ""))
        said = [each.summary for each in card.variants if each.role == "candidate"]
        said = said or ["Nothing was gated: this run has no candidate."]
        verdicts = html_table((), [(label(card.verdict), " ".join(said)), ("page", str(page))])
        return html_table(heads, rows) + verdicts
