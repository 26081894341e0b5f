"""The command line's grammar, built from `Settings`; wrong words end in the house form."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from harness import __version__
from harness.errors import InputError, Problem, nearest
from harness.settings import flags

DESCRIPTION = "May this adapter replace what runs in production, and if not, what repairs it?"


class Parser(argparse.ArgumentParser):
    """argparse that raises InputError instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """What argparse has to say, as an input error."""
        raise InputError(Problem(message, mend=f"see {self.prog} --help"))


def count(text: str) -> int:
    """A whole number from 0, for options that say how many; argparse reports anything else."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def new_parser() -> tuple[Parser, Any]:
    """The parser of `harness` and the place where commands add themselves."""
    parser = Parser(prog="harness", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    return parser, commands


def add_settings(parser: argparse.ArgumentParser, *, without: Iterable[str] = ()) -> None:
    """Every option of `Settings`; one that is not given stays out of the namespace."""
    for name, flag, text in flags():
        if name in without:
            continue
        kind: dict[str, Any] = {"dest": name, "help": text, "default": argparse.SUPPRESS}
        if flag.switch:
            kind["action"] = "store_true"
        else:
            kind |= {"action": "append" if flag.repeat else "store", "metavar": flag.metavar}
        parser.add_argument(flag.name, **kind)


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of `Settings` that the command line gave."""
    return {name: getattr(arguments, name) for name, _, _ in flags() if hasattr(arguments, name)}


def parse(parser: Parser, words: Sequence[str], commands: Iterable[str]) -> argparse.Namespace:
    """Parse all words; one that is not known is named with the nearest that is."""
    if words[0] not in commands and not words[0].startswith("-"):
        raise InputError(
            Problem(
                f"unknown command {words[0]!r}",
                wanted=", ".join(commands),
                did_you_mean=nearest(words[0], commands),
            )
        )
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        known = [flag.name for _, flag, _ in flags()]
        raise InputError(
            Problem(
                f"unknown option {unknown[0]!r}",
                did_you_mean=nearest(unknown[0].partition("=")[0], known),
                mend=f"see harness {arguments.command} --help",
            )
        )
    return arguments
