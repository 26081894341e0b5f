"""A report's folder read back: what was run, its scorecard and its results."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ValidationError

from harness.common import InputError, Problem
from harness.reports.document import SCHEMA_VERSION, ScorecardDocument
from harness.results import Outcome, Result, RunInfo, result_from_json

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
AGAIN = "copy the folder again, or write it again: harness show RUN"


def to_frame(results: Iterable[Result]) -> pandas.DataFrame:
    """Return one row per case, variant and repeat, with the columns `COLUMNS`.

    `passed` is a boolean, false for errors and skips as well: `outcome` tells them apart.
    `response` joins the answers of several turns by a blank line; `failed_checks` and `tags` are
    tuples of names. Raises InputError where pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError(
            Problem("pandas is not installed", hint='pip install "adapter-gate-harness[pandas]"')
        ) from None
    rows = [
        {
            **{name: getattr(result, name) for name in PLAIN},
            "outcome": result.outcome.value,
            "passed": result.outcome is Outcome.PASS,
            "response": "\n\n".join(result.responses),
            "failed_checks": tuple(check.check for check in result.checks if not check.passed),
            "tags": result.tags,
        }
        for result in results
    ]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run as its folder under `reports/` holds it."""

    directory: Path
    scorecard: ScorecardDocument

    @property
    def info(self) -> RunInfo:
        """The record of the run, as far as the scorecard has it."""
        return self.scorecard.info

    def results(self) -> Iterator[Result]:
        """Yield all results of the variants that answered in the run, line by line.

        Raises InputError, with the line, for a row that is none, and at the end of the file where
        results are missing that the scorecard counts.
        """
        path = self.directory / "results.jsonl"
        seen: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        try:
            with path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, start=1):
                    result = _result(path, number, line)
                    seen[result.suite, result.variant].add(result.case)
                    yield result
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise InputError(
                Problem(f"cannot read the results: {reason}", path=str(path))
            ) from None
        answered = {variant.name for variant in self.info.answered}
        missing = [
            f"suite {row.suite}, variant {row.variant}: {there} of {row.n + row.skipped} cases"
            for row in self.scorecard.categories
            if row.variant in answered
            and (there := len(seen[row.suite, row.variant])) < row.n + row.skipped
        ]
        if missing:
            found = "; ".join(missing)
            raise InputError(
                Problem("results are missing", path=str(path), found=found, hint=AGAIN)
            )

    def to_frame(self) -> pandas.DataFrame:
        """Return one row per case, variant and repeat; see `harness.reports.reading`."""
        return to_frame(self.results())


def load_run(path: str | Path) -> SavedRun:
    """Read the run in a folder under `reports/`, `latest` included.

    Raises InputError for a folder without a scorecard, or with one that is not whole.
    """
    directory = Path(path)
    if directory.is_file() and directory.stat().st_size < 200:
        # Where a system has no links, `latest` is a file with the name of the folder.
        name = directory.read_text(encoding="utf-8", errors="replace").strip()
        directory = directory.parent / name
    file = directory / "scorecard.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(
            Problem(
                f"this is no report of a run: cannot read the scorecard: {reason}",
                path=str(file),
                expected="a folder under reports/, as a run leaves it",
            )
        ) from None
    except json.JSONDecodeError as error:
        problem = Problem(
            f"the scorecard is not whole JSON: {error.msg}",
            path=str(file),
            line=error.lineno,
            column=error.colno,
            hint=AGAIN,
        )
        raise InputError(problem) from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        problem = Problem(
            "the scorecard has another format version",
            path=str(file),
            found=str(version),
            expected=str(SCHEMA_VERSION),
        )
        raise InputError(problem)
    try:
        return SavedRun(directory, ScorecardDocument.model_validate(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        problem = Problem(f"the scorecard is wrong at {place}: {first['msg']}", path=str(file))
        raise InputError(problem) from None


def _result(path: Path, number: int, line: str) -> Result:
    """Read one row; its number counts from 1."""
    expected = "a score is a number from 0 to 1"
    more: dict[str, Any] = {}
    try:
        result = result_from_json(json.loads(line, parse_constant=_no_number))
    except json.JSONDecodeError:
        cut = not line.endswith("\n")
        message = "the file ends in the middle of a row" if cut else "this row is not JSON"
        more = {"hint": AGAIN}
    except _NoNumberError as error:
        message, more = f"{error} is no number", {"expected": expected}
    except (KeyError, TypeError, ValueError) as error:
        message = f"this row is no result: {error!r}"
    else:
        score: object = result.score  # the row may hold anything
        if isinstance(score, int | float) and not isinstance(score, bool):
            return result
        message, more = f"{score!r} is no number", {"expected": expected}
    raise InputError(Problem(message, path=str(path), line=number, **more)) from None


class _NoNumberError(Exception):
    """NaN or an infinity, which JSON does not have."""


def _no_number(text: str) -> NoReturn:
    raise _NoNumberError(text)
