"""Options, declared once, and the rules for paths and selected suites."""

from harness.config.paths import Form, Said, Value, said_in
from harness.config.selection import is_suite, load_selected, select_files
from harness.config.settings import (
    JudgeSettings,
    Settings,
    VariantSettings,
    configured,
    engine_arguments,
    find_root,
    flags,
    given_options,
    load_settings,
    load_typed,
    where_to_set,
)
from harness.config.yaml_settings import read_config

__all__ = [
    "Form",
    "JudgeSettings",
    "Said",
    "Settings",
    "Value",
    "VariantSettings",
    "configured",
    "engine_arguments",
    "find_root",
    "flags",
    "given_options",
    "is_suite",
    "load_selected",
    "load_settings",
    "load_typed",
    "read_config",
    "said_in",
    "select_files",
    "where_to_set",
]
