"""Options, declared once, and the rules for paths and selected suites."""

from harness.config.paths import Form, PathValue, TypedPaths, project_path
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
    "PathValue",
    "Settings",
    "TypedPaths",
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
    "project_path",
    "read_config",
    "select_files",
    "where_to_set",
]
