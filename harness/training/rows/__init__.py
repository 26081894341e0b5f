"""Training rows out of files in any of the usual shapes; one converter, one validator."""

from harness.training.rows.files import RowFile, parse_spec
from harness.training.rows.reading import RowReading, read, read_rows
from harness.training.rows.shapes import (
    Mark,
    check,
    converted,
    foreign,
    marks_in,
    template_families,
)

__all__ = [
    "Mark",
    "RowFile",
    "RowReading",
    "check",
    "converted",
    "foreign",
    "marks_in",
    "parse_spec",
    "read",
    "read_rows",
    "template_families",
]
