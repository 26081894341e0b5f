"""Training rows out of files in any of the usual shapes; one converter, one validator."""

from harness.training.rows.files import RowFile, parse_spec
from harness.training.rows.meaning import RowError
from harness.training.rows.preferences import preference, rated
from harness.training.rows.reading import (
    PreferenceReading,
    RowReading,
    read,
    read_preferences,
    read_rows,
)
from harness.training.rows.shapes import converted
from harness.training.rows.spoken import Spoken
from harness.training.rows.valid import Mark, check, foreign, marks_in, template_families

__all__ = [
    "Mark",
    "PreferenceReading",
    "RowError",
    "RowFile",
    "RowReading",
    "Spoken",
    "check",
    "converted",
    "foreign",
    "marks_in",
    "parse_spec",
    "preference",
    "rated",
    "read",
    "read_preferences",
    "read_rows",
    "template_families",
]
