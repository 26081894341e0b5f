"""The command line's grammar, built from `Settings`; wrong words end in the house form."""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from harness import __version__
from harness.common import InputError, Problem, nearest, visible
from harness.config import flags

if TYPE_CHECKING:  # the room of suites is loaded when a command needs it
    from harness.suites import Selection

_SUITE = "say it in the suite, under defaults; by variant under [variants.NAME] in harness.toml"
_ADAPTER = "name each adapter: --adapter NAME=DIR"
# What is not listed is looked for among the command's own options, by its spelling.
_SAID_HERE = {
    "--system": _SUITE,
    "--system-prompt": _SUITE,
    "--temperature": _SUITE,
    "--top-p": _SUITE,
    "--top-k": _SUITE,
    "--seed": _SUITE,
    "--max-tokens": _SUITE,
    "--max-new-tokens": _SUITE,
    "--lora": _ADAPTER,
    "--lora-modules": _ADAPTER,
    "--enable-lora": _ADAPTER,
    "--peft": _ADAPTER,
    "--batch-size": "--batch-tokens N, or --engine-arg rows=N for --backend hf",
    "--api-key": "put it into the environment variable OPENAI_API_KEY",
}
_OF_ENGINES = (
    "--attn-implementation",
    "--enforce-eager",
    "--gpu-memory-utilization",
    "--kv-cache-dtype",
    "--max-lora-rank",
    "--max-loras",
    "--max-model-len",
    "--max-num-seqs",
    "--pipeline-parallel-size",
    "--quantization",
    "--tensor-parallel-size",
)


def said_here(option: str, known: Container[str]) -> str:
    """Return where this command has what another tool's option says; empty where that is unknown.

    `known` are the command's own options: one that runs no engine is told nothing.
    """
    name = option.replace("_", "-")
    if "--engine-arg" not in known:
        return ""
    if name in _OF_ENGINES:
        return f"--engine-arg {name.removeprefix('--').replace('-', '_')}=VALUE"
    return _SAID_HERE.get(name, "")


DESCRIPTION = "May this adapter replace what runs in production, and if not, what repairs it?"


EXIT_CODES = """\
exit codes:
  0  passed, or nothing gated      3  machinery failed (engine, disk, damaged store)
  1  a gate failed                 4  inconclusive: too few cases, or nothing to compare with
  2  wrong input                   130  stopped by Ctrl-C; what was finished is kept
"""
# Of commands that gate nothing and say themselves what their 0 means.
OTHER_CODES = """\
other exit codes:
  2  wrong input      3  machinery failed      130  stopped by Ctrl-C; what was finished is kept
"""
EXAMPLES = """\
examples:
  harness init                                          a first suite and a configuration
  harness validate suites/                              is every suite file right?
  harness run suites/ --model M --adapter new=out/new   may this adapter replace the base?
  harness compare latest:base latest:new                two variants or runs, paired
  harness COMMAND --help                                options and examples of one command

"""


_PATH = re.compile("FILE|DIR|FOLDER|PATH|SUITE|CONFIG|LABELS|ADAPTER")  # in what help calls it


class Parser(argparse.ArgumentParser):
    """argparse that raises InputError instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse has to say, as an input error."""
        raise InputError(Problem(message, hint=f"see {self.prog} --help"))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raise InputError for a word that is none of an argument's choices, with the nearest."""
        if action.choices is None or value in action.choices:
            return
        known = list(map(str, action.choices))
        raise InputError(
            Problem(
                f"{'/'.join(action.option_strings) or 'argument'} {str(value)!r} is not known",
                expected=", ".join(known),
                did_you_mean=nearest(str(value), known),
                hint=f"see {self.prog} --help",
            )
        )

    def options(self) -> list[str]:
        """Return the options of this command, as they are typed."""
        return [text for action in self._actions for text in action.option_strings]

    def demand_paths(self, arguments: argparse.Namespace) -> None:
        """Raise InputError for an empty text that stands for a path, as of an unset variable."""
        for action in self._actions:
            value = getattr(arguments, action.dest, None)
            given = value if isinstance(value, list) else [value]
            if value != action.default and "" in given and _PATH.search(str(action.metavar)):
                name = "/".join(action.option_strings) or "the argument"
                message, hint = f"{name} is empty", f"see {self.prog} --help"
                raise InputError(Problem(message, expected=str(action.metavar), hint=hint))

    def list_argument(self) -> str:
        """Return where this command keeps its arguments of any number; "" where it takes none."""
        lists = (each for each in self._actions if each.nargs in ("*", "+"))
        return next((each.dest for each in lists if not each.option_strings), "")


def count(text: str) -> int:
    """Read a whole number from 0, for options that say how many; argparse reports anything else."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def at_least_one(text: str) -> int:
    """Read a whole number from 1."""
    if not (found := count(text)):
        raise argparse.ArgumentTypeError("0 is no whole number from 1")
    return found


def add_gpus(parser: argparse.ArgumentParser) -> None:
    """Add the options that say on which GPUs a training runs."""
    parser.add_argument(
        "--gpus",
        metavar="N",
        type=at_least_one,
        help="train on so many GPUs of each host (with device cpu: in so many processes)",
    )
    parser.add_argument(
        "--hosts",
        metavar="N",
        type=at_least_one,
        help="train on so many hosts: this one, and those that run join-training",
    )
    parser.add_argument(
        "--main-address", metavar="HOST:PORT", help="where the other hosts find this one"
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that take a part of the cases; `selection_of` reads them."""
    group = parser.add_argument_group("a part of the cases, which gives no verdict on the whole")
    group.add_argument(
        "--case", action="append", default=[], metavar="GLOB", help="by id, or by SUITE/ID"
    )
    group.add_argument(
        "--tag", action="append", default=[], metavar="TAG", help="with any of these tags"
    )
    group.add_argument(
        "--limit", type=at_least_one, metavar="N", help="the first N of each suite, of those"
    )


