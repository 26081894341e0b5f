"""`harness validate` and `harness schema`: suites are checked, nothing is generated."""

from __future__ import annotations

import argparse
import json
from typing import Any

from harness.cli.parser import add_settings, new_command
from harness.cli.running import read_settings


def add_commands(commands: Any) -> None:
    """Register both commands."""
    validate = new_command(
        commands, "validate", "check suite files, and generate nothing", "validate suites/"
    )
    validate.add_argument("suites", nargs="*", metavar="SUITE", help="files or folders")
    add_settings(validate, only=())
    validate.set_defaults(act=validate_command)
    schema = new_command(
        commands,
        "schema",
        "print the JSON Schema of suite files or of scorecards",
        "schema > suite.schema.json",
        "schema scorecard",
    )
    schema.add_argument("what", nargs="?", default="suite", choices=("suite", "scorecard"))
    schema.set_defaults(act=schema_command)


def validate_command(arguments: argparse.Namespace) -> int:
    """Load every suite; all that is wrong is printed at once."""
    from harness.reports.words import plural
    from harness.selection import load_selected

    settings = read_settings(arguments)
    suites = load_selected(arguments.suites, settings)
    for suite in suites:
        print(f"{suite.path}: {suite.name}, {plural(len(suite.cases), 'case')}, {suite.category}")
        for warning in suite.warnings:
            print(f"  warning: {warning}")
    return 0


def schema_command(arguments: argparse.Namespace) -> int:
    """Print a JSON Schema, for editors and other programs."""
    from harness.reports import scorecard_schema
    from harness.suites import json_schema

    schema = json_schema() if arguments.what == "suite" else scorecard_schema()
    print(json.dumps(schema, indent=2, ensure_ascii=False))
    return 0
