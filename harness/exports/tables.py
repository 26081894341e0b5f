"""Results as tables that other tools read: one row for each result, one writer for each format.

Rows go out in batches, so that memory does not grow with the run. All results of a case are in one
shard.
"""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

from harness.common import InputError, JsonValue, Problem, plural
from harness.exports.values import Destination, Exported, RunExport, new_directory
from harness.results import Outcome, Result, signature_to_json

ROWS_IN_MEMORY = 20_000  # of all shards together
FEWEST_ROWS = 256  # of a batch: smaller row groups make Parquet slow to read
MOST_SHARDS = 1_000  # files that are open at once
COLUMNS: Mapping[str, str] = {  # name and kind, in the order of the files
    "run": "text",
    "suite": "text",
    "category": "text",
    "case": "text",
    "variant": "text",
    "repeat": "integer",
    "outcome": "text",
    "passed": "boolean",
    "score": "number",
    "reason": "text",
    "response": "text",
    "responses": "texts",
    "reasoning": "text",
    "checks": "text",
    "finish_reason": "text",
    "prompt_tokens": "integer",
    "completion_tokens": "integer",
    "reasoning_tokens": "integer",
    "seconds": "number",
    "cached": "boolean",
    "required": "boolean",
    "cluster": "text",
    "tags": "texts",
    "case_hash": "text",
    "environment": "text",
    "haystack_length": "integer",
    "haystack_depth": "number",
}
TableRow = dict[str, Any]


class Writer(Protocol):
    """One file that is being written."""

    def write(self, rows: list[TableRow]) -> None:
        """Add a batch of rows."""

    def close(self) -> None:
        """End the file."""


def row_of(run_id: str, result: Result) -> TableRow:
    """Return one result as a row with `COLUMNS`.

    `passed` is null for what was not judged, `response` the last answer and `reasoning` its own,
    null where there is none; `checks` is JSON.
    """
    checks: list[JsonValue] = [
        {"check": c.check, "turn": c.turn, "passed": c.passed, "score": c.score, "reason": c.reason}
        for c in result.checks
    ]
    judged = result.outcome in (Outcome.PASS, Outcome.FAIL)
    return {
        "run": run_id,
        "suite": result.suite,
        "category": result.category,
        "case": result.case,
        "variant": result.variant,
        "repeat": result.repeat,
        "outcome": result.outcome.value,
        "passed": result.outcome is Outcome.PASS if judged else None,
        "score": result.score,
        "reason": result.reason,
        "response": result.responses[-1] if result.responses else None,
        "responses": list(result.responses),
        "reasoning": (result.reasoning[-1] if result.reasoning else "") or None,
        "checks": json.dumps(checks),
        "finish_reason": result.finish_reason,
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "reasoning_tokens": result.reasoning_tokens,
        "seconds": result.seconds,
        "cached": result.cached,
        "required": result.required,
        "cluster": result.cluster,
        "tags": list(result.tags),
        "case_hash": result.case_hash,
        "environment": signature_to_json(result.signature),
        "haystack_length": result.cell.length if result.cell else None,
        "haystack_depth": result.cell.depth if result.cell else None,
    }


def write_table(target: str, run: RunExport, destination: Destination) -> Exported:
    """Write the results into a new directory, which appears whole or not at all.

    Raises InputError for a library that is not installed, a number of shards that makes no sense
    and a directory that is there, MachineryError where the disk refuses.
    """
    shards = destination.shards
    if not 1 <= shards <= MOST_SHARDS:
        expected = f"1 to {MOST_SHARDS:,}"
        raise InputError(Problem("--shards is wrong", found=str(shards), expected=expected))
    names = [f"part-{number:05}-of-{shards:05}.{target}" for number in range(shards)]
    size = max(FEWEST_ROWS, ROWS_IN_MEMORY // shards)
    rows = 0
    with new_directory(destination) as folder, ExitStack() as stack:
        opened = (_FORMATS[target](folder / name) for name in names)
        writers = [stack.enter_context(closing(writer)) for writer in opened]
        waiting: list[list[TableRow]] = [[] for _ in names]
        for result in run.results():
            shard = zlib.crc32(f"{result.suite}\n{result.case}".encode()) % shards
            waiting[shard].append(row_of(run.id, result))
            rows += 1
            if len(waiting[shard]) == size:
                writers[shard].write(waiting[shard])
                waiting[shard] = []
        for writer, rest in zip(writers, waiting, strict=True):
            if rest:
                writer.write(rest)
    directory = destination.directory
    what = f"{plural(rows, 'row')} in {plural(len(names), 'file')}"
    return Exported(str(directory), what, tuple(directory / name for name in names))


class ParquetFile:
    """Parquet with typed columns; an empty shard has them too. Needs pyarrow."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            hint = "pip install 'lora-regression-harness[parquet]', or use --to csv or --to jsonl"
            raise InputError(Problem("pyarrow is not installed", hint=hint)) from None
        kinds = {
            "text": pa.string(),
            "integer": pa.int64(),
            "number": pa.float64(),
            "boolean": pa.bool_(),
            "texts": pa.list_(pa.string()),
        }
        self._table = pa.Table
        self._schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: list[TableRow]) -> None:
        """Add a row group. Half a surrogate pair, which Parquet cannot hold, becomes U+FFFD."""
        for row in rows:
            for name, kind in COLUMNS.items():
                value = row[name]
                if kind == "text" and value is not None:
                    row[name] = value.encode("utf-8", "replace").decode()
                elif kind == "texts":
                    row[name] = [text.encode("utf-8", "replace").decode() for text in value]
        self._file.write_table(self._table.from_pylist(rows, schema=self._schema))

    def close(self) -> None:
        """End the file."""
        self._file.close()


class CsvFile:
    """CSV in UTF-8 with a heading; lists are JSON, null is empty."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("w", encoding="utf-8", errors="replace", newline="")
        self._rows = csv.DictWriter(self._stream, list(COLUMNS), lineterminator="\n")
        self._rows.writeheader()

    def write(self, rows: list[TableRow]) -> None:
        """Add rows."""
        for row in rows:
            lists = {n: json.dumps(row[n], ensure_ascii=False) for n in ("responses", "tags")}
            self._rows.writerow({**row, **lists})

    def close(self) -> None:
        """End the file."""
        self._stream.close()


class JsonLinesFile:
    """One JSON object for each row."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("w", encoding="utf-8", newline="\n")

    def write(self, rows: list[TableRow]) -> None:
        """Add rows."""
        self._stream.writelines(json.dumps(row) + "\n" for row in rows)

    def close(self) -> None:
        """End the file."""
        self._stream.close()


_FORMATS: Mapping[str, Callable[[Path], Writer]] = {  # by the files' ending
    "parquet": ParquetFile,
    "csv": CsvFile,
    "jsonl": JsonLinesFile,
}
