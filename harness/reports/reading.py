"""A report's folder read back: what was run, its scorecard and its results."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.common import InputError, Problem, shown
from harness.common.reading import fitting, read_json_lines, read_object, read_text
from harness.reports.document import SCHEMA_VERSION, ScorecardDocument
from harness.reports.notebook import NotebookView
from harness.results import Result, RunInfo, read_result

AGAIN = "copy the folder again, or write it again: harness show RUN"


@dataclass(frozen=True, slots=True, repr=False)
class SavedRun(NotebookView):
    """A run as its folder under `reports/` holds it."""

    directory: Path
    scorecard: ScorecardDocument

    @property
    def info(self) -> RunInfo:
        """The record of the run, as far as the scorecard has it."""
        return self.scorecard.info

    def shown(self) -> tuple[ScorecardDocument, Path]:
        """Return the scorecard, and where its page is."""
        return self.scorecard, self.directory / "scorecard.html"

    def results(self) -> Iterator[Result]:
        """Yield all results of the variants that answered in the run, line by line.

        Raises InputError, with the line, for a row that is none, and at the end of the file where
        results are missing that the scorecard counts.
        """
        path = self.directory / "results.jsonl"
        seen: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for row in read_json_lines(path, "the results", hint=AGAIN, surrogates=True):
            if isinstance(row, Problem):
                raise InputError(replace(row, hint=AGAIN))
            result = read_result(row.value, str(path), row.number)
            seen[result.suite, result.variant].add(result.case)
            yield result
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


def load_run(path: str | Path) -> SavedRun:
    """Read the run in a folder under `reports/`, `latest` included.

    Raises InputError for a folder without a scorecard, or with one that is not whole.
    """
    directory = Path(path)
    if directory.is_file() and directory.stat().st_size < 200:
        # Where a system has no links, `latest` is a file with the name of the folder.
        name = read_text(directory).strip()
        directory = directory.parent / name
    file = directory / "scorecard.json"
    if not os.path.isfile(file):
        expected = "a folder under reports/, as a run leaves it"
        message = "this is no report of a run: there is no scorecard"
        raise InputError(Problem(message, str(file), expected=expected))
    content = read_object(file, "the scorecard", hint=AGAIN)
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        problem = Problem(
            "the scorecard has another format version",
            path=str(file),
            found=shown(version),
            expected=str(SCHEMA_VERSION),
        )
        raise InputError(problem)
    return SavedRun(
        directory,
        fitting(ScorecardDocument, content, str(file), what="the scorecard", strict=False),
    )