def selection_of(arguments: argparse.Namespace) -> Selection:
    """Return the selection that `add_selection` read."""
    from harness.suites import Selection

    return Selection(tuple(arguments.case), tuple(arguments.tag), arguments.limit)


def new_parser() -> tuple[Parser, Any]:
    """Return the parser of `harness`, and what commands are added to."""
    parser = Parser(
        prog="harness",
        description=DESCRIPTION,
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    return parser, commands


def new_command(
    commands: Any,
    name: str,
    text: str,
    *examples: str,
    about: str = "",
    codes: str = EXIT_CODES,
) -> argparse.ArgumentParser:
    """Add a command whose help has examples and the exit codes; `about` is a longer text."""
    shown = "".join(f"  harness {example}\n" for example in examples)
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[:1].upper()}{text[1:]}." + (f"\n\n{about}" if about else ""),
        epilog=(f"examples:\n{shown}\n" if examples else "") + codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(parser=parser)  # of a command in a command, the inner one's stays
    return parser


def add_settings(
    parser: argparse.ArgumentParser,
    *,
    without: Iterable[str] = (),
    only: Container[str] | None = None,
) -> None:
    """Add the options of `Settings`; one that is not given stays out of the namespace."""
    for name, flag, text in flags():
        if name in without or (only is not None and name not in only):
            continue
        kind: dict[str, Any] = {"dest": name, "help": text, "default": argparse.SUPPRESS}
        if flag.switch:
            kind["action"] = "store_true"
        else:
            kind |= {"action": "append" if flag.repeat else "store", "metavar": flag.metavar}
        parser.add_argument(flag.name, **kind)


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `Settings` that the command line gave."""
    return {name: getattr(arguments, name) for name, _, _ in flags() if hasattr(arguments, name)}


def say(text: object = "", *, file: TextIO | None = None) -> None:
    """Print a line; what comes from outside in it cannot act on the terminal."""
    print(visible(str(text)), file=file)


def complain(*said: object) -> None:
    """Print lines on the standard error, as far as that takes them: the exit code still tells."""
    try:
        for each in said:
            say(each, file=sys.stderr)
        sys.stderr.flush()
    except (OSError, ValueError):  # full or gone; ValueError: closed
        sys.stderr = io.StringIO()


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table that is never folded: what stands in it can be searched and copied."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def parse(parser: Parser, words: Sequence[str], commands: Iterable[str]) -> argparse.Namespace:
    """Parse all words; one that is not known is named with the nearest that is."""
    if words[0] not in commands and not words[0].startswith("-"):
        raise InputError(
            Problem(
                f"unknown command {words[0]!r}",
                expected=", ".join(commands),
                did_you_mean=nearest(words[0], commands),
            )
        )
    arguments, unknown = parser.parse_known_args(words)
    if hasattr(arguments, "parser"):
        arguments.parser.demand_paths(arguments)
    if not unknown:
        return arguments
    wrong = next((word for word in unknown if word.startswith("-")), "")
    names = arguments.parser.list_argument()
    if wrong or not names:
        raise InputError(_unknown(wrong or unknown[0], arguments.parser))
    # argparse takes no more of a list that an option stands in: `show latest --full c01`
    setattr(arguments, names, [*(getattr(arguments, names) or ()), *unknown])
    return arguments


def _unknown(word: str, parser: Parser) -> Problem:
    """Return a word that this command does not take, though others may."""
    if not word.startswith("-"):
        return Problem(f"one argument too many: {word!r}", hint=f"see {parser.prog} --help")
    name = word.partition("=")[0]
    elsewhere = name in {flag.name for _, flag, _ in flags()}
    said_in_file: Callable[[str], str] | None = parser.get_default("said_in_file")
    if said_in_file is not None and (setting := said_in_file(name)):
        return Problem(f"unknown option {word!r}", hint=f"say it in the file: {setting}")
    if not elsewhere and (hint := said_here(name, parser.options())):
        return Problem(f"unknown option {word!r}", hint=hint)
    return Problem(
        f"unknown option {word!r}",
        found=f"other commands have it, `{parser.prog}` has not" if elsewhere else "",
        did_you_mean="" if elsewhere else nearest(name, parser.options()),
        hint=f"see {parser.prog} --help",
    )


INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended
CLOSED_PIPE = 141  # 128 + SIGPIPE, as shells see programs that end by it


def crash_report(words: Sequence[str]) -> Path | None:
    """Write what happened into a file of its own; return None where nothing can be written."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="backslashreplace", prefix="harness-", suffix=".txt",
            delete=False,
        ) as file:  # fmt: skip
            file.write(f"harness {shlex.join(words)}\n\n{traceback.format_exc()}")
        return Path(file.name)
    except OSError:
        return None


def silence() -> int:
    """Nobody reads on (`harness schema | head`): say nothing more, at the end neither."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return CLOSED_PIPE


def leave(code: int) -> int:
    """Return the exit code; end the process at once where an engine still works in its thread."""
    if code == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C changes nothing any more
    if "harness.evaluation" in sys.modules:  # a command that loaded no engine has none at work
        from harness.evaluation import at_work, leave_now

        if at_work():
            leave_now(code)
    return code
