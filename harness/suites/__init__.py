"""Suites: YAML with positions, templates, data files and seeded families, checked as a whole."""

from harness.common.yaml_positions import Position
from harness.suites.doubts import same_tries
from harness.suites.haystack import Fitted, Haystack, HaystackSpec, TooLong, fit
from harness.suites.load import (
    SUFFIXES,
    load_suite,
    load_suites,
    make_suite,
    not_there,
    suite_files,
    yaml_below,
)
from harness.suites.practice import practice_suite
from harness.suites.schema import json_schema
from harness.suites.script import matching
from harness.suites.selecting import Selectable, Selection
from harness.suites.values import FIXED_CALL, MOST_STEPS, Case, Prefer, Suite, ToolResult, Turn

__all__ = [
    "FIXED_CALL",
    "MOST_STEPS",
    "SUFFIXES",
    "Case",
    "Fitted",
    "Haystack",
    "HaystackSpec",
    "Position",
    "Prefer",
    "Selectable",
    "Selection",
    "Suite",
    "TooLong",
    "ToolResult",
    "Turn",
    "fit",
    "json_schema",
    "load_suite",
    "load_suites",
    "make_suite",
    "matching",
    "not_there",
    "practice_suite",
    "same_tries",
    "suite_files",
    "yaml_below",
]
