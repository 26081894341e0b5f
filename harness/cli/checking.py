"""`harness validate`, `harness schema` and `harness checks`: about suites; nothing is generated."""

from __future__ import annotations

import argparse
import json
from typing import Any

from harness.cli.parser import add_settings, columns, new_command, say
from harness.cli.running import read_settings
from harness.common import InputError, Problem, nearest


def add_commands(commands: Any) -> None:
    """Register the three commands."""
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
    checks = new_command(
        commands, "checks", "list the checks, or describe one", "checks", "checks json_value"
    )
    checks.add_argument("name", nargs="?", metavar="NAME", help="the check to describe")
    checks.set_defaults(act=checks_command)


def validate_command(arguments: argparse.Namespace) -> int:
    """Load every suite; all that is wrong is printed at once."""
    from harness.common import plural
    from harness.config import load_selected

    settings = read_settings(arguments)
    suites = load_selected(arguments.suites, settings)
    warnings = {suite.name: list(suite.warnings) for suite in suites}
    if any(suite.fix for suite in suites):  # else the trainer's room is not imported
        from harness.training.repair import block_warnings, check_blocks

        check_blocks(settings, suites)
        for suite in suites:
            warnings[suite.name] += block_warnings(suite)
    for suite in suites:
        say(f"{suite.path}: {suite.name}, {plural(len(suite.cases), 'case')}, {suite.category}")
        for warning in warnings[suite.name]:
            say(f"  warning: {warning}")
    return 0


def schema_command(arguments: argparse.Namespace) -> int:
    """Print a JSON Schema, for editors and other programs."""
    from harness.reports import scorecard_schema
    from harness.suites import json_schema

    schema = json_schema() if arguments.what == "suite" else scorecard_schema()
    say(json.dumps(schema, indent=2, ensure_ascii=False))
    return 0


def checks_command(arguments: argparse.Namespace) -> int:
    """Print all checks with a line each, or one with its arguments and an example."""
    from pydantic import ValidationError

    from harness.scorers import UnknownScorerError, all_scorers, get, names
    from harness.scorers.docs import page

    if arguments.name is None:
        for line in columns([(scorer.name, scorer.summary) for scorer in all_scorers()]):
            say(line)
        return 0
    try:
        say(page(get(arguments.name)).rstrip())
    except UnknownScorerError:
        raise InputError(
            Problem(
                f"check {arguments.name!r} is not known",
                did_you_mean=nearest(arguments.name, names()),
                hint="`harness checks` lists them",
            )
        ) from None
    except ValidationError as error:  # its example cannot be read without what it needs
        raise InputError(*(Problem(row["msg"]) for row in error.errors())) from None
    return 0
