"""Options, declared once, and the rules for paths and selected suites."""

from harness.config.paths import Form, PathValue, TypedPaths, project_path
from harness.config.selection import is_suite, load_selected, select_files
from harness.config.settings import (
    ExportSettings,
    ExportTarget,
    JudgeSettings,
    RaySettings,
    Settings,
    VariantSettings,
    configured,
    engine_arguments,
    find_root,
    flags,
    given_options,
    load_settings,
    load_typed,
    place_of,
    replicas_of,
    where_to_set,
)
from harness.config.yaml_settings import read_config

__all__ = [
    "ExportSettings",
    "ExportTarget",
    "Form",
    "JudgeSettings",
    "PathValue",
    "RaySettings",
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
    "place_of",
    "project_path",
    "read_config",
    "replicas_of",
    "select_files",
    "where_to_set",
]
