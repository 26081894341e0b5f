"""Suites out of the files that others publish: IFEval, XSTest, rows of instructions or messages."""

from harness.suites.importing.benchmarks import import_ifeval, import_xstest
from harness.suites.importing.conversations import (
    CHECKS,
    TARGETS,
    ImportOptions,
    import_rows,
    parse_map,
)
from harness.suites.importing.source import Imported, write_suite

__all__ = [
    "CHECKS",
    "TARGETS",
    "ImportOptions",
    "Imported",
    "import_ifeval",
    "import_rows",
    "import_xstest",
    "parse_map",
    "write_suite",
]
