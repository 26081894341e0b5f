"""Results as a pandas table, for questions that no report foresees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.errors import InputError, Problem
from harness.runner.values import Result

if TYPE_CHECKING:
    import pandas

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
    "required",
    "cluster",
)
COLUMNS = (*PLAIN, "outcome", "passed", "response", "failed_checks", "tags")


def to_frame(results: Iterable[Result]) -> pandas.DataFrame:
    """One row per case, variant and repeat, with the columns `COLUMNS`.

    `passed` is a boolean, false for errors and skips as well: `outcome` tells them apart.
    `response` joins the answers of several turns by a blank line; `failed_checks` and `tags` are
    tuples of names. Raises InputError where pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError(
            Problem("pandas is not installed", mend='pip install "adapter-gate-harness[pandas]"')
        ) from None
    return pandas.DataFrame([_row(result) for result in results], columns=list(COLUMNS))


def _row(result: Result) -> dict[str, object]:
    return {
        **{name: getattr(result, name) for name in PLAIN},
        "outcome": result.outcome.value,
        "passed": result.outcome.value == "pass",
        "response": "\n\n".join(result.responses),
        "failed_checks": tuple(check.check for check in result.checks if not check.passed),
        "tags": result.tags,
    }
