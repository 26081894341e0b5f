"""Suites out of the files that others publish: IFEval, XSTest, rows of instructions or messages."""

from harness.suites.importing.conversations import TARGETS, Reading, import_rows, parse_map
from harness.suites.importing.ifeval import import_ifeval
from harness.suites.importing.references import CHECKS
from harness.suites.importing.suite_file import Imported, write_suite
from harness.suites.importing.xstest import import_xstest

__all__ = [
    "CHECKS",
    "TARGETS",
    "Imported",
    "Reading",
    "import_ifeval",
    "import_rows",
    "import_xstest",
    "parse_map",
    "write_suite",
]
