"""Tasks of lm-evaluation-harness that generate text, as suites.

A task is a YAML file with templates over the rows of a data set; prompts, few-shot examples and
filters are made as version 0.4.13 makes them under its option `--apply_chat_template`, so that the
same answers have the same exact match. What is a program there (`!function`) is refused by name.
"""

from harness.suites.importing.lm_eval.configuration import TaskOptions
from harness.suites.importing.lm_eval.suite import import_lm_eval

__all__ = ["TaskOptions", "import_lm_eval"]
