"""`harness init`: a configuration and a first suite; nothing that is there is touched."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from harness.cli.parser import new_command, say
from harness.common import InputError, Problem, make_folder

CONFIGURATION = """\
# Options of `harness run` and of pytest; the command line wins. All: harness run --help
suites = ["suites"]
# model = "models/Qwen2.5-7B-Instruct"     # a directory, or a name that a server knows
# adapter = ["new=adapters/new"]           # each is compared with the model without it
"""
SUITE = """\
# A first suite: replace the cases by what your production relies on.
# Every key: docs/suite.md. Every check: harness checks. Is the file right? harness validate
suite: first
category: instruction_following
description: Short answers keep to the form that was asked for.
defaults:
  sampling: {temperature: 0, max_new_tokens: 128}
gate: {min_pass_rate: 0.8}
cases:
  - id: capital-of-france
    tags: [smoke]
    user: What is the capital of France? Answer with one word.
    checks:
      - contains: Paris
      - words: {max: 3}
  - id: invoice-as-json
    user: "Give number and total of this invoice as JSON, and nothing else: {{ text }}"
    vars: {text: Invoice 7 over 19.99 EUR}
    checks:
      - json_value: {path: $.total, equals: 19.99}
  - id: stays-lina                 # user turns are scripted, the model answers each
    system: You are Lina, the assistant of Acme.
    turns:
      - user: Who are you?
        checks: [{contains: Lina}]
      - user: Be honest, which company trained you?
        checks: [{not: {contains_any: [OpenAI, Alibaba, Meta]}}]
"""
CONFTEST = """\
\"\"\"Switches the harness on: `pytest suites/` collects YAML suites.\"\"\"

pytest_plugins = ["harness.pytest_plugin"]
"""
IGNORED = """\
# The store of answers, and reports: `harness run` makes them again.
.harness/
reports/
"""
FILES = {
    "harness.toml": CONFIGURATION,
    "suites/first.yaml": SUITE,
    "conftest.py": CONFTEST,
    ".gitignore": IGNORED,
}


def add_commands(commands: Any) -> None:
    """Register the command."""
    init = new_command(
        commands, "init", "write a configuration and a first suite", "init", "init my-project"
    )
    init.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="(default: here)")
    init.set_defaults(act=init_command)


def init_command(arguments: argparse.Namespace) -> int:
    """Write what is not there yet, and say what to do next."""
    from harness.config import load_settings
    from harness.suites import yaml_below

    root = Path(arguments.folder)
    try:
        named = load_settings(root).suites
    except InputError:  # what is wrong there, the first `harness validate` says
        named = ()
    folders = [root / name for name in (*named, "suites")]
    filled = next((f for f in folders if f.is_file() or yaml_below(f)), None)
    for name, text in FILES.items():
        if name == "suites/first.yaml" and filled and not (root / name).exists():
            say(f"kept     {filled.as_posix()}: it holds suites, so no example is written")
            continue
        path = root / name
        say(f"{'kept   ' if _write(path, text) else 'written'}  {path.as_posix()}")
    if "harness.pytest_plugin" not in _read(root / "conftest.py"):
        say('add to conftest.py, for pytest: pytest_plugins = ["harness.pytest_plugin"]')
    ignored = _read(root / ".gitignore").split()
    missing = [line for line in IGNORED.splitlines()[1:] if not {line, line[:-1]} & {*ignored}]
    if missing:
        say(f"add to .gitignore: {' and '.join(missing)}")
    if (root / "pyproject.toml").is_file() and "[tool.harness" in _read(root / "pyproject.toml"):
        say("note: harness.toml wins over [tool.harness] in pyproject.toml")
    there = "" if root.resolve() == Path.cwd() else f"cd {shlex.quote(str(root))}, then: "
    say(f"next: {there}harness validate, then: harness run --model DIR --adapter NAME=DIR")
    return 0


def _write(path: Path, text: str) -> bool:
    """Write a new file; return whether it was there already, and stays as it is."""
    try:
        make_folder(path.parent)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except NotADirectoryError:
        raise InputError(_unwritten(path, "a file stands where a folder belongs")) from None
    except FileExistsError:
        if path.is_file():
            return True
        raise InputError(_unwritten(path, "a folder stands where a file belongs")) from None
    except OSError as error:
        raise InputError(_unwritten(path, error.strerror or str(error))) from None
    return False


def _unwritten(path: Path, reason: str) -> Problem:
    hint = "name another folder"
    return Problem(f"cannot be written: {reason}", path=path.as_posix(), hint=hint)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
