"""Suites out of the files that others publish, and of the projects of other harnesses."""

from harness.suites.importing.benchmarks import import_ifeval, import_xstest
from harness.suites.importing.conversations import (
    CHECKS,
    TARGETS,
    ImportOptions,
    import_rows,
    parse_map,
)
from harness.suites.importing.inspect_log import import_inspect
from harness.suites.importing.lm_eval import TaskOptions, import_lm_eval
from harness.suites.importing.openai_evals import import_openai_evals
from harness.suites.importing.production_log import LOG_TARGETS, import_log
from harness.suites.importing.promptfoo import Choices, import_promptfoo
from harness.suites.importing.source import Imported, write_suite

__all__ = [
    "CHECKS",
    "LOG_TARGETS",
    "TARGETS",
    "Choices",
    "ImportOptions",
    "Imported",
    "TaskOptions",
    "import_ifeval",
    "import_inspect",
    "import_lm_eval",
    "import_log",
    "import_openai_evals",
    "import_promptfoo",
    "import_rows",
    "import_xstest",
    "parse_map",
    "write_suite",
]
