"""The page of commands, settings and exit codes: `python -m harness.cli.docs docs/commands.md`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from harness.cli import COMMANDS
from harness.cli.parser import new_parser
from harness.common import Prices, write_or_print
from harness.config import flags
from harness.config.settings import JudgeSettings, RaySettings, Settings, VariantSettings

HEAD = """\
# Commands, settings, exit codes

Generated from the code by `python -m harness.cli.docs docs/commands.md`; do not edit.

## Exit codes

| code | meaning |
|---|---|
| 0 | passed, or nothing was gated, which is said; of commands that gate nothing: done |
| 1 | a gate failed: regressed, or below a bar |
| 2 | wrong input: a suite, a setting, an option, a path. Nothing was generated |
| 3 | machinery failed: an engine, a disk, a damaged store. What was finished is kept |
| 4 | inconclusive: too few cases, or nothing to compare with |
| 130 | stopped by Ctrl-C; what was finished is kept |
| 141 | nobody read on (`harness schema \\| head`), and nothing was decided |

pytest keeps its own codes: 0 passed, 1 something failed, 2 a suite file that is wrong, 4 other
wrong input.
"""
SETTINGS = """\
## Settings

Under `[tool.harness]` in `pyproject.toml`, or at the top of `harness.toml`, which wins. The command
line wins over both; pytest takes the same options. A relative path in a file is relative to that
file; on a command line to the folder in which it is typed.

| setting | option | kind | default | meaning |
|---|---|---|---|---|
"""
# Tables of a configuration, and where they stand.
TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("`[tool.harness.variants.NAME]`", VariantSettings),
    (
        "`[tool.harness.judge]`, `[tool.harness.judges.NAME]`, `[tool.harness.teachers.NAME]`",
        JudgeSettings,
    ),
    ("`[tool.harness.ray]`", RaySettings),
    ("`[tool.harness.prices]`", Prices),
)


def document() -> str:
    """Return the text of `docs/commands.md`."""
    _, commands = new_parser()
    for family in COMMANDS:
        family.add_commands(commands)
    parts = [HEAD, "## Commands\n"]
    for name, parser in commands.choices.items():
        parts += described(name, parser)
    options = {name: flag.name for name, flag, _ in flags()}
    rows = []
    for name, field in Settings.model_fields.items():
        if name != "root":
            option = f"`{options[name]}`" if name in options else ""
            meaning = " ".join((field.description or "a table: see below").split())
            cells = (f"`{name}`", option, kind(field.annotation), default(field), meaning)
            rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n")
    parts += [SETTINGS + "".join(rows)]
    for title, model in TABLES:
        parts.append(f"### {title}\n\n| key | kind | default |\n|---|---|---|")
        parts += [
            f"| `{name}` | {kind(field.annotation)} | {default(field)} |"
            for name, field in model.model_fields.items()
        ]
        parts.append("")
    return "\n".join(parts)


def described(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield a command's part of the page, and those of the commands in it."""
    inner = next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)
    yield f"### `harness {name}`\n\n{escaped(parser.description or '')}\n"
    if inner is not None:
        for word, each in inner.choices.items():
            yield from described(f"{name} {word}", each)
        return
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        words = action.option_strings or [str(action.metavar or action.dest)]
        value = ""
        if action.option_strings and action.nargs != 0:
            value = f" {action.metavar or action.dest.upper()}"
        typed = "`, `".join(f"{word}{value}" for word in words)
        allowed = f" ({', '.join(map(str, action.choices))})" if action.choices else ""
        help_text = " ".join(str(action.help or "").split()) + allowed
        rows.append(f"| `{escaped(typed)}` | {escaped(help_text)} |\n")
    if rows:
        yield "| | |\n|---|---|\n" + "".join(rows)
    if parser.epilog and parser.epilog.startswith("examples:\n"):
        shown = parser.epilog.removeprefix("examples:\n").partition("\n\n")[0]
        yield "```text\n" + "\n".join(line.strip() for line in shown.splitlines()) + "\n```\n"


def escaped(text: str) -> str:
    """Return text for a cell of a table."""
    return text.replace("|", "\\|").replace("%%", "%")


def kind(annotation: Any) -> str:
    """Say in words what a field holds."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inside if value != "")
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(kind(each) for each in inside if each is not type(None)))
    if origin is tuple:
        return "list of texts" if "text" in kind(inside[0]) else f"list of {kind(inside[0])}"
    if origin is not None and inside:
        return "table" if len(inside) == 2 else kind(inside[0])
    plain = {str: "text", Path: "path", bool: "switch", int: "whole number", float: "number"}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return plain.get(annotation, "value")


def default(field: Any) -> str:
    """Return a field's default as it would be written; empty where it has none."""
    if field.is_required():
        return "mandatory"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", (), {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"`{each}`" for each in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    write_or_print(document(), sys.argv[1:])
